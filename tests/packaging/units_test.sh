#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# systemd finds nothing wrong with the units, and the sandbox stays as tight as it is.
# Usage: units_test.sh SOURCE
set -eu
command -v systemd-analyze >/dev/null || { echo "no systemd-analyze"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$1"/systemd/cofounderd.service "$1"/systemd/cofounderd.socket "$folder"
# The program, its user and its manual pages need not be installed for this.
sed -i -e 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' -e 's/^User=.*/User=root/' \
  -e 's/^Group=.*/Group=root/' -e 's/^Documentation=.*//' "$folder"/cofounderd.service
sed -i -e 's/^Socket\(User\|Group\)=.*//' -e 's/^Documentation=.*//' "$folder"/cofounderd.socket

# What systemd says of the machine's own units is not ours.
problems=$(systemd-analyze verify --man=no "$folder"/cofounderd.socket "$folder"/cofounderd.service 2>&1 |
  grep -F cofounderd || true)
if [ -n "$problems" ]; then
  echo "$problems"
  exit 1
fi

sed -i -e 's/^User=.*/User=cofounderd/' "$folder"/cofounderd.service
# In tenths; the unit has 1.x of 10.
if ! systemd-analyze security --offline=yes --threshold=20 "$folder"/cofounderd.service >"$folder"/report; then
  cat "$folder"/report
  exit 1
fi
tail -n 1 "$folder"/report

for part in "$1"/systemd/sysusers.d/*.conf; do
  systemd-sysusers --dry-run "$part" >/dev/null
done
