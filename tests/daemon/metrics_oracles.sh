#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the real daemon says at /metrics, judged by others: promtool, and the strict OpenMetrics parser
# of python3-prometheus-client where it is installed.  Usage: metrics_oracles.sh BUILD
set -euo pipefail
build=$1
command -v promtool >/dev/null || { echo "skipped: promtool is not installed (package prometheus)"; exit 77; }
folder=$(mktemp -d)
pid=""
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
mkdir -p "$folder"/{state,scratch,plugins}
cp "$build"/plugins/{fine-tuning,hello,metrics,oauth}.so "$folder/plugins"
cat >"$folder/cofounderd.toml" <<TOML
[paths]
state = "$folder/state"
scratch = "$folder/scratch"
[control]
socket = "$folder/control.sock"
group = ""
[control.access]
admin = ["$(id -un)"]
operate = []
[plugins]
directories = ["$folder/plugins"]
isolation = "${COFOUNDER_TEST_ISOLATION:-in-process}"
[plugin.metrics.budget]
day = 1.5
month = 20
[plugin.oauth.google]
client_id = "x"
TOML
"$build/bin/cofounderd" --config "$folder/cofounderd.toml" 2>"$folder/log" &
pid=$!
ask() { curl -fsS --unix-socket "$folder/control.sock" "$@"; }
for _ in $(seq 200); do
  ask http://localhost/v1/health >/dev/null 2>&1 && break
  kill -0 "$pid" || { cat "$folder/log"; exit 1; }
  sleep 0.05
done
ask -d '{"op": "hello.greet", "args": {"name": "world"}}' 'http://localhost/v1/tasks?wait=10s' >/dev/null

# The snapshot may be a second old: wait for the task to show.
for _ in $(seq 100); do
  ask http://localhost/metrics >"$folder/classic"
  grep -q '^cofounderd_tasks_total{type="hello.greet",outcome="succeeded"} 1$' "$folder/classic" && break
  sleep 0.05
done
grep '^cofounderd_tasks_total{type="hello.greet",outcome="succeeded"} 1$' "$folder/classic"
promtool check metrics <"$folder/classic"
source=$(cd "$(dirname "$0")/../.." && pwd)
python3 "$source/tests/daemon/known_families.py" "$folder/classic" \
  "$source/etc/grafana/cofounderd.json" "$source/etc/prometheus/cofounderd.rules.yml"
if python3 "$source/tests/daemon/known_families.py" <(grep -v ' cofounderd_spend_usd ' "$folder/classic") \
  "$source/etc/grafana/cofounderd.json" >/dev/null; then echo "the check of the dashboard takes everything"; exit 1; fi
for spoilt in 's/ cofounderd_finetune_jobs gauge/ cofounderd_finetune_jobs counter/' '/cofounderd_oauth_logins_total/d' \
  's/route="/way="/'; do
  if python3 "$source/tests/daemon/known_families.py" <(sed "$spoilt" "$folder/classic") >/dev/null; then
    echo "the check of families takes $spoilt"
    exit 1
  fi
done

# The providers' facts, row 21: "no exposition": 100 random paths create no new series.
series() { ask http://localhost/metrics | grep -o '^cofounderd_http_requests_total{[^}]*}' | sort; }
curl -sS --unix-socket "$folder/control.sock" http://localhost/nothing/0 >/dev/null
# grep -q would close the pipe at the first line, which is an error of who writes into it.
shown() { series | grep 'route="unmatched",code="404"' >/dev/null; }
for _ in $(seq 100); do shown && break; sleep 0.05; done
series >"$folder/before"
for i in $(seq 100); do
  curl -sS -o /dev/null --unix-socket "$folder/control.sock" "http://localhost/$RANDOM/$i"
done
counted() { ask http://localhost/metrics | grep 'route="unmatched",code="404"} 101$' >/dev/null; }
for _ in $(seq 100); do counted && break; sleep 0.05; done
counted
series | diff "$folder/before" -
if promtool check metrics <<<'aBc 1' >/dev/null 2>&1; then echo "promtool takes everything"; exit 1; fi

ask -H 'Accept: application/openmetrics-text; version=1.0.0' http://localhost/metrics >"$folder/open"
[ "$(tail -n 1 "$folder/open")" = "# EOF" ]
if /usr/bin/python3 -c 'import prometheus_client.openmetrics.parser' 2>/dev/null; then
  /usr/bin/python3 - "$folder/open" <<'PYTHON'
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(open(sys.argv[1]).read()))
assert len(families) > 10, families
print(len(families), "families parsed strictly")
PYTHON
else
  echo "without python3-prometheus-client: the strict parser was not asked"
fi
