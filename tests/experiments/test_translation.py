"""Translation by one stack: what is measured is what a twin in NumPy measures, and claims can fail."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgcore import data
from vgcore.data.sentence_pairs import END
from vgcore.experiments import numerals, translation
from vgcore.experiments.base import silent

SCALE = translation.Scale(400, 4, 6, 12, 2)


@pytest.fixture(scope="module")
def measured() -> translation.Result:
    return translation.measured(None, SCALE, 0, None, silent)


@pytest.fixture(scope="module")
def pairs() -> data.SentencePairs:
    return data.sentence_pairs(numerals.pairs(300, 4, 0), longest=20)


def test_numbers_are_words_in_both_languages() -> None:
    assert numerals.english(1_234_024) == (
        "one million two hundred and thirty four thousand and twenty four"
    )
    pairs = dict(numerals.pairs(1_000, 9, 0))
    assert len(pairs) == 1_000
    small = dict(numerals.pairs(95, 2, 0))
    assert small["twenty four"] == "vier und zwanzig"
    assert small["seventeen"] == "siebzehn"
    german = {word for each in pairs.values() for word in each.split()}
    assert max(map(len, german)) == len("Millionen")
    assert {"eins", "hundert", "und", "Millionen", "dreißig"} <= german
    spoken = numerals._num2words()
    for number in (21, 116, 1_001, 77_017, 999_999):
        parts = numerals._parts().findall(spoken(number, lang="de"))
        assert "".join(parts) == spoken(number, lang="de")


def test_a_reach_is_the_product_of_the_slopes(pairs: data.SentencePairs) -> None:
    """Of a simple cell, by hand: dL_t/dx_s = W_ih' D_s W_hh' D_{s+1} ... W_hh' D_t V' (p - onehot)."""
    model = translation.network("rnn", len(pairs.words), 7, 3)
    model.compile("sparse_categorical_crossentropy")
    row, held = 5, pairs.held_out
    table, w_in, w_h, b_in, b_h, v, b = (
        np.asarray(value, float) for value in model.state_dict().values()
    )
    source, target = len(held.sources[row]), len(held.targets[row]) + 1
    states, h = [], np.zeros(7)
    for code in held.x[row, : source + target]:
        h = np.tanh(w_in @ table[code] + b_in + w_h @ h + b_h)
        states.append(h)
    expected = np.zeros((target, source))
    for step in range(target):
        last = source + step
        z = v @ states[last] + b
        error = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
        error[held.y[row, last]] -= 1
        back = v.T @ error
        for time in range(last, -1, -1):
            slope = back * (1 - states[time] ** 2)
            if time < source:
                expected[step, time] = np.linalg.norm(w_in.T @ slope)
            back = w_h.T @ slope
    found = translation.reach(model, pairs, row)
    np.testing.assert_allclose(found / found[0, 0], expected / expected[0, 0], rtol=2e-3)


def test_a_model_reads_what_it_writes(pairs: data.SentencePairs) -> None:
    model = translation.network("gru", len(pairs.words), 8, 0)
    written = translation.translate(model, pairs, pairs.held_out)
    begin = pairs.encode(pairs.held_out.sources)
    for row in (0, 7):
        codes = list(begin.x[row, : begin.lengths[row]])
        alone: list[int] = []
        while len(alone) < max(map(len, pairs.held_out.targets)) + 1:
            alone.append(int(model.predict([codes])[0, -1].argmax()))
            if alone[-1] == END:
                break
            codes.append(alone[-1])
        assert pairs.decode(alone) == written[row]


def test_all_cells_are_measured_on_the_same_sentences(measured: translation.Result) -> None:
    assert [(each.cell, each.reverse) for each in measured.courses] == [
        (cell, reverse) for cell in ("rnn", "lstm", "gru") for reverse in (False, True)
    ]
    for each in measured.courses:
        assert each.right.shape == each.tokens.shape == measured.lengths.shape == (40,)
        assert (
            each.start.shape == each.end.shape == (len(measured.target) + 1, len(measured.source))
        )
        assert 1 < each.perplexity < 60
        assert np.all(each.tokens[each.right] == 1)
    groups = measured.groups
    assert groups[0][0] == measured.lengths.min() and groups[-1][1] == measured.lengths.max()
    counts = [
        np.sum((first <= measured.lengths) & (measured.lengths <= last)) for first, last in groups
    ]
    assert sum(counts) == 40 and min(counts) > 0
    assert len(measured.tables()[0].rows) == 6 and measured.notes()
    measured.picture().savefig(io.BytesIO())


def test_claims_can_come_out_both_ways(measured: translation.Result) -> None:
    long = measured.lengths > np.median(measured.lengths)
    some = np.arange(40) % 2 == 0

    def verdicts(*, better: bool) -> set[str]:
        courses = []
        for each in measured.courses:
            good = each.reverse == better
            right = {True: np.ones(40, bool), False: some & ~long}[good]
            if each.cell == "gru":
                right = long != better
            if each.cell == "rnn":
                right = np.full(40, not better)
            numbers = {"perplexity": 1.0 if good else 2.0, "first": float(good)}
            courses.append(dataclasses.replace(each, right=right, **numbers))
        result = dataclasses.replace(measured, courses=courses)
        return {claim.verdict for claim in result.claims()}

    assert verdicts(better=True) == {"in kind"}
    assert verdicts(better=False) == {"does not"}


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, measured: translation.Result) -> None:
    def stop(part: str, done: int, whole: int) -> None:
        if part == "GRU, forwards" and done > 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        translation.measured(None, SCALE, 0, tmp_path / "kept", stop)
    again = translation.measured(None, SCALE, 0, tmp_path / "kept", silent)
    for one, other in zip(measured.courses, again.courses, strict=True):
        for field in dataclasses.fields(one):
            np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_pairs_of_a_file_are_translated(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    lines = (f"{one.capitalize()}!\t{other} !" for one, other in numerals.pairs(60, 2, 0))
    path.write_text("\n".join(lines), encoding="utf-8")
    result = translation.run(path)
    assert "pairs of pairs.tsv" in result.about and result.source[-1] == "!"
    assert all("too few to learn a language from" in claim.why for claim in result.claims()[:4])


@pytest.mark.parametrize(
    ("options", "error"),
    [({"full": 1}, TypeError), ({"pairs": Path("missing.tsv")}, FileNotFoundError)],
)
def test_bad_input_is_refused(options: dict[str, Any], error: Any) -> None:
    with pytest.raises(error):
        translation.run(**options)
