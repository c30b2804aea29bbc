#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh SIMULATOR DAEMON PLUGIN FOLDER: the plugin in DAEMON trains at SIMULATOR, and Prism between
# them holds each request and answer against OpenAI's official OpenAPI document.  77 when that cannot
# be: no npm, no registry, or no document: openai.json is looked for in $COFOUNDER_PROVIDER_SPECS, or
# in ../shared/providers/specs beside this tree.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
simulator=$1 daemon=$2 plugin=$3 folder=$4

skip() { echo "skipped: $*"; exit 77; }
specs=${COFOUNDER_PROVIDER_SPECS:-$here/../../../../../shared/providers/specs}
[ -r "$specs/openai.json" ] || skip "OpenAI's OpenAPI document is not there: $specs/openai.json"
command -v npm >/dev/null || skip "npm is not installed (apt-get install npm)"

mkdir -p "$folder"
cp "$here"/package.json "$here"/package-lock.json "$here"/prism.mjs "$folder/"
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
# Prism wants a later node than Debian has: one comes as a package.
node=
for one in node_modules/node-linux-*/bin/node; do [ -x "$one" ] && node=$PWD/$one; done
[ -n "$node" ] || skip "npm has no node for this machine"
"$node" prism.mjs "$simulator" "$daemon" "$plugin" "$specs/openai.json" "$PWD/daemon"
