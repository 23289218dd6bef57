"""The page of symptoms is what the rules are, and its code runs."""

import importlib.util
from pathlib import Path

from code_blocks import run

from vgcore.diagnosis import SYMPTOMS

DOCS = Path(__file__).parents[2] / "docs"


def module(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_list_is_made_from_the_rules():
    page = (DOCS / "diagnosis.md").read_text(encoding="utf-8")
    assert page.endswith(module("make_diagnosis").listed())
    for name in SYMPTOMS:
        assert f"`{name}`" in page


def test_the_code_runs(tmp_path, monkeypatch, capsys):
    run(DOCS / "diagnosis.md", tmp_path, monkeypatch)
    assert "The gradient vanishes on its way back" in capsys.readouterr().out


def test_every_symptom_has_a_place_to_read_on():
    cures = (DOCS / "cures.md").read_text(encoding="utf-8")
    for symptom in SYMPTOMS.values():
        assert f'<a id="{symptom.read.partition("#")[2]}">' in cures, symptom.name
