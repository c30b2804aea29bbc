#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that a script can see.  Usage: lint.py [ROOT]

Prints every breach as FILE:LINE: what, and ends with 1 when there is one.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()

# Who may include whom: folder -> what an #include "..." of it may begin with.
MAY_INCLUDE = {
    "core/base": ["core/base/"],
    "core/config": ["core/base/", "core/config/"],
    "core/process": ["core/base/", "core/process/", "core/reaper/protocol.hpp"],
    "core/reaper": ["core/reaper/"],
    "core/http": ["core/base/", "core/http/"],
    "core/scheduler": ["core/base/", "core/scheduler/"],
    "core/store": ["core/base/", "core/scheduler/", "core/store/"],
    "core/wire": ["core/base/", "core/wire/"],
    "core/plugin_host": ["core/base/", "core/wire/", "core/plugin_host/", "core/host/library.hpp",
                         "core/process/crash_handler.hpp", "core/process/sandbox"],
    "core/host": ["core/base/", "core/config/", "core/http/", "core/scheduler/", "core/wire/",
                  "core/process/", "core/host/"],
    "core/control": ["core/base/", "core/config/", "core/http/", "core/scheduler/", "core/control/",
                     "core/host/plugin_host.hpp", "core/host/manifest.hpp", "core/host/files.hpp"],
    "core/ctl": ["core/base/", "core/http/", "core/ctl/", "core/host/manifest.hpp"],
    "core/daemon": ["core/"],
}

# Each outside library stays behind these files.
BORDERS = [
    (r"<boost/json", r"core/base/json\.cpp$"),
    (r"<boost/dll", r"core/host/library\.cpp$"),
    (r"<curl/", r"core/http/client\w*\.[ch]pp$"),
    (r"<sqlite3\.h>", r"core/store/sqlite\w*\.[ch]pp$"),
    (r"<libpq", r"core/store/postgres\w*\.[ch]pp$"),
    (r"<toml\+\+|<toml", r"core/config/\w+\.cpp$"),
    (r"<openssl/", r"core/(base|host|http)/\w+\.cpp$"),
    (r"<systemd/", r"core/(base/log|daemon/\w+)\.cpp$"),
    (r"<seccomp\.h>", r"core/process/seccomp_filter\.cpp$"),
    (r"<CLI/", r"core/(ctl|daemon)/\w+\.cpp$"),
]
# ... and these words in at most so many translation units of core.
UNITS_MAX = [("boost/beast", 3), ("boost/json", 3), ("co_spawn(", 3), ("toml++", 1)]

# "Name it, then await it; await it, then test it": forms that g++ 12.2 compiles wrongly.
CO_AWAIT_BAD = [
    (re.compile(r"(?:while|switch)\s*\([^;]*co_await"), "await it first, then test it"),
    (re.compile(r"if\s*\(\s*!?\s*\(?co_await"), "await it first, then test it"),
    (re.compile(r"co_await[^;]*\(\s*\[|co_await[^;]*,\s*\["), "name the lambda, then await"),
    (re.compile(r"co_await[^;]*[(,]\s*\{"), "name the value, then await"),
    (re.compile(r"co_await\s+co_spawn\([^;]*\["), "spawn a named function"),
]

LINES_MAX = 400
LINES_MAX_EXEMPT = re.compile(r"tests/abi/")
SOURCE = re.compile(r"\.(cpp|hpp|c|h)$")
breaches = []


def breach(path, line, text):
    breaches.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def sources():
    for top in ("core", "sdk", "plugins", "tests"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file() and SOURCE.search(path.name) and "node_modules" not in path.parts:
                yield path


def check_includes(path, name, lines):
    folder = "/".join(name.split("/")[:2])
    allowed = MAY_INCLUDE.get(folder)
    for number, line in enumerate(lines, 1):
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if not match:
            continue
        quote, target = match.groups()
        if name.startswith(("plugins/", "sdk/")) and re.match(r"(core|tests)/|curl/|libpq|sqlite3", target):
            breach(path, number, f"a plugin or the SDK may not include {target}")
        if name.startswith("sdk/include/") and name.endswith(".h") and quote == "<" \
                and target not in ("stddef.h", "stdint.h"):
            breach(path, number, "the C ABI includes <stddef.h> and <stdint.h> only")
        if allowed and quote == '"' and not any(target.startswith(a) for a in allowed):
            breach(path, number, f"{folder} may not include {target}")
        if allowed and target.startswith("cofounder/") and folder not in (
                "core/host", "core/daemon", "core/wire", "core/plugin_host"):
            breach(path, number, f"{folder} may not include the SDK")
        if name.startswith("core/"):
            for pattern, where in BORDERS:
                if re.search(pattern, f"<{target}>") and not re.search(where, name):
                    breach(path, number, f"{target} belongs behind {where}")


def check_co_await(path, lines):
    for number, line in enumerate(lines, 1):
        code = re.sub(r"//.*|\"(?:[^\"\\]|\\.)*\"", "", line)
        if "co_await" not in code or code.lstrip().startswith(("*", "/*")):
            continue
        for pattern, cure in CO_AWAIT_BAD:
            if pattern.search(code):
                breach(path, number, f"g++ 12 miscompiles this co_await: {cure}")


def check_text(path, name, lines):
    if "SPDX-License-Identifier: Apache-2.0" not in (lines[0] if lines else ""):
        breach(path, 1, "the first line is the licence: SPDX-License-Identifier: Apache-2.0")
    if len(lines) > LINES_MAX and not LINES_MAX_EXEMPT.search(name):
        breach(path, LINES_MAX, f"{len(lines)} lines; a file holds one idea in at most {LINES_MAX}")
    for number, line in enumerate(lines, 1):
        if re.search(r"\bTODO\b|\bFIXME\b|\bXXX\b", line):
            breach(path, number, "unfinished work belongs into an issue")
        if re.search(r"sleep_for|\busleep\(|(?<![.\w])sleep\(\d", line) and not name.startswith("tests/fixtures") \
                and "lint: sleeps" not in line:
            breach(path, number, "nothing sleeps: wait for the event, or move the clock")


def check_units(texts):
    for word, limit in UNITS_MAX:
        units = [n for n, t in texts.items() if n.startswith("core/") and n.endswith(".cpp") and word in t]
        headers = [n for n, t in texts.items() if n.startswith("core/") and n.endswith(".hpp") and word in t]
        if len(units) > limit:
            breaches.append(f"{word} stands in {len(units)} units, at most {limit}: {', '.join(units)}")
        if headers and word != "co_spawn(":
            breaches.append(f"{word} stands in headers: {', '.join(headers)}")


def main():
    texts = {}
    for path in sources():
        name = str(path.relative_to(ROOT))
        text = path.read_text(encoding="utf-8")
        texts[name] = text
        lines = text.split("\n")
        check_includes(path, name, lines)
        check_co_await(path, lines)
        check_text(path, name, lines)
    check_units(texts)
    for line in breaches:
        print(line)
    print(f"{len(texts)} files, {len(breaches)} breaches")
    return 1 if breaches else 0


sys.exit(main())
