"""Every notebook of the course runs, in Jupyter and in marimo, and is kept without outputs."""

import json
import os
import subprocess
import symtable
import sys
from pathlib import Path

import pytest

COURSE = Path(__file__).parents[2] / "docs" / "course"
NOTEBOOKS = sorted(COURSE.glob("*.ipynb"))
SECONDS = 300  # of one notebook, on a machine that does other things

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def environment():
    """Of a process that draws into files, one thread at a time."""
    return {**os.environ, "MPLBACKEND": "Agg", "VGCORE_NUM_THREADS": "1"}


def test_there_are_notebooks():
    assert NOTEBOOKS


@every_notebook
def test_outputs_are_not_stored(path):
    for cell in cells(path, "code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None


@every_notebook
def test_each_global_name_is_of_one_cell(path):
    """As marimo asks, to which names that begin with an underscore are a cell's own."""
    owner = {}
    for place, cell in enumerate(cells(path, "code")):
        symbols = symtable.symtable("".join(cell["source"]), path.name, "exec").get_symbols()
        defined = {each.get_name() for each in symbols if each.is_assigned() or each.is_imported()}
        used = {each.get_name() for each in symbols if each.is_referenced()}
        assert not {name for name in used - defined if name.startswith("_")}
        for name in defined:
            if not name.startswith("_"):
                assert owner.setdefault(name, place) == place, name


@every_notebook
def test_notebook_has_exercises_and_solutions(path):
    text = "\n".join("".join(cell["source"]) for cell in cells(path, "markdown"))
    assert "\n## Exercises\n" in text and "\n## Solutions\n" in text


@every_notebook
def test_notebook_runs_in_jupyter(path, tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    run = (
        "import sys, nbformat, nbclient\n"
        "notebook = nbformat.read(sys.argv[1], as_version=4)\n"
        f"client = nbclient.NotebookClient(notebook, timeout={SECONDS}, kernel_name='python3')\n"
        "client.execute()\n"
    )
    command = [sys.executable, "-c", run, str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]


@every_notebook
def test_notebook_runs_in_marimo(path, tmp_path):
    pytest.importorskip("marimo")
    script = tmp_path / f"course_{path.stem}.py"
    convert = [sys.executable, "-m", "marimo", "convert", str(path), "-o", str(script)]
    for command in (convert, [sys.executable, str(script)]):
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(),
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
