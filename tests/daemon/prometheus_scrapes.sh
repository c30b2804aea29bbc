#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The providers' facts, row 21: "no exposition".  A real Prometheus scrapes the daemon's TCP listener:
# directly, where it asks for OpenMetrics, and through nginx, which asks for the classic text format
# instead (this Prometheus has no setting for that).  Usage: prometheus_scrapes.sh BUILD
set -euo pipefail
build=$1
for program in prometheus nginx curl; do
  command -v $program >/dev/null || [ -x /usr/sbin/$program ] || { echo "skipped: $program is not installed"; exit 77; }
done
PATH=$PATH:/usr/sbin
folder=$(mktemp -d)
pids=()
trap '[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
mkdir -p "$folder"/{state,scratch,plugins,data,nginx}
cp "$build"/plugins/{hello,metrics}.so "$folder/plugins"
fail() { echo "failed: $*"; tail -n 30 "$folder"/*.log; exit 1; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
wait_for() {  # wait_for SECONDS COMMAND...: until it succeeds
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

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
[http]
listen = ["127.0.0.1:0"]
[plugins]
directories = ["$folder/plugins"]
isolation = "${COFOUNDER_TEST_ISOLATION:-in-process}"
TOML
"$build/bin/cofounderd" --config "$folder/cofounderd.toml" 2>"$folder/daemon.log" &
pids+=($!)
wait_for 20 curl -fsS --unix-socket "$folder/control.sock" http://localhost/v1/health || fail "the daemon is not healthy"
port=$(sed -n 's/.*public routes on .* (port \([0-9]*\)).*/\1/p' "$folder/daemon.log")
curl -fsS --unix-socket "$folder/control.sock" -d '{"op": "hello.greet", "args": {"name": "world"}}' \
  'http://localhost/v1/tasks?wait=10s' >/dev/null

# Both write down which format was answered.
proxy_port=$(free_port)
direct_port=$(free_port)
cat >"$folder/nginx.conf" <<NGINX
daemon off; worker_processes 1; error_log $folder/nginx.log; pid $folder/nginx/pid;
events { worker_connections 64; }
http {
  log_format formats '\$server_port \$status \$sent_http_content_type';
  access_log $folder/formats formats;
  client_body_temp_path $folder/nginx; proxy_temp_path $folder/nginx; fastcgi_temp_path $folder/nginx;
  uwsgi_temp_path $folder/nginx; scgi_temp_path $folder/nginx;
  server { listen 127.0.0.1:$direct_port; location / { proxy_pass http://127.0.0.1:$port; } }
  server {
    listen 127.0.0.1:$proxy_port;
    location / { proxy_set_header Accept "text/plain;version=0.0.4"; proxy_pass http://127.0.0.1:$port; }
  }
}
NGINX
nginx -p "$folder/nginx" -c "$folder/nginx.conf" 2>>"$folder/nginx.log" &
pids+=($!)

cat >"$folder/prometheus.yml" <<YAML
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: straight
    static_configs: [{targets: ["127.0.0.1:$port"]}]
  - job_name: openmetrics
    static_configs: [{targets: ["127.0.0.1:$direct_port"]}]
  - job_name: classic
    static_configs: [{targets: ["127.0.0.1:$proxy_port"]}]
YAML
promtool check config "$folder/prometheus.yml" >/dev/null
web=$(free_port)
prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" \
  --web.listen-address="127.0.0.1:$web" --log.level=warn 2>"$folder/prometheus.log" &
pids+=($!)

query() { curl -fsS --get "http://127.0.0.1:$web/api/v1/query" --data-urlencode "query=$1"; }
# is QUERY VALUE: one sample, with this value.
is() {
  query "$1" | python3 -c '
import json, sys
samples = json.load(sys.stdin)["data"]["result"]
sys.exit(0 if len(samples) == 1 and samples[0]["value"][1] == sys.argv[1] else 1)' "$2"
}
for job in straight openmetrics classic; do
  wait_for 30 is "up{job=\"$job\"}" 1 || fail "up{job=\"$job\"} is not 1: $(query up)"
  wait_for 10 is "cofounderd_tasks_total{job=\"$job\",type=\"hello.greet\",outcome=\"succeeded\"}" 1 ||
    fail "no tasks in $job: $(query cofounderd_tasks_total)"
  wait_for 10 is "count({job=\"$job\",__name__=~\"cofounderd_.*\"}) > bool 20" 1 || fail "few samples in $job"
done
grep -q "^$direct_port 200 application/openmetrics-text" "$folder/formats" || fail "Prometheus was not given OpenMetrics: $(sort -u "$folder/formats")"
grep -q "^$proxy_port 200 text/plain" "$folder/formats" || fail "the classic format was not used: $(sort -u "$folder/formats")"
sort -u "$folder/formats"
if grep -i 'error\|warn' "$folder/prometheus.log"; then fail "Prometheus complained"; fi
