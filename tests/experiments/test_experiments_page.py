"""The pages of experiments are made from what is kept of their runs; what has changed is found."""

from __future__ import annotations

import copy
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from vgcore.experiments import NAMES
from vgcore.experiments.base import VERDICTS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def command() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_experiments", DOCS / "make_experiments.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def kept(command: ModuleType) -> dict[str, dict[str, Any]]:
    records: dict[str, dict[str, Any]] = command.read()
    return records


def test_every_experiment_was_run(kept: dict[str, Any]) -> None:
    assert list(kept) == list(NAMES)


def test_the_table_is_made_of_the_records(command: ModuleType, kept: dict[str, Any]) -> None:
    text = command.INDEX.read_text(encoding="utf-8")
    by_hand, _, _ = text.partition(command.MARK)
    assert text == by_hand + command.index(kept)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_made_of_its_record(name: str, command: ModuleType, kept: dict[str, Any]) -> None:
    page = (command.PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert page == "\n".join(command.page(kept[name])) + "\n"
    assert (command.IMAGES / f"{name}.png").stat().st_size > 5_000
    assert kept[name]["seconds"] < 75
    verdicts = [claim["verdict"] for claim in kept[name]["claims"]]
    assert kept[name]["verdict"] == max(verdicts, key=VERDICTS.index)
    for claim in kept[name]["claims"]:
        assert claim["why"] or claim["verdict"] == "reproduces", claim["statement"]
    assert command.repeated(kept[name]) == []


def test_a_cell_is_shown_as_it_is(command: ModuleType) -> None:
    (_, _, row, _) = command.table(("a", "b"), [("a_b | *c*", "see `a_b`, `c|d` and e_f")])
    assert row == r"| a\_b \| \*c\* | see `a_b`, `c\|d` and e\_f |"


def test_a_verdict_that_changes_is_told(command: ModuleType, kept: dict[str, Any]) -> None:
    now = copy.deepcopy(kept["nielsen"])
    assert command.changed(kept["nielsen"], now) == []
    now["claims"][1]["verdict"] = "does not"
    (told,) = command.changed(kept["nielsen"], now)
    assert "3 hidden layers: reproduces -> does not (0.01" in told
    now["claims"][1]["verdict"], now["verdict"] = "reproduces", "does not"
    assert command.changed(kept["nielsen"], now) == [
        "nielsen, on the whole: reproduces -> does not"
    ]
    now["verdict"] = "reproduces"
    del now["claims"][1]
    (told,) = command.changed(kept["nielsen"], now)
    assert "reproduces -> None" in told
    assert len(command.changed({}, now)) == 1 + len(now["claims"])
    now["claims"].append(now["claims"][0])
    (told,) = command.repeated(now)
    assert told.endswith(": stated 2 times")


def test_what_is_kept_of_no_experiment_is_told(
    command: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command.strays() == []
    for folder in ("PAGES", "IMAGES"):
        monkeypatch.setattr(command, folder, tmp_path / folder)
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(command, "DOCS", tmp_path)
    (tmp_path / "PAGES" / "nielsen.md").touch()
    (tmp_path / "PAGES" / "ghost.json").touch()
    (tmp_path / "IMAGES" / "ghost.png").touch()
    expected = [f"{place}: of no experiment" for place in ("PAGES/ghost.json", "IMAGES/ghost.png")]
    assert command.strays() == command.check([], None, None) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nilsen"], "NAME: expected some of demo, .*; got nilsen"),
        (["text", "--check"], "--file: expected a text"),
        (["text", "--file", "none"], "--file: expected a file, got none"),
        (["nielsen", "--data", "none"], "--data: expected a folder, got none"),
    ],
)
def test_the_command_refuses_what_no_run_could_read(
    arguments: list[str],
    message: str,
    command: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["make_experiments.py", *arguments])
    with pytest.raises(SystemExit) as stopped:
        command.main()
    assert stopped.value.code == 2
    assert re.search(message, capsys.readouterr().err)


def test_the_quicker_ones_alone(command: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"demo": {"seconds": 21.0}, "nielsen": {"seconds": 20.0}}
    checked: list[str] = []
    monkeypatch.setattr(command, "read", lambda: kept)
    monkeypatch.setattr(command, "check", lambda names, *files: checked.extend(names) or [])
    monkeypatch.setattr(
        "sys.argv",
        ["make_experiments.py", "demo", "nielsen", "glorot", "--check", "--within", "20"],
    )
    with pytest.raises(SystemExit) as stopped:
        command.main()
    assert stopped.value.code == 0 and checked == ["nielsen", "glorot"]
