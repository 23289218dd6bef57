"""Where a library is missing, the message says how to get it from where vgcore came from."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from vgcore import _extras

ROOT = Path(__file__).parents[1]


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say what the installer noted."""

    def note(text: str | None) -> str:
        class Distribution:
            def read_text(self, name: str) -> str | None:
                assert name == "direct_url.json"
                return text

        monkeypatch.setattr(metadata, "distribution", lambda name: Distribution())
        return _extras.missing("matplotlib", "plot", "pictures need")

    return note


def test_from_a_folder(noted: Any, tmp_path: Path) -> None:
    folder = tmp_path / "my clone"
    folder.mkdir()
    origin = {"url": folder.as_uri(), "dir_info": {}}
    assert noted(json.dumps(origin)) == f"pictures need matplotlib: pip install '{folder}[plot]'"
    origin["dir_info"] = {"editable": True}
    assert f"pip install -e '{folder}[plot]'" in noted(json.dumps(origin))


def test_from_a_repository_or_an_archive(noted: Any) -> None:
    origin: dict[str, Any] = {"url": "https://a.org/vgcore.git", "vcs_info": {"vcs": "git"}}
    assert "pip install 'vgcore[plot] @ git+https://a.org/vgcore.git'" in noted(json.dumps(origin))
    origin = {"url": "https://a.org/vgcore.whl", "archive_info": {}}
    assert "pip install 'vgcore[plot] @ https://a.org/vgcore.whl'" in noted(json.dumps(origin))


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"url": 3}', '{"url": "file:///no/such"}'])
def test_from_who_knows_where(noted: Any, text: str | None) -> None:
    assert noted(text) == (
        'pictures need matplotlib: install vgcore with its extra "plot", '
        "from where vgcore itself was installed"
    )


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    assert "from where vgcore itself was installed" in _extras.missing("rich", "cli", "it needs")


def test_every_extra_that_a_message_names_is_one() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    _, _, section = project.partition("[project.optional-dependencies]\n")
    extras = re.findall(r"^(\w+) = ", section.partition("\n[")[0], re.MULTILINE)
    named = set()
    for path in (ROOT / "vgcore").rglob("*.py"):
        text = path.read_text()
        assert "pip install vgcore" not in text, path
        named |= set(re.findall(r"missing\(\s*[\w.'\"-]+,\s*['\"](\w+)['\"]", text))
        named |= set(re.findall(r'needing\(\s*"\w+",\s*f?"[^"]*",\s*"(\w+)"', text))
    assert named >= {"plot", "cli", "data", "demo", "onnx", "exchange", "sweep"}
    assert named <= set(extras)


def test_what_is_missing_is_told_and_nothing_else() -> None:
    def importing(name: str) -> None:
        with _extras.needing("nowhere", "it needs"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    with pytest.raises(
        ModuleNotFoundError, match=r"^it needs nowhere: pip install nowhere$"
    ) as told:
        importing("nowhere.inner")
    assert told.value.name == "nowhere"
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'other'$"):
        importing("other")
