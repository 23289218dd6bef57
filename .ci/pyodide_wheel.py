"""Builds vgcore's wheel for Pyodide, Python in the browser, from packages of pip and npm alone.

    pip install "setuptools>=77" "Cython>=3.1" ziglang && npm install --no-save --prefix . pyodide@314.0.7
    python .ci/pyodide_wheel.py --out dist

Zig brings the compiler, and the C library's headers; Python's are those of the CPython that runs this, 3.11
or later, for extensions keep to its stable ABI. What they must know of the machine, pyconfig.h, is written
from what Pyodide says of itself.
"""

import argparse
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
# Zig has no headers of Emscripten's C library, but those of musl, of which it is made, for another machine of
# 32 bits, and of what vgcore uses only these types differ: Emscripten's musl/arch/emscripten/bits/alltypes.h
MUSL = ("generic-musl", "riscv32-linux-musl")
EMSCRIPTEN_TYPES = {
    "#define _Addr int": "#define _Addr __PTRDIFF_TYPE__",
    "#define _Reg int": "#define _Reg __PTRDIFF_TYPE__",
    "?10:6]": "?10:7]",  # pthread_mutex_t
    "?5:6]": "?5:7]",
}
COMPILE = ("-target", "wasm32-emscripten", "-mcpu=generic", "-fPIC", "-fvisibility=hidden")
LINK = (
    "-shared",
    "--strip-all",
    "--experimental-pic",
    "-Bdynamic",
    "--unresolved-symbols=import-dynamic",
)
EXPORT = "--export=__wasm_call_ctors"  # beside what is visible: each extension's PyInit


def said_by(pyodide, work):
    """What Pyodide's Python says of how it was built."""
    name = "_sysconfigdata__emscripten_wasm32-emscripten"
    with ZipFile(pyodide / "python_stdlib.zip") as library:
        path = library.extract(f"{name}.py", work)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_time_vars


def copy_python_headers(said, to):
    """Headers of the Python that runs, with Pyodide's values for what their own pyconfig.h knows of."""
    shutil.copytree(sysconfig.get_path("include"), to)
    with open(sysconfig.get_config_h_filename()) as own:
        values = {name: said.get(name) for name in sysconfig.parse_config_h(own)}
    known = {name: value for name, value in values.items() if value and isinstance(value, int)}
    lines = [f"#define {name} {value}\n" for name, value in known.items()]
    (to / "pyconfig.h").write_text("".join(lines))


def copy_c_headers(zig, to):
    """The C library's headers, with Emscripten's types."""
    for folder in MUSL:
        shutil.copytree(zig.parent / "lib/libc/include" / folder, to, dirs_exist_ok=True)
    types = to / "bits/alltypes.h"
    text = types.read_text()
    for theirs, ours in EMSCRIPTEN_TYPES.items():
        if theirs not in text:
            sys.exit(f"pyodide_wheel.py: expected {theirs!r} in Zig's {MUSL[-1]}/bits/alltypes.h")
        text = text.replace(theirs, ours)
    types.write_text(text)


def build(pyodide, zig, out, work):
    """Build the wheel into a folder: setuptools asks `sysconfig`, which answers for Pyodide's machine."""
    said = said_by(pyodide, work)
    python, c = work / "python", work / "c"
    copy_python_headers(said, python)
    copy_c_headers(zig, c)
    tools = {
        "CC": shlex.join([str(zig), "cc", *COMPILE, f"-idirafter{c}"]),
        "CFLAGS": "-DNDEBUG -fwrapv",
        "CCSHARED": "",
        "LDSHARED": shlex.join([str(zig), "wasm-ld", *LINK, EXPORT]),
        "INCLUDEPY": str(python),
    }
    (work / "_sysconfigdata_pyodide.py").write_text(f"build_time_vars = {said | tools!r}\n")
    environment = {
        "_PYTHON_HOST_PLATFORM": f"pyemscripten_{said['PYEMSCRIPTEN_PLATFORM_VERSION']}_wasm32",
        "_PYTHON_SYSCONFIGDATA_NAME": "_sysconfigdata_pyodide",
        "PYTHONPATH": os.pathsep.join([str(work), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "ZIG_GLOBAL_CACHE_DIR": str(work / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(work / "zig"),
    }
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    apart = f"--config-settings=--global-option=build --build-base={work}/build"
    subprocess.run(
        [*command, "--wheel-dir", out, apart, ROOT], env=os.environ | environment, check=True
    )


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--pyodide", type=Path, default=Path("node_modules/pyodide"), help="npm's package"
    )
    options.add_argument(
        "--out", type=Path, default=ROOT / "dist", help="the folder that the wheel goes to"
    )
    given = options.parse_args()
    ziglang = importlib.util.find_spec("ziglang")
    if sys.version_info < (3, 11):
        sys.exit("pyodide_wheel.py: CPython 3.11 or later is needed, for its stable ABI")
    if ziglang is None:
        sys.exit("pyodide_wheel.py: no compiler: pip install ziglang")
    if not (given.pyodide / "python_stdlib.zip").is_file():
        sys.exit(f"pyodide_wheel.py: no Pyodide in {given.pyodide}: npm install pyodide@314.0.7")
    with tempfile.TemporaryDirectory() as work:
        zig = Path(ziglang.origin).parent / "zig"
        build(given.pyodide, zig, given.out.resolve(), Path(work))


if __name__ == "__main__":
    main()
