"""Examples in docstrings come out as they stand there."""

import doctest
import importlib
from pathlib import Path

import pytest

import vgcore as vg

ROOT = Path(vg.__file__).parent
SOURCES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path.read_text(encoding="utf-8")
    for path in sorted(ROOT.rglob("*.py"))
}
MODULES = [
    pytest.param(name, marks=[pytest.mark.parity] if ">>> import torch" in text else [])
    for name, text in SOURCES.items()
    if ">>>" in text
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_come_out(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if ">>> import torch" in SOURCES[name]:
        pytest.importorskip("torch")
    found = importlib.import_module(name.removesuffix(".__init__"))
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    tests = doctest.DocTestFinder().find(found, extraglobs={"vg": vg})
    assert any(test.examples for test in tests)
    for test in tests:
        runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)
