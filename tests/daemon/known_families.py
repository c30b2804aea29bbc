#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every family that is promised is there, with its type and its labels, and every metric that the
dashboard and the alert rules ask for is one that the daemon has.
Usage: known_families.py SCRAPE FILE...; SCRAPE is /metrics in the classic format."""
import json
import re
import sys


# The providers' facts, section 6, in the classic format.  The gauge of tasks is called store_tasks: in
# OpenMetrics the counter tasks_total is the family "tasks".  SQLite has no pool of connections.
PROMISED = {
    "cofounderd_build_info": ("gauge", "version commit"),
    "process_cpu_seconds_total": ("counter", ""),
    "process_resident_memory_bytes": ("gauge", ""),
    "process_open_fds": ("gauge", ""),
    "process_max_fds": ("gauge", ""),
    "process_start_time_seconds": ("gauge", ""),
    "cofounderd_http_requests_total": ("counter", "method route code"),
    "cofounderd_http_request_duration_seconds": ("histogram", "method route"),
    "cofounderd_store_tasks": ("gauge", "status"),
    "cofounderd_tasks_total": ("counter", "type outcome"),
    "cofounderd_task_duration_seconds": ("histogram", "type outcome"),
    "cofounderd_task_queue_wait_seconds": ("histogram", ""),
    "cofounderd_task_retries_total": ("counter", "type reason"),
    "cofounderd_provider_requests_total": ("counter", "provider operation outcome"),
    "cofounderd_provider_request_duration_seconds": ("histogram", "provider operation"),
    "cofounderd_provider_retries_total": ("counter", "provider reason"),
    "cofounderd_provider_rate_limit_remaining": ("gauge", "provider resource"),
    "cofounderd_provider_rate_limit_reset_timestamp_seconds": ("gauge", "provider resource"),
    "cofounderd_llm_tokens_total": ("counter", "provider model direction"),
    "cofounderd_llm_cost_usd_total": ("counter", "provider model"),
    "cofounderd_llm_unpriced_total": ("counter", "provider model"),
    "cofounderd_budget_usd": ("gauge", "window"),
    "cofounderd_spend_usd": ("gauge", "window"),
    "cofounderd_finetune_jobs": ("gauge", "provider status"),
    "cofounderd_oauth_logins_total": ("counter", "provider outcome"),
    "cofounderd_plugin_up": ("gauge", "plugin"),
    "cofounderd_db_query_duration_seconds": ("histogram", None),
    "cofounderd_metrics_refresh_errors_total": ("counter", "phase"),
    "cofounderd_metrics_last_refresh_timestamp_seconds": ("gauge", "phase"),
}
# Of these there is a sample in any scrape of a daemon that answered a request and did a task.
SAMPLED = re.compile("build|process|http_request|store_tasks|tasks_total|task_duration|queue_wait|budget|spend|"
                     "oauth_logins|plugin_up|db_query|metrics_")


def missing_of(scrape):
    """What is wrong with the promised families, in words."""
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", scrape, re.M))
    for name, (kind, labels) in PROMISED.items():
        if types.get(name) != kind:
            yield f"{name} is a {types.get(name)}, not a {kind}"
            continue
        end = "_count" if kind == "histogram" else ""
        samples = re.findall(r"^%s%s(?:\{(.*)\})? [^ ]+$" % (name, end), scrape, re.M)
        if not samples and SAMPLED.search(name):
            yield f"{name} has no sample"
        for sample in samples:
            given = " ".join(re.findall(r'(?:^|,)([a-zA-Z_][a-zA-Z0-9_]*)="', sample))
            if labels is not None and given != labels:
                yield f"{name} has the labels \"{given}\", not \"{labels}\""
                break


def names_in(scrape):
    """Names of samples, from the TYPE lines: a family may have no sample yet."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", scrape, re.M):
        names.update([name + end for end in ("_bucket", "_sum", "_count")] if kind == "histogram" else [name])
    return names


def expressions(text, is_json):
    if not is_json:
        return re.findall(r"^\s+expr: (?:>-\n)?((?:.*\n)(?:\s{10}.*\n)*)", text, re.M)
    found = []

    def walk(value):
        if isinstance(value, dict):
            found.extend(value[key] for key in ("expr", "query") if isinstance(value.get(key), str))
            value = list(value.values())
        if isinstance(value, list):
            for each in value:
                walk(each)
    walk(json.loads(text))
    return found


def main():
    scrape = open(sys.argv[1]).read()
    known = names_in(scrape)
    bad = 0
    for text in missing_of(scrape):
        print(text)
        bad += 1
    for file in sys.argv[2:]:
        asked = expressions(open(file).read(), file.endswith(".json"))
        names = set(re.findall(r"\b(?:cofounderd|process)_[a-z0-9_]+", "\n".join(asked)))
        if len(names) < 8:
            sys.exit(f"{file}: only {len(names)} metrics were found in {len(asked)} expressions")
        for name in sorted(names - known):
            print(f"{file}: there is no metric {name}")
            bad += 1
        print(f"{file}: {len(names)} metrics in {len(asked)} expressions")
    sys.exit(1 if bad else 0)


main()
