"""vgcore as WebAssembly, in Pyodide: `.ci/pyodide` builds the wheel and says where npm's package is."""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest
from conftest import shared_file
from processes import run_python

TESTS = Path(__file__).parents[1]
NUMPY = "browser/numpy-2.4.6-pyodide-314.zip"


@pytest.fixture(scope="module")
def pyodide(tmp_path_factory):
    """A function that runs a script of the tests in Pyodide, where NumPy and the wheel are installed."""
    package = os.environ.get("VGCORE_PYODIDE")
    if package is None:
        pytest.skip("VGCORE_PYODIDE is not set, the folder of npm's package pyodide")
    node = shutil.which("node")
    assert node, "no Node.js on PATH, which Pyodide runs in"
    [wheel] = (TESTS.parent / "dist").glob("vgcore-*-pyemscripten_*.whl")
    site = tmp_path_factory.mktemp("site")
    for archive in (shared_file(NUMPY), wheel):
        ZipFile(archive).extractall(site)

    def run(script):
        command = [node, "pyodide.mjs", package, str(site), script]
        return subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)

    return run


@pytest.mark.skipif(platform.machine() != "x86_64", reason="bits are those of x86-64's baseline")
def test_networks_have_the_bits_of_the_baseline(pyodide, monkeypatch):
    """Parameters, states of optimizers and records, where nothing is subnormal; on eight threads, too."""
    monkeypatch.setenv("VGCORE_CPU", "baseline")
    here, there = run_python("hashed_networks.py"), pyodide("hashed_networks.py")
    assert here.returncode == there.returncode == 0, here.stderr + there.stderr
    hashes = json.loads(here.stdout)
    assert json.loads(there.stdout) == hashes and len(hashes) > 60


def test_what_starts_threads_elsewhere_goes_without(pyodide):
    done = pyodide("threadless.py")
    assert done.stdout.splitlines()[-1:] == ["done"], done.stdout + done.stderr
