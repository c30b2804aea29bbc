#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lintian finds no error in the packages, and they are what is promised.  Usage: lintian.sh FOLDER
set -eu
cd "$1"
daemon=$(ls -t cofounderd_*.deb | head -n 1)
sdk=$(ls -t cofounder-sdk_*.deb | head -n 1)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
lintian --allow-root --fail-on error "$daemon" "$sdk"

# expect PACKAGE PATTERN...: each is a file of it.
expect() {
  package=$1
  shift
  dpkg-deb --contents "$package" >"$folder"/contents
  for pattern in "$@"; do
    grep -Eq "^-.* \.$pattern\$" "$folder"/contents || { echo "$package has no $pattern"; exit 1; }
  done
}
expect "$daemon" /usr/sbin/cofounderd /usr/bin/cofounderctl \
  /usr/libexec/cofounderd/cofounderd-reaper '/usr/lib/cofounderd/plugins/hello\.so' \
  '/usr/lib/cofounderd/plugins/metrics\.so' '/usr/lib/cofounderd/plugins/cloudinary\.so' \
  '(/usr)?/lib/systemd/system/cofounderd\.service' '(/usr)?/lib/systemd/system/cofounderd\.socket' \
  '/usr/lib/sysusers\.d/cofounderd\.conf' '/usr/lib/tmpfiles\.d/cofounderd\.conf' \
  '/etc/cofounderd/cofounderd\.toml' '/usr/share/man/man1/cofounderctl\.1\.gz' \
  '/usr/share/man/man5/cofounderd\.toml\.5\.gz' '/usr/share/man/man8/cofounderd\.8\.gz' \
  /usr/share/bash-completion/completions/cofounderctl /usr/share/zsh/vendor-completions/_cofounderctl
expect "$sdk" '/usr/include/cofounder/plugin\.h' '/usr/include/cofounder/plugin\.hpp' \
  '/usr/include/cofounder/testkit\.hpp' '/usr/share/cofounder-sdk/template/NAME\.cpp' \
  '/usr/share/pkgconfig/cofounder-sdk\.pc' '/usr/share/cmake/cofounder-sdk/cofounder-sdk-config\.cmake' \
  '/usr/share/man/man3/cof-plugin\.3\.gz' '/usr/share/man/man7/cof-plugin-lifecycle\.7\.gz'

# The programs are stripped, and what they need was found by looking at them.
dpkg-deb -x "$daemon" "$folder"
for program in "$folder"/usr/sbin/cofounderd "$folder"/usr/bin/cofounderctl "$folder"/usr/lib/cofounderd/plugins/*.so; do
  ! readelf --sections --wide "$program" | grep ' \.symtab ' >/dev/null || { echo "$program is not stripped"; exit 1; }
done
for library in libc6 libcurl4 libsqlite3-0 libsystemd0; do
  dpkg-deb -f "$daemon" Depends | grep "$library" >/dev/null || { echo "no dependency on $library"; exit 1; }
done
[ "$(dpkg-deb --ctrl-tarfile "$daemon" | tar -xO ./conffiles | grep -c ^/etc/cofounderd/)" -ge 1 ] ||
  { echo "the configuration is no conffile"; exit 1; }
