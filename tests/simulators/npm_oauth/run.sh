#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh GITHUB OIDC DAEMON PLUGIN FOLDER: GitHub's official client against the simulator GITHUB, a certified
# OpenID client against the simulator OIDC, and PLUGIN in DAEMON against a certified OpenID provider.
# The packages are the newest ones for node 18, which is Debian's.  77 when that cannot be: no node or
# npm, or no registry.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
github=$1 oidc=$2 daemon=$3 plugin=$4 folder=$5

skip() { echo "skipped: $*"; exit 77; }
command -v node >/dev/null || skip "node is not installed (apt-get install nodejs)"
command -v npm >/dev/null || skip "npm is not installed (apt-get install npm)"
[ "$(node -p 'parseInt(process.versions.node)')" -ge 18 ] || skip "node 18 or later is needed"

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

pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
start() { # start PROGRAM NAME [OPTION...]: leaves its port in $port
  local program=$1 name=$2
  shift 2
  rm -f "$name.port"
  "$program" --port-file "$name.port" "$@" >"$name.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do
    [ -s "$name.port" ] && break
    kill -0 "${pids[-1]}" || { cat "$name.log"; exit 1; }
    sleep 0.1
  done
  [ -s "$name.port" ] || { echo "the simulator did not start"; exit 1; }
  port=$(cat "$name.port")
}
start "$github" github
node github.mjs "$port"
start "$oidc" oidc interval=1
node openid.mjs "$port"
node provider.mjs "$daemon" "$plugin" "$PWD/daemon"
