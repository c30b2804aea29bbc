#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nothing_leaks.sh BUILD [COUNT]: the daemon under valgrind starts, makes COUNT inferences (1000), and stops: no
# connection is open then, and nothing was leaked, lost or read that was not there.  77 without valgrind.
# The origin's row "start, 1,000 inferences, stop"; the providers' facts, row 13.
set -euo pipefail
build=$1 count=${2:-1000}
command -v valgrind >/dev/null || { echo "skipped: valgrind is not installed (apt-get install valgrind)"; exit 77; }

folder=$(mktemp -d)
daemon="" simulator=""
finish() {
  local code=$?
  [ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null || true
  [ -z "$simulator" ] || kill "$simulator" 2>/dev/null || true
  wait
  if [ $code -ne 0 ]; then tail -n 60 "$folder"/*.log || true; fi
  rm -rf "$folder"
  exit $code
}
trap finish EXIT
fail() {
  echo "$*"
  exit 1
}
until_true() { # until_true SECONDS COMMAND...
  local until=$((SECONDS + $1))
  shift
  while ! "$@"; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.2
  done
}

mkdir "$folder"/{state,scratch,plugins}
# Without the debugger's tables, which Debian's valgrind cannot read from a newer compiler; the names of
# functions stay.
for file in bin/cofounderd plugins/huggingface.so plugins/metrics.so; do
  strip --strip-debug -o "$folder/${file/bin\//}" "$build/$file"
done
"$build/bin/huggingface_simulator" --port-file "$folder/port" tokens=3 >"$folder/simulator.log" &
simulator=$!
until_true 10 test -s "$folder/port" || fail "the simulator did not start"
port=$(cat "$folder/port")
(umask 077 && echo hf_test >"$folder/token")
cat >"$folder/c.toml" <<TOML
[paths]
state = "$folder/state"
scratch = "$folder/scratch"
[control]
socket = "$folder/s"
group = ""
[control.access]
admin = ["$(id -un)"]
operate = []
[plugins]
directories = ["$folder/plugins"]
isolation = "in-process"
[log]
target = "stderr"
[plugin.huggingface]
router_url = "http://127.0.0.1:$port"
hub_url = "http://127.0.0.1:$port"
token = { file = "$folder/token" }
requests_per_provider_max = 16
[plugin.huggingface.limits]
calls_max = 16
TOML
# The daemon's allocator is mimalloc, which valgrind has to be told.  In it delete and free() are one
# function, so that valgrind cannot tell them apart.  It is also to remember the names in plugins that
# are gone.
valgrind --log-file="$folder/valgrind.log" --error-exitcode=99 --soname-synonyms='somalloc=*mimalloc*' \
  --show-mismatched-frees=no   --leak-check=full --show-leak-kinds=definite,indirect,possible --errors-for-leak-kinds=definite,indirect \
  --keep-debuginfo=yes --num-callers=30 "$folder/cofounderd" --config "$folder/c.toml" 2>"$folder/daemon.log" &
daemon=$!
export COFOUNDERD_SOCKET="$folder/s"
ctl() { "$build/bin/cofounderctl" "$@"; }
is_up() { ctl health >/dev/null 2>&1; }
is_up_or_over() { is_up || ! kill -0 "$daemon" 2>/dev/null; }
until_true 120 is_up_or_over || true
is_up || fail "the daemon did not start"
python3 - "$count" >"$folder/tasks" <<'PY'
import json, sys
chat = {"model": "openai/gpt-oss-120b", "messages": [{"role": "user", "content": "hi"}]}
tasks = [{"op": "huggingface.chat", "args": dict(chat, stream=i % 2 == 0)} for i in range(int(sys.argv[1]))]
print(json.dumps(tasks))
PY
ctl call POST /v1/tasks --body "@$folder/tasks" >/dev/null
number() { ctl --json status | grep -o "\"$1\":[0-9]*" | head -n 1 | grep -o '[0-9]*$'; }
are_done() { [ "$(($(number succeeded) + $(number failed) + $(number timed_out)))" -ge "$count" ]; }
until_true $((300 + count)) are_done || fail "they are not done: $(ctl status)"
[ "$(number succeeded)" -eq "$count" ] || fail "not all succeeded: $(ctl status)"
connections() { curl -fsS "http://127.0.0.1:$port/_connections" | grep -o '"open":[0-9]*'; }
before=$(connections)
kill "$daemon"
code=0
wait "$daemon" || code=$?
daemon=""
[ $code -ne 99 ] || fail "valgrind found something"
[ $code -eq 0 ] || fail "the daemon ended with $code"
no_connection() { [ "$(connections)" = '"open":0' ]; }
until_true 10 no_connection || fail "open at the provider: $(connections)"
grep -q 'ERROR SUMMARY: 0 errors' "$folder/valgrind.log" || fail "there is no report"
echo "$count inferences, $before while it ran, none after; $(grep -o 'definitely lost: .*\|in use at exit: .*' "$folder/valgrind.log" | tr '\n' ';')"
