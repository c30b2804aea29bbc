#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the manual pages name exists, and what exists they name.  Usage: manual_test.py SOURCE [PROGRAM]

cofounderctl(1) and cofounderd.toml(5) are held against the tables of commands and options by the
tests of those parts.  PROGRAM is a built cofounderd, whose options must be those of the manual too.
"""
import pathlib
import re
import sys

SOURCE = pathlib.Path(sys.argv[1])
SDK = SOURCE / "sdk/include/cofounder"
problems = []


def text_of(path):
    return (SOURCE / path).read_text(encoding="utf-8")


def compare(what, documented, real):
    for name in sorted(documented - real):
        problems.append(f"{what}: {name} is documented, and does not exist")
    for name in sorted(real - documented):
        problems.append(f"{what}: {name} exists, and is not documented")
    if not real:
        problems.append(f"{what}: nothing found, this test is broken")


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)


def section(page, name):
    """From .Sh or .Ss NAME to the next one of its rank."""
    found = re.search(rf"^\.(S[hs]) {re.escape(name)}.*?(?=^\.(?:Sh|\1) |\Z)", page, re.S | re.M)
    return found[0] if found else ""


# ---- cof-plugin(3) --------------------------------------------------------------------------------
page = text_of("docs/man/cof-plugin.3")

documented = {}
for found in re.finditer(r"^\.Ss (cof\.\w+/\d+) \((services/\w+\.h)\): \S.*?\n(.*?)(?=^\.S[sh] )", page,
                         re.S | re.M):
    documented[found[1], found[2]] = re.findall(r"^\.It Fn (\w+)\n(?!\.It)", found[3], re.M)
real = {}
for header in sorted((SDK / "services").glob("*.h")):
    text = without_comments(header.read_text())
    iid = re.search(r'#define COF_\w+_IID "([^"]+)"', text)[1]
    real[iid, "services/" + header.name] = re.findall(r"\(\*(\w+)\)\(const cof_host", text)
compare("services", set(documented), set(real))
for key in documented.keys() & real.keys():
    compare("functions of " + key[0], set(documented[key]), set(real[key]))

abi = without_comments((SDK / "abi.h").read_text())
compare("statuses", set(re.findall(r"^\.It Dv (COF_E\w+)", section(page, "RETURN VALUES"), re.M)),
        set(re.findall(r"\b(COF_E[A-Z]+) = -", abi)))

manifest = text_of("core/host/manifest.cpp")
top = set(re.findall(r'\((?:reader, )?root, "(\w+)"', manifest))
compare("manifest", set(re.findall(r"^\.It Va (\w+)$", section(page, "MANIFEST"), re.M)), top)
inner = set(re.findall(r'(?:\((?:reader, )?(?:from|interfaces), |from\.find\()"(\w+)"', manifest))
named = set(re.findall(r"\b([a-z_]{2,})\b", " ".join(re.findall(r"^\.Va (.*)$", section(page, "MANIFEST"), re.M))))
compare("fields within the manifest", named, inner)


# What the layer uses itself.
INTERNAL = {"tables", "c_host", "handle"}


def public_classes(header):
    """Classes outside of namespace detail, with the names of their public methods."""
    classes, name, is_public, in_detail = {}, None, False, False
    text = (SDK / "cpp" / header).read_text()
    text = re.sub(r"namespace detail \{\n(?:(?:struct|class) \w+;\n)+\}\n", "", text)
    for line in text.splitlines():
        if re.match(r"namespace .*\bdetail \{", line):
            in_detail = True
        elif line == "}  // namespace detail":
            in_detail = False
        line = without_comments(line).rstrip()
        found = re.match(r"(class|struct)(?: \[\[nodiscard\]\])? (\w+)\b(?!.*;)(?!<)", line)
        if found and not in_detail:
            name, is_public = found[2], found[1] == "struct"
            classes.setdefault(name, set())
        elif line.startswith("};"):
            name = None
        elif re.match(r" (public|protected|private):", line):
            is_public = "private" not in line
        elif name and is_public:
            method = re.match(r"  (?! )(?:[\w:<>,&*\[\] ]+[ &*])?(\w+)\(", line)
            if method and method[1] not in (name, "operator") and method[1] not in INTERNAL:
                classes[name].add(method[1])
    return classes


# Classes that the page lists with every method of theirs.
WHOLE = {"Plugin", "Context", "Host", "Metric", "Http", "Kv", "File"}
layer = section(page, "THE C++ LAYER")
described = {}
for found in re.finditer(r"^\.It Vt (\w+)\n\((\w+\.hpp)\)(.*?)(?=^\.It |^\.El)", layer, re.S | re.M):
    described[found[1], found[2]] = set(re.findall(r"^\.Fn (\w+)", found[3], re.M))
exists = {}
for header in sorted((SDK / "cpp").glob("*.hpp")):
    for name, methods in public_classes(header.name).items():
        exists[name, header.name] = methods
compare("classes", set(described), set(exists))
for key in described.keys() & exists.keys():
    is_whole = key[0] in WHOLE
    for name in sorted(described[key] - exists[key]) + sorted((exists[key] - described[key]) if is_whole else []):
        problems.append(f"{key[0]}::{name} is not in both: the manual and {key[1]}")

# ---- cof-plugin-lifecycle(7) ----------------------------------------------------------------------
page = text_of("docs/man/cof-plugin-lifecycle.7")
plugin = re.search(r"typedef struct cof_plugin \{(.*?)\} cof_plugin;", abi, re.S)[1]
compare("hooks", set(re.findall(r"^\.It Fn (\w+)$", section(page, "Hooks"), re.M)),
        set(re.findall(r"\(\*(\w+)\)", plugin)))
compare("reasons of a cancel", set(re.findall(r"^\.It Dv (\w+)$", page, re.M)),
        set(re.findall(r"\b(COF_CANCEL_\w+) =", abi)))
shipped = re.search(r"^#\[plugin\.hello\.deadlines\]\n(.*?)\n\n", text_of("etc/cofounderd.toml"), re.S | re.M)[1]
units = {"100ms": "0.1 s"}
deadlines = {(name, units.get(value, value.replace("s", " s")))
             for name, value in re.findall(r'^#(\w+) = "(\w+)"$', shipped, re.M) if name != "grace"}
compare("deadlines", set(re.findall(r"^\.It Cm (\w+)\n(.*)$", section(page, "Deadlines"), re.M)), deadlines)

# ---- cofounderd(8) --------------------------------------------------------------------------------
page = text_of("docs/man/cofounderd.8")
options = {"--" + name for name in re.findall(r"^\.It Fl -([a-z-]+)", page, re.M)}
usage = re.search(r"usage =\n(.*?);\n\n", text_of("core/daemon/main.cpp"), re.S)[1]
compare("options in --help", set(re.findall(r"--[a-z][a-z-]+", usage)), options)
codes = re.search(r"Exit codes: ([^.]+)\.", usage)[1]
compare("exit codes", set(re.findall(r"^\.It (\d+)$", section(page, "EXIT STATUS"), re.M)),
        set(re.findall(r"\d+", codes)))
if len(sys.argv) > 2:
    # The program knows no option, and so no debug command, besides those.
    program = pathlib.Path(sys.argv[2]).read_bytes()
    # Optimised code compares long words in pieces, so that the beginning of one may be all there is.
    strings = {found.decode() for found in re.findall(rb"--[a-z][a-z-]+", program)}
    whole = {option for word in strings for option in options if option.startswith(word)}
    # Machine code has such letters by chance, but not that many.
    unknown = {word for word in strings
               if len(word) > 6 and not any(option.startswith(word) for option in options)}
    compare("options in the program", whole | unknown, options)
    variables = set(re.findall(rb"\bCOFOUNDER[A-Z]*_[A-Z_]+\b", program))
    if variables:
        problems.append(f"undocumented environment variables in the program: {variables}")

for problem in problems:
    print(problem)
sys.exit(1 if problems else 0)
