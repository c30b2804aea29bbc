#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh SIMULATOR FOLDER [CLIENT]: installs the official client into FOLDER and lets it work with
# SIMULATOR.  CLIENT names a folder beside this script, with CLIENT.mjs in it; none: cloudinary.
# 77 when that cannot be: no node, npm or openssl, or no registry.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
simulator=$1
folder=$2
client=${3:-cloudinary}
[ -n "${3:-}" ] && here=$here/$client

skip() { echo "skipped: $*"; exit 77; }
command -v node >/dev/null || skip "node is not installed (apt-get install nodejs)"
command -v npm >/dev/null || skip "npm is not installed (apt-get install npm)"
command -v openssl >/dev/null || skip "openssl is not installed (apt-get install openssl)"

mkdir -p "$folder"
cp "$here/package.json" "$here/package-lock.json" "$here/$client.mjs" "$folder/"
cd "$folder"
# What is there and was made from the same list is used again, also without a network.
if ! cmp -s package-lock.json installed.json; then
  npm ci --no-audit --no-fund --ignore-scripts >npm.log 2>&1 || {
    cat npm.log
    if grep -qE 'ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET' npm.log; then
      skip "the npm registry cannot be reached"
    fi
    exit 1
  }
  cp package-lock.json installed.json
fi

# A client may speak TLS only; its script puts it in front of the simulator.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem \
  -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null

rm -f port
"$simulator" --port-file port >simulator.log 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  [ -s port ] && break
  kill -0 "$pid" || { cat simulator.log; exit 1; }
  sleep 0.1
done
[ -s port ] || { echo "the simulator did not start"; exit 1; }
NODE_EXTRA_CA_CERTS=$PWD/cert.pem node "$client.mjs" "$(cat port)"
