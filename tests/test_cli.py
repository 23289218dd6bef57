"""The command line: prints the experiments' numbers, writes a picture, and fails readably."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from processes import run_python
from rich.console import Console
from typer.testing import CliRunner, Result

import vgcore as vg
from vgcore import _extras, consoles, diagnosis, experiments
from vgcore.commands import app
from vgcore.experiments import base, demo, time
from vgcore.experiments.diseases import DENSE
from vgcore.running import _print_table, _show


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


def test_experiments_are_listed() -> None:
    listed = vgcore("list").stdout
    assert all(name in listed for name in experiments.NAMES)
    assert "Nielsen" in listed


def test_a_page_and_numbers_are_written_where_asked(tmp_path: Path) -> None:
    where = {name: tmp_path / f"demo.{name}" for name in ("html", "json")}
    options = [part for name, path in where.items() for part in (f"--{name}", path)]
    done = vgcore("run", "demo", "--epochs", "1", "--out", tmp_path / "demo.png", *options)
    assert done.exit_code == 0, done.output
    for what, path in (("Page", where["html"]), ("Numbers", where["json"])):
        assert f"{what}: {path}" in done.stdout
    numbers = json.loads(where["json"].read_text(encoding="utf-8"))
    assert numbers["options"] == {"epochs": 1, "seed": 0}
    assert numbers["verdict"] in done.stdout
    assert "A sigmoid" in where["html"].read_text(encoding="utf-8")
    refused = vgcore("run", "demo", "--json", tmp_path / "none" / "demo.json")
    assert refused.exit_code == 1
    assert "none" in refused.stderr and "it/s" not in refused.stderr


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


def test_time_prints_learning_and_decay_of_the_cells_chosen(tmp_path: Path) -> None:
    out = tmp_path / "time.png"
    small = "--length", "5", "--units", "4", "--epochs", "1", "--seed", "2"
    done = vgcore("run", "time", "--cell", "gru,rnn", "--out", out, *small)
    assert done.exit_code == 0, done.output
    result = time.run("gru,rnn", length=5, units=4, epochs=1, seed=2)
    printed = rows(done.stdout)
    for course in result.courses:
        name = course.cell.upper()
        assert [name, f"{course.mse:.5f}"] in [row[:2] for row in printed]
        law = course.end.time_rate(course.cell)
        (decay,) = [row for row in printed if row[:2] == [f"{name},", "dL/dh_t"]]
        assert decay[-2:] == [f"{law.factor[0]:.4f}", f"{law.r2[0]:.4f}"]
    assert "LSTM" not in done.stdout
    assert "1000/1000" in done.stderr
    assert_picture(out)


def test_text_prints_bits_per_character_and_what_it_wrote(
    tmp_path: Path, shakespeare: Path
) -> None:
    passage, out = tmp_path / "passage.txt", tmp_path / "text.png"
    passage.write_bytes(shakespeare.read_bytes()[:25_000])
    small = "--epochs", "2", "--units", "8", "--temperature", "0.5"
    done = vgcore("run", "text", "--file", passage, "--out", out, *small)
    assert done.exit_code == 0, done.output
    printed = [row for row in rows(done.stdout) if row[:1] in (["1"], ["2"], ["equal"])]
    assert [len(row) for row in printed] == [3, 3, 5]
    assert float(printed[-1][-1]) > float(printed[0][-1]) > float(printed[1][-1])
    assert "temperature 0.5" in done.stdout
    assert "500/500" in done.stderr
    assert_picture(out)


def test_cures_prints_a_row_for_each(tmp_path: Path) -> None:
    out = tmp_path / "cures.png"
    small = "--disease", "dense", "--dense-epochs", "1"
    done = vgcore("run", "cures", "--out", out, *small)
    assert done.exit_code == 0, done.output
    printed = rows(done.stdout)
    for cure in DENSE.cures:
        (row,) = [row for row in printed if row[:-6] == cure.name.split()]
        assert row[-2].endswith("%")
    assert "2700/2700" in done.stderr
    assert_picture(out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "cures", "--disease", "dense,cnv"], "disease: expected one of .* got 'cnv'"),
        (["run", "cures", "--data", "no-such-folder"], "data: .* got no-such-folder"),
        (["run", "nielsen", "--data", "no-such-folder"], "data: .* got no-such-folder"),
        (["demo", "--epochs", "0"], "epochs: expected an integer of at least 1, got 0"),
        (["demo", "--seed", "-1"], "seed: expected an integer of at least 0, got -1"),
        (
            ["run", "time", "--cell", "rnn,lstn"],
            "cell: expected one of .* got 'lstn'; did you mean",
        ),
        (["run", "time", "--length", "1"], "length: expected an integer of at least 2, got 1"),
        (["run", "text", "--file", "no-such-file"], "file: expected a text .* got no-such-file"),
        (["run", "makemore", "--file", "none"], "file: expected a text .* got none .No such file"),
        (["run", "translation", "--pairs", "none"], "pairs: expected .* got none .No such file"),
        (["run", "text", "--file", "a", "--minutes", "0"], "minutes: expected .* above 0, got 0"),
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
    [
        ["dmeo"],
        ["run", "nilsen"],
        ["run", "text"],
        ["demo", "--epoch", "3"],
        ["demo", "--epochs", "many"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    done = vgcore(*arguments)
    assert done.exit_code == 2
    assert "Usage: " in done.stderr


def test_help_lists_commands_and_options() -> None:
    listed = vgcore("run", "--help").stdout
    assert all(name in listed for name in ("nielsen", "time", "text", "cures"))
    assert "[required]" in vgcore("run", "text", "--help").stdout
    help_text = vgcore("demo", "--help").stdout
    for option in ("--epochs", "--seed", "--out", "demo.png"):
        assert option in help_text
    assert "--meter" not in help_text


@pytest.mark.parametrize(
    ("options", "both"),
    [
        (["--out", "a.png", "--html", "a.png"], "html: expected another file than --out"),
        (["--html", "a", "--json", "./a"], "json: expected another file than --html"),
        (["--file", "text", "--json", "text"], "json: expected another file than --file"),
    ],
)
def test_no_file_is_written_over_another(
    options: list[str], both: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("a text")
    done = vgcore("run", "makemore" if "--file" in options else "demo", *options)
    assert done.exit_code == 1 and both in done.stderr
    assert os.listdir() == ["text"] and Path("text").read_text() == "a text"


def test_a_missing_file_is_named() -> None:
    assert "Missing option '--file'" in vgcore("run", "text").stderr


def test_what_a_model_writes_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    written = "to :heart: or not [b]to[/b]\n\n:man: 1 + 2"

    class Written(base.Result):
        def claims(self) -> list[base.Claim]:
            return [base.Claim("it writes", "something", "a heart", base.IN_KIND, "as it is: [b]")]

        def picture(self) -> Figure:
            raise NotImplementedError

        def tables(self) -> list[base.Table]:
            return []

        def notes(self) -> list[str]:
            return [written]

    _show(Written())
    told = "it writes: in kind\n  published: something\n  measured:  a heart\n  why: as it is: [b]"
    assert capsys.readouterr().out == f"{written}\n\n{told}\n\nVerdict: in kind\n"


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of a shell in which $VGCORE is the program."""
    program = shlex.join([sys.executable, "-m", "vgcore"])
    script = f"set -o pipefail; VGCORE={shlex.quote(program)}; {line}"
    return subprocess.run(
        ["bash", "-c", script],
        cwd=Path(__file__).parent,
        env=os.environ | environment,
        capture_output=True,
        check=False,
    )


DEMO = "$VGCORE demo --epochs 1 --out $OUT"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "utf-8"])
def test_a_console_that_lacks_characters_gets_others(tmp_path: Path, encoding: str) -> None:
    out = tmp_path / "a.png"
    done = shell(DEMO, OUT=str(out), PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.decode(encoding)
    assert ("‖dL/db‖" if encoding == "utf-8" else "||dL/db||") in printed
    assert f"Picture: {out}" in printed
    assert_picture(out)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("| true", 1),  # who reads nothing, and is gone before there is anything
        ("2>&1 | head -c 1", 1),
        (">&-", 0),
        ("2>&-", 0),
        (">&- 2>&-", 0),
        ("> /dev/full", 1),
        ("2> /dev/full", 0),
    ],
)
def test_the_picture_is_written_whatever_becomes_of_the_console(
    tmp_path: Path, end: str, code: int
) -> None:
    out = tmp_path / "a.png"
    done = shell(f"{DEMO} {end}", OUT=str(out))
    assert done.returncode == code, done.stderr
    assert_picture(out)
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    if end == "> /dev/full":
        assert b"error: standard output: No space left on device" in done.stderr


def test_a_narrow_console_that_can_do_nothing(tmp_path: Path) -> None:
    done = shell(DEMO, OUT=str(tmp_path / "a.png"), TERM="dumb", COLUMNS="40")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert max(map(len, lines[:-1])) <= 40
    assert "\x1b" not in done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize("width", [80, 40, 20])
def test_a_narrow_table_is_folded_and_not_cut(width: int) -> None:
    columns = ("start", "largest share of updates", "updates to the least")
    row = ("kaiming_normal", "0.0123456789", "12,345,678")
    console = Console(width=width, file=io.StringIO())
    _print_table(console, base.Table("Updates of each start", columns, [row]))
    printed = console.file.getvalue()
    assert max(map(len, printed.splitlines())) <= width
    assert "…" not in printed
    for number in row[1:]:
        assert number in printed


def test_what_has_no_other_spelling_is_a_question_mark() -> None:
    assert consoles.spell("δ ≠ ‖é‖²", "ascii") == "delta ? ||e||2"
    assert consoles.spell("α λ ξ ψ Ω: √2 ± ∂", "ascii") == "alpha lambda xi psi Omega: sqrt 2 +- d"
    assert consoles.spell("γ₁² √2 ○", "cp1252") == "gamma1² sqrt 2 ?"
    assert consoles.spell("δ ≠ ‖é‖²", "utf-8") == "δ ≠ ‖é‖²"


@pytest.mark.parametrize("package", [experiments, diagnosis])
def test_all_that_is_printed_has_a_plain_spelling(package: ModuleType) -> None:
    folder = Path(str(package.__file__)).parent
    written = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    assert "?" not in consoles.spell("".join(set(written) - set("?○")), "ascii")


def test_version_and_module() -> None:
    done = run_python("-m", "vgcore", "--version")
    assert (done.returncode, done.stdout) == (0, f"vgcore {vg.__version__}\n")


def test_a_command_imports_its_own_experiment_alone() -> None:
    code = (
        "import sys; from vgcore.cli import main; sys.argv = ['vgcore', 'run', 'demo', '--help']\n"
        "try: main()\n"
        "finally: print([name for name in sys.modules if name.startswith('vgcore.experiments.')])"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr
    imported = set(re.findall(r"vgcore\.experiments\.(\w+)", done.stdout.splitlines()[-1]))
    assert imported & set(experiments.NAMES) == {"demo"}


def test_a_program_that_is_stopped_while_it_starts_says_nothing() -> None:
    code = (
        "import sys, builtins; from vgcore import cli; there = builtins.__import__\n"
        "def stopped(name, *rest):\n"
        "    if name == 'vgcore.commands': raise KeyboardInterrupt\n"
        "    return there(name, *rest)\n"
        "builtins.__import__ = stopped; cli.main()"
    )
    done = run_python("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_its_libraries_the_program_names_the_extra(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from vgcore.cli import main; main()"
    done = run_python("-c", code)
    assert done.returncode == 1
    assert done.stderr == f"error: {_extras.missing(missing, 'cli', 'the command line needs')}\n"


def test_import_vgcore_leaves_the_extras_alone() -> None:
    code = "import sys, vgcore; print(*{m.partition('.')[0] for m in sys.modules})"
    loaded = set(run_python("-c", code).stdout.split())
    assert "vgcore" in loaded
    assert not loaded & {"typer", "click", "rich", "matplotlib", "sklearn", "scipy", "pooch"}
