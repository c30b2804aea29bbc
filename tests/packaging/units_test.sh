#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# systemd finds nothing wrong with the units, the sandbox stays as tight as it is, and each setting
# that is relaxed has its reason in the unit.  Usage: units_test.sh SOURCE
set -eu
command -v systemd-analyze >/dev/null || { echo "no systemd-analyze"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$1"/systemd/cofounderd.service "$1"/systemd/cofounderd.socket "$folder"
# The program, its user and its manual pages need not be installed for this.
sed -i -e 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' -e 's|^ExecReload=+[^ ]*|ExecReload=+/bin/true|' \
  -e 's/^User=.*/User=root/' -e 's/^Group=.*/Group=root/' -e 's/^Documentation=.*//' "$folder"/cofounderd.service
sed -i -e 's/^Socket\(User\|Group\)=.*//' -e 's/^Documentation=.*//' "$folder"/cofounderd.socket

# What systemd says of the machine's own units is not ours.
problems=$(systemd-analyze verify --man=no "$folder"/cofounderd.socket "$folder"/cofounderd.service 2>&1 |
  grep -F cofounderd || true)
if [ -n "$problems" ]; then
  echo "$problems"
  exit 1
fi

sed -i -e 's/^User=.*/User=cofounderd/' "$folder"/cofounderd.service
# In tenths.
if ! systemd-analyze security --offline=yes --threshold=15 "$folder"/cofounderd.service >"$folder"/report; then
  cat "$folder"/report
  exit 1
fi
tail -n 1 "$folder"/report

# What it finds and what the unit gives a reason for are the same.
systemd-analyze security --offline=yes --json=short "$folder"/cofounderd.service |
  python3 -c '
import json, re, sys
relaxed = {re.split("[=/]", entry["name"])[0] for entry in json.load(sys.stdin)
           if not entry["set"] and entry.get("exposure") not in (None, "", "0.0")}
unit = open(sys.argv[1]).read()
reasons = unit[unit.index("# Relaxed, and why"):unit.index("[Install]")]
named = set(re.findall(r"\b([A-Z][A-Za-z]+)=", reasons)) - {"ProtectClock", "RootImage"}
sys.exit("relaxed without a reason, or a reason for nothing: " + ", ".join(sorted(relaxed ^ named))
         if relaxed ^ named else 0)
' "$1"/systemd/cofounderd.service

# Exit codes: those of the program after which trying again is of no use, and only those.
for pair in USAGE:EX_USAGE CONFIG:EX_CONFIG; do
  grep -q "^RestartPreventExitStatus=.*\b${pair%:*}\b" "$1"/systemd/cofounderd.service
  grep -q "return ${pair#*:};" "$1"/core/daemon/main.cpp
done
[ "$(grep -o 'EX_[A-Z]*' "$1"/core/daemon/main.cpp | sort -u | tr '\n' ' ')" = "EX_CONFIG EX_OK EX_USAGE " ]

for part in "$1"/systemd/sysusers.d/*.conf; do
  systemd-sysusers --dry-run "$part" >/dev/null
done
