"""The command line: prints the experiments' numbers, writes a picture, and fails readably."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from processes import run_python
from typer.testing import CliRunner, Result

import vgcore as vg
from vgcore.commands import app
from vgcore.experiments import demo


def vgcore(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def rows(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines()]


def assert_picture(path: Path) -> None:
    assert path.read_bytes().startswith(b"\x89PNG\r\n")
    height, width, _ = imread(path).shape
    assert width > height > 300
    assert imread(path)[..., :3].std() > 0.05  # not blank


def test_demo_prints_the_flows_and_writes_the_picture(tmp_path: Path) -> None:
    out = tmp_path / "demo.png"
    done = vgcore("demo", "--epochs", "2", "--seed", "5", "--out", out)
    assert done.exit_code == 0, done.output
    result = demo.run(epochs=2, seed=5)
    printed = rows(done.stdout)
    for course in (result.sick, result.cured):
        for place, layer in enumerate(course.start.layers):
            bias, weight = course.start.bias_grad[0, place], course.start.weight_grad[0, place]
            found = [row for row in printed if row[:2] == [layer, f"{bias:.5f}"]]
            assert len(found) == 1
            assert found[0][3] == f"{weight:.5f}"
        assert f"{course.accuracy:.1%}" in done.stdout
    assert f"Picture: {out}" in done.stdout
    assert_picture(out)


def test_progress_goes_to_stderr_and_results_to_stdout(tmp_path: Path) -> None:
    done = vgcore("demo", "--epochs", "1", "--out", tmp_path / "a.png")
    assert "45/45" in done.stderr
    assert "45/45" not in done.stdout
    assert "dL/db" not in done.stderr


def test_nielsen_prints_measured_beside_published(tmp_path: Path, mnist_directory: Path) -> None:
    out = tmp_path / "nielsen.png"
    short = "--draws", "3", "--epochs", "2"
    done = vgcore("run", "nielsen", "--data", mnist_directory, "--out", out, *short)
    assert done.exit_code == 0, done.output
    for layer, published in (("hidden1", "0.0657"), ("hidden3", "0.28314"), ("hidden4", "0.28514")):
        (row,) = [row for row in rows(done.stdout) if row[:1] == [layer] and row[-1] == published]
        assert np.all(np.array(row[1:3], float) > 0)
    assert "median of 3" in done.stdout
    assert "test split" in done.stdout
    assert_picture(out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nielsen", "--data", "no-such-folder"], "data: .* got no-such-folder"),
        (["demo", "--epochs", "0"], "epochs: expected an integer of at least 1, got 0"),
        (["demo", "--seed", "-1"], "seed: expected an integer of at least 0, got -1"),
        (["demo", "--out", "picture.pgn"], "out: expected a name ending in .* got picture.pgn"),
        (["demo", "--out", "no-such-folder/a.png"], "out: expected a folder .* no-such-folder"),
    ],
)
def test_a_wrong_value_is_one_clear_line(arguments: list[str], message: str) -> None:
    done = vgcore(*arguments)
    assert done.exit_code == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert re.match(f"error: {message}", line)


@pytest.mark.parametrize(
    "arguments",
    [["dmeo"], ["run", "nilsen"], ["demo", "--epoch", "3"], ["demo", "--epochs", "many"]],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    done = vgcore(*arguments)
    assert done.exit_code == 2
    assert "Usage: " in done.stderr


def test_help_lists_commands_and_options() -> None:
    assert "nielsen" in vgcore("run", "--help").stdout
    help_text = vgcore("demo", "--help").stdout
    for option in ("--epochs", "--seed", "--out", "vgcore.png"):
        assert option in help_text
    assert "--meter" not in help_text


def test_version_and_module() -> None:
    done = run_python("-m", "vgcore", "--version")
    assert (done.returncode, done.stdout) == (0, f"vgcore {vg.__version__}\n")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_libraries_the_program_names_the_extra(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from vgcore.cli import main; main()"
    done = run_python("-c", code)
    assert done.returncode == 1
    assert done.stderr == f'error: the command line needs {missing}: pip install "vgcore[demo]"\n'


def test_import_vgcore_leaves_the_extras_alone() -> None:
    code = "import sys, vgcore; print(*{m.partition('.')[0] for m in sys.modules})"
    loaded = set(run_python("-c", code).stdout.split())
    assert "vgcore" in loaded
    assert not loaded & {"typer", "click", "rich", "matplotlib", "sklearn", "scipy", "pooch"}
