#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every metric that the dashboard and the alert rules ask for is one that the daemon has.
Usage: known_families.py SCRAPE FILE...; SCRAPE is /metrics in the classic format."""
import json
import re
import sys


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
    known = names_in(open(sys.argv[1]).read())
    bad = 0
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
