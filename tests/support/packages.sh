# SPDX-License-Identifier: Apache-2.0
# What ./quickstart and ./check install from Debian.  Sourced, not run.

build_packages=(
  clang-19 lld-19 ccache cmake ninja-build g++ pkg-config git ca-certificates
  libboost1.81-dev libboost-filesystem1.81-dev libboost-json1.81-dev libboost-url1.81-dev
  libcurl4-openssl-dev libssl-dev libsqlite3-dev libpq-dev libsystemd-dev libseccomp-dev libtomlplusplus-dev libcli11-dev
  nlohmann-json3-dev libmimalloc-dev zlib1g-dev tzdata python3 curl
)
test_packages=(
  libgtest-dev libgmock-dev libbenchmark-dev clang-tidy-19 libclang-rt-19-dev nginx-light openssl
  sqlite3 systemd systemd-container util-linux procps prometheus python3-prometheus-client binutils
  postgresql-15 pgbouncer mandoc man-db debhelper dpkg-dev lintian valgrind libc6-dbg
  python3-httpx python3-aiohttp
)
# For the official client of a provider; a node from elsewhere will do.
if ! command -v npm >/dev/null; then test_packages+=(nodejs npm); fi

# install_packages NAME...: those that are not there yet.
install_packages() {
  local missing=()
  local name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi
  local sudo=""
  if [ "$(id -u)" -ne 0 ]; then sudo="sudo"; fi
  echo "Installing: ${missing[*]}"
  $sudo apt-get update -qq
  # Debian's policy-rc.d keeps servers that tests start themselves from being started by apt.
  $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# step TEXT: says what comes, with the minutes since the start.
step() {
  printf '\n== %s (%d min)\n' "$*" "$((SECONDS / 60))"
}
