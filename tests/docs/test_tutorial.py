"""The pages of the tutorial run, and what they claim is what their cells come to."""

import re
from pathlib import Path

import pytest

import vgcore as vg

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial"
CELL = re.compile(
    r"^```\{code-cell\} ipython3\n(?::tags:[^\n]*\n\n)?(.*?)^```$", re.DOTALL | re.MULTILINE
)


@pytest.fixture
def run(monkeypatch, capsys):
    """A page's cells, run in order: its names, and what it prints."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")

    def run(page):
        text = (TUTORIAL / f"{page}.md").read_text(encoding="utf-8")
        names = {}
        for cell in CELL.findall(text):
            exec(compile(cell, f"{page}.md", "exec"), names)
        return names, capsys.readouterr().out

    yield run
    pyplot.close("all")


def test_over_layers_guesses_is_understood_and_cured(run):
    names, _ = run("dense")
    x, y = names["xv"], names["yv"]
    assert names["deep_model"].evaluate(x, y).accuracy < 0.2
    assert names["law"].factor[0] == pytest.approx(0.25, abs=0.02)
    assert names["law"].r2[0] > 0.99
    assert 1e-7 < names["deep"].update_ratio[-1, 0] < 1e-6  # "some ten-millionths"
    assert names["diagnosis"].findings[0].symptom == "vanishing_gradient"
    assert names["right"] > 0.9  # of the best cure
    assert names["cured"].rate().factor[0] == pytest.approx(1, abs=0.1)


def test_through_time_the_rnn_forgets_and_gates_learn_to_let_through(run):
    names, _ = run("time")
    x, y = names["xv"], names["yv"]
    assert names["explained"](names["rnn"], x, y) < 0.1
    assert names["diagnosis"].findings[0].symptom == "vanishing_through_time"
    assert [each.change.key for each in names["suggestions"][:2]] == ["lstm", "gru"]
    factors = {
        when: {name: _factor(flow) for name, flow in names[when].items()}
        for when in ("before", "after")
    }
    assert factors["before"]["GRU"] < factors["before"]["RNN"] < 1
    assert factors["after"]["RNN"] < 0.95 < factors["after"]["LSTM"]
    assert factors["after"]["GRU"] > 0.95
    assert names["explained"](names["model"], x, y) > 0.9  # of the last, the GRU


def _factor(flow: vg.GradientFlow) -> float:
    [layer] = flow.time
    return flow.time_rate(layer).factor[0]
