#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that lint.py objects to what it should object to.  Usage: lint_test.py LINT"""
import pathlib
import subprocess
import sys
import tempfile

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
BAD = {
    "core/base/a.cpp": ('#include "core/host/manifest.hpp"\n', "may not include"),
    "core/store/b.cpp": ('#include "core/control/control.hpp"\n', "may not include"),
    "core/scheduler/c.cpp": ("#include <sqlite3.h>\n", "belongs behind"),
    "core/host/d.cpp": ("#include <boost/json.hpp>\n", "belongs behind"),
    "plugins/x/e.cpp": ('#include "core/base/log.hpp"\n', "a plugin or the SDK"),
    "plugins/x/f.cpp": ("#include <curl/curl.h>\n", "a plugin or the SDK"),
    "sdk/include/cofounder/g.h": ("#include <string.h>\n", "the C ABI includes"),
    "core/base/h.cpp": ("  if (!co_await g(x)) return;\n", "miscompiles"),
    "core/base/i.cpp": ("  while (co_await g()) {}\n", "miscompiles"),
    "core/base/j.cpp": ("  co_await f([x] { return x; });\n", "miscompiles"),
    "core/base/k.cpp": ("  co_await f({1, 2});\n", "miscompiles"),
    "core/base/l.cpp": ("x\n" * 400, "at most 400"),
    "core/base/m.cpp": ("// TO" + "DO later\n", "belongs into an issue"),
    "tests/base/n.cpp": ("std::this_thread::sleep" + "_for(1s);\n", "nothing sleeps"),
}
GOOD = {
    "core/base/a.cpp": '#include "core/base/log.hpp"\nconst bool more = co_await g(x);\n',
    "core/host/b.cpp": '#include <cofounder/plugin.h>\n  co_return co_await g(std::move(x));\n',
    "plugins/x/c.cpp": "#include <cofounder/plugin.hpp>\n",
}


def run(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(LICENCE + text)
        for top in ("core", "sdk", "plugins", "tests"):
            (pathlib.Path(root) / top).mkdir(exist_ok=True)
        return subprocess.run([sys.executable, sys.argv[1], root], capture_output=True, text=True)


failed = 0
for name, (text, expected) in BAD.items():
    result = run({name: text})
    if result.returncode != 1 or expected not in result.stdout:
        print(f"not caught: {name}: {text[:60]!r}\n{result.stdout}{result.stderr}")
        failed += 1
result = run(GOOD)
if result.returncode != 0:
    print(f"false alarm:\n{result.stdout}{result.stderr}")
    failed += 1
print(f"{len(BAD) + 1 - failed} of {len(BAD) + 1} as expected")
sys.exit(1 if failed else 0)
