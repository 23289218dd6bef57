"""Learning to forget: the grammar, the LSTM of 1997, and claims that follow from what was measured."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgcore.experiments import forget_gate, reber
from vgcore.experiments.base import silent
from vgcore.experiments.keep import Keep

TINY = forget_gate._Scale(networks=2, streams=16, epochs=2, judged=60, units=4)
NOWHERE = Keep(None, "forget_gate")


@pytest.fixture(scope="module")
def measured() -> forget_gate.Result:
    return forget_gate.compared(TINY, 0, NOWHERE, silent)


def spelt(codes: Any) -> str:
    return "".join(reber.SYMBOLS[code] for code in codes)


def grammatical(word: str) -> bool:
    """By Reber's grammar, written as a regular expression."""
    upper = "TS*X(?:X(?:T*VPX)*T*VPS|X(?:T*VPX)*T*VV|S)E"
    lower = "P(?:T*VPX)*(?:T*VPS|T*VV)E"
    return re.fullmatch(f"B(?:{upper}|{lower})", word) is not None


def test_streams_are_of_strings_of_the_embedded_grammar() -> None:
    streams = reber.streams(3, 400, 1)
    assert streams.codes.shape == (3, 400) and streams.x.shape == (3, 399, 7)
    assert np.take_along_axis(streams.legal, streams.codes[..., np.newaxis], 2).all()
    apart, lengths = reber.strings(streams)
    outer = set()
    for codes, legal, length in zip(apart.codes, apart.legal, lengths, strict=True):
        string = spelt(codes[:length])
        assert string[0] == "B" and string[-1] == "E" and string[1] == string[-2]
        assert grammatical(string[2:-2]), string
        assert legal[length - 2].sum() == 1 and not legal[length:].any()
        outer.add(string[1])
    assert outer == {"T", "P"}
    row = spelt(streams.codes[0])
    first = np.flatnonzero(streams.first[0])
    assert row[: first[1]] == spelt(apart.codes[0, : lengths[0]])


def test_strings_are_as_long_as_the_grammar_says() -> None:
    states = np.zeros((7, 7))
    for state, ways in enumerate(reber.WORD):
        for way in ways:
            if int(way[1]) < 7:
                states[state, int(way[1])] = 1 / len(ways)
    expected = 4 + np.linalg.solve(np.eye(7) - states, np.ones(7))[0]
    assert expected == pytest.approx(12)
    _, lengths = reber.strings(reber.streams(1, 60_000, 0))
    assert lengths.min() == 9 and lengths.mean() == pytest.approx(expected, rel=0.01)


def test_the_standard_lstm_has_no_forget_gate() -> None:
    units = 4
    model = forget_gate.network("standard", units, 100, 0)
    streams = reber.streams(4, 201, 0)
    bias = model.layers[0].bias_ih.copy()
    weights = model.layers[0].weight_hh.copy()
    model.fit(streams.x, streams.y, epochs=2, batch_size=4, verbose=0)
    gate = slice(units, 2 * units)
    np.testing.assert_array_equal(model.layers[0].bias_ih[gate], bias[gate])
    np.testing.assert_array_equal(model.layers[0].weight_hh[gate], weights[gate])
    assert not np.array_equal(model.layers[0].weight_hh, weights)
    state = {name: value.astype(float) for name, value in model.state_dict().items()}
    h, c = np.zeros(units), np.zeros(units)
    cell = model.internals(streams.x[:1])["cell"]
    for t, x in enumerate(streams.x[0]):
        z = state["cell.weight_ih"] @ x + state["cell.weight_hh"] @ h
        i, _, g, o = np.split(z + state["cell.bias_ih"] + state["cell.bias_hh"], 4)
        c = c + np.tanh(g) / (1 + np.exp(-i))  # as of 1997
        h = np.tanh(c) / (1 + np.exp(-o))
        np.testing.assert_allclose(cell.c[0, t], c, rtol=1e-4, atol=1e-4)


def test_a_prediction_is_right_where_legal_symbols_are_the_most_active() -> None:
    legal = np.array([[True, False, True]] * 3)
    odds = np.array([[0.4, 0.1, 0.5], [0.6, 0.3, 0.1], [0.4, 0.4, 0.2]])
    np.testing.assert_array_equal(forget_gate.right(odds, legal), [True, False, False])


def test_errors_are_found_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = reber.streams(3, 61, 5)
    model = forget_gate.network("forget gate", 4, 100, 0)
    wrong = ~forget_gate.right(model.predict(streams.x), streams.legal[:, 1:])
    expected = np.where(wrong.any(axis=1), wrong.argmax(axis=1), 60)
    for chunk in (7, 100):
        monkeypatch.setattr(forget_gate, "_CHUNK", chunk)
        found = forget_gate._on_and_on(model, streams.x, streams)
        np.testing.assert_array_equal(found, expected)


def test_claims_come_out_both_ways(measured: forget_gate.Result) -> None:
    time = np.arange(1, 61.0)

    def of(perfect: tuple[int, int, int], power: float, gates: tuple[float, float]) -> list[str]:
        kinds = [
            replace(
                kind,
                right=np.where(np.arange(10)[:, np.newaxis] < count, 60, 3) * np.ones((1, 10), int),
                size=np.tile(time ** (power if kind.name == "standard" else 0), (10, 1)),
                inside=np.full((10, 4), gates[0]),
                between=np.full((10, 4), gates[1]),
            )
            for kind, count in zip(measured.kinds, perfect, strict=True)
        ]
        return [claim.verdict for claim in replace(measured, kinds=kinds).claims()]

    assert of((0, 7, 6), 1, (0.95, 0.02)) == ["in kind"] * 3 + ["reproduces"] * 2
    assert of((5, 6, 6), 0.7, (0.6, 0.4)) == ["does not"] * 3 + ["in kind"] * 2
    assert of((0, 0, 0), 0, (0.5, 0.5)) == ["does not"] * 5


def test_the_share_that_is_drawn_falls_at_errors_and_not_where_the_streams_end(
    measured: forget_gate.Result,
) -> None:
    right = np.full((4, 10), 60)
    right[0, 3], right[1, 5] = 7, 20
    kinds = [replace(kind, right=right) for kind in measured.kinds]
    line = replace(measured, kinds=kinds).picture().axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [1, 7, 20, 60])
    np.testing.assert_array_equal(line.get_ydata(), [1, 0.75, 0.5, 0.5])
    assert "50% to the end" in line.get_label()
    (table,) = replace(measured, kinds=kinds).tables()
    assert table.rows[0][4] == "58"  # of 56 and 60: two make no error
    right[:3] = 60
    assert replace(measured, kinds=kinds).tables()[0].rows[0][4] == "none"


def test_it_is_drawn_and_told(measured: forget_gate.Result) -> None:
    measured.picture().savefig(io.BytesIO())
    (table,) = measured.tables()
    assert [row[0] for row in table.rows] == list(forget_gate.KINDS)
    assert measured.notes()
    for kind in measured.kinds:
        assert kind.right.shape == (2, 10) and kind.cell.shape == kind.gate.shape == (60, 4)


def test_a_run_that_was_stopped_goes_on(measured: forget_gate.Result, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(part: str, done: int, whole: int) -> None:
        if part == "reset: judging":
            raise StoppedError

    with pytest.raises(StoppedError):
        forget_gate.compared(TINY, 0, Keep(tmp_path, "forget_gate"), stop)
    again = forget_gate.compared(TINY, 0, Keep(tmp_path, "forget_gate"), silent)
    for one, other in zip(measured.kinds, again.kinds, strict=True):
        np.testing.assert_array_equal(one.right, other.right)
        np.testing.assert_array_equal(one.size, other.size)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"seed": -1}, ValueError), ({"full": 1}, TypeError), ({"keep": 3}, TypeError)],
)
def test_bad_input_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        forget_gate.run(**options)
