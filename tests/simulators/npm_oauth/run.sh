#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh SIMULATOR DAEMON PLUGIN FOLDER: GitHub's official client against SIMULATOR, and PLUGIN in DAEMON
# against a certified OpenID provider.  77 when that cannot be: no node or npm, or no registry.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
simulator=$1 daemon=$2 plugin=$3 folder=$4

skip() { echo "skipped: $*"; exit 77; }
command -v node >/dev/null || skip "node is not installed (apt-get install nodejs)"
command -v npm >/dev/null || skip "npm is not installed (apt-get install npm)"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || skip "node 20 or later is needed"

mkdir -p "$folder"
cp "$here"/package.json "$here"/package-lock.json "$here"/*.mjs "$folder/"
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
node github.mjs "$(cat port)"
node provider.mjs "$daemon" "$plugin" "$PWD/daemon"
