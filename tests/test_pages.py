"""The code of README and of the tour runs from top to bottom, and says of itself what is so."""

import os
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from code_blocks import run

matplotlib.use("Agg")
ROOT = Path(__file__).parents[1]


def test_readme_is_short_and_runs(tmp_path, monkeypatch, capsys):
    page = ROOT / "README.md"
    assert len(page.read_text(encoding="utf-8").splitlines()) < 150
    names = run(page, tmp_path, monkeypatch)
    assert names["history"]["val_accuracy"][-1] < 0.15
    assert names["diagnosis"].findings[0].symptom == "vanishing_gradient"
    assert "The gradient vanishes on its way back" in capsys.readouterr().out
    assert (tmp_path / "run.html").stat().st_size > 10_000


def test_tour_runs(tmp_path, monkeypatch):
    names = run(ROOT / "docs" / "tour.md", tmp_path, monkeypatch)
    assert len(names["histories"]) == 20
    assert {"model.npz", "best.npz", "flow.npz"} <= set(os.listdir(tmp_path))


def test_the_page_of_live_pages_runs(tmp_path, monkeypatch):
    run(ROOT / "docs" / "live.md", tmp_path, monkeypatch)
    assert (tmp_path / "depth.html").stat().st_size < 1_500_000


def test_the_page_of_estimators_runs(tmp_path, monkeypatch):
    names = run(ROOT / "docs" / "sklearn.md", tmp_path, monkeypatch)
    assert names["scores"].mean() > 0.9 and names["search"].best_score_ > 0.9
    assert names["best"].flow_.layers[-1] == f"dense{len(names['best'].layers) + 1}"


def test_the_page_of_logs_runs(tmp_path, monkeypatch):
    run(ROOT / "docs" / "loggers.md", tmp_path, monkeypatch)
    assert list((tmp_path / "runs" / "sigmoid").glob("events.*"))
    lines = (tmp_path / "run.jsonl").read_text().splitlines()
    assert any('"name": "weight_norm/dense9"' in line for line in lines)


def test_the_page_of_sweeps_runs(tmp_path, monkeypatch):
    names = run(ROOT / "docs" / "sweeps.md", tmp_path, monkeypatch)
    assert len(names["table"]) == 24 and not names["table"].failures
    assert len(names["flows"]) == 3


@pytest.mark.parity
def test_the_page_of_watching_runs(tmp_path, monkeypatch):
    pytest.importorskip("torch").set_num_threads(1)
    names = run(ROOT / "docs" / "watch.md", tmp_path, monkeypatch)
    assert names["flow"].layers == ["lstm.0", "lstm.1", "hidden", "head"]
    assert len(names["flow"]) == 21
    assert (tmp_path / "run.html").stat().st_size > 10_000


def test_the_page_of_files_runs(tmp_path, monkeypatch):
    pytest.importorskip("safetensors")
    pytest.importorskip("onnx")
    names = run(ROOT / "docs" / "files.md", tmp_path, monkeypatch)
    assert {"model.npz", "model.safetensors", "flow.csv", "model.onnx"} <= set(os.listdir(tmp_path))
    assert names["arrays"]["dense1.weight"].shape == (16, 2)
    np.testing.assert_array_equal(
        names["again"].predict(names["x"]), names["model"].predict(names["x"])
    )


PAGES = ("tour", "live", "pytorch", "watch", "keras", "files", "sklearn", "loggers", "sweeps")


@pytest.mark.parametrize("name", ["README.md", *(f"docs/{name}.md" for name in PAGES)])
def test_what_pages_link_to_is_there(name):
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
