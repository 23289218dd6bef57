"""How a diagnosis reads: what it says of scores, of what was tried, and what it does not say."""

import dataclasses
import html
import re

import numpy as np
import pytest
from recipes import blobs, deep

import vgcore as vg
from vgcore.diagnosis import Diagnosis, Finding, Measured
from vgcore.diagnosis.changes import Given
from vgcore.diagnosis.evidence import Outcome
from vgcore.diagnosis.race import Result, judged_by
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.rows import Rows, split
from vgcore.diagnosis.table import Trials, Tried

ACCURACY = "accuracy on samples held out"
X, Y = blobs(400)


def compiled(loss, outputs=3):
    model = vg.Sequential([vg.Dense(outputs)], input_shape=4, seed=0)
    model.compile(loss, "adam")
    return Recipe.of(model)


def row(name, scores, kind="change", *, recipe=None, y=Y, classes=True, held=100):
    results = tuple(Result(1.0, s, 1.0, 1.0, 70, not np.isfinite(s)) for s in scores)
    keys = tuple(name.split(" + ")) if kind == "change" else ()
    return Tried(
        name, kind, keys, recipe or Recipe.of(deep(1)), results, Given(X, y), classes, held=held
    )


def table(*rows):
    none, every = rows[-1] if rows[-1].kind == "none" else rows[3], rows[0].data
    data = split(none.recipe, every, np.random.default_rng(0))
    judged = judged_by(none.recipe, data if none.held else Rows(every, every, data.kind))
    return Trials(tuple(sorted(rows, key=lambda each: -each.score)), (), (), *judged)


def diagnosis(trials, *, certainty="likely", score=0.33):
    measured = Measured("share of dead units in dense1", 1, 0.5, above=True)
    finding = Finding("dead_layer", "A whole layer is dead", "It is dead.", measured, certainty)
    outcome = Outcome(score, 0.33, 0.9, 0.1, ACCURACY, 300, 100)
    return Diagnosis((finding,), outcome, {"dead_layer": (measured,)}, trials)


def read(found):
    """What a terminal shows, and what a notebook does, each on one line."""
    tags = re.sub("<[^>]*>", " ", found._repr_html_())
    return [" ".join(told.split()) for told in (str(found), html.unescape(tags))]


SKEWED = (np.arange(400) % 20 == 0).astype(int)
NUMBERS = X[:, :2] * 3 + 1
MEASURES = {
    "accuracy on 99 rows held out (chance: 0.34)": {},
    "accuracy on all 400 rows (chance: 0.34)": {"held": 0},
    "accuracy, as a mean over the classes, on 100 rows held out (chance: 0.50)": {"y": SKEWED},
    "R2 on 100 rows held out (chance: 0.00)": {
        "recipe": compiled("mse", 2), "y": NUMBERS, "classes": False,
    },
    "minus the loss on 100 rows held out": {
        "recipe": compiled(vg.losses.Custom(lambda y, h: (h.sum(1), h))),
        "y": np.array(["a", "b"] * 200), "classes": False,
    },
}  # fmt: skip


@pytest.mark.parametrize("measure", MEASURES)
def test_it_is_said_what_a_score_is(measure):
    given = MEASURES[measure]
    best, none = row("cure", (0.8, 0.9, 1.0), **given), row("none", (0.5,) * 3, "none", **given)
    for told in read(diagnosis(table(best, none))):
        assert measure in told
        assert "least to most" in told
    assert f"{measure} after 70 steps; median of 3 starts" in read(diagnosis(table(best, none)))[0]


def test_the_best_and_those_as_good_are_said_in_words():
    rows = [
        row("cure", (0.85, 0.9, 0.95)),
        row("cure + more", (0.86, 0.91, 0.95)),
        row("worse", (0.5, 0.6, 0.7)),
        row("no change", (0.3, 0.33, 0.35), "none"),
        row("drawn", (0.4, 0.4, 0.4), "random"),
    ]
    lines = str(diagnosis(table(*rows))).splitlines()
    rows = [re.fullmatch(r"   (\S.*?)  .*\)(.*)", line) for line in lines]
    told = {found[1]: found[2].strip() for found in rows if found}
    assert told == {
        "cure": "best", "cure + more": "as good", "worse": "", "no change": "", "1 random change": "",
    }  # fmt: skip


def test_below_chance_nothing_is_a_success():
    rows = [
        row("cure", (0.30, 0.33, 0.34)),
        row("other", (0.30, 0.34, 0.40)),
        row("no change", (-np.inf,) * 3, "none"),
    ]
    found = diagnosis(table(*rows), score=float("nan"))
    assert found.best is None
    for told in read(found):
        assert "best" not in told and "as good" not in told
        assert "No change did better than chance by more than luck." in told
    assert "diverged" in str(found)
    assert "its outputs are not finite, where a plain network reaches 0.90" in found.verdict


def test_train_on_is_not_said_of_what_cannot_learn():
    rows = [row("cure", (0.9, 0.9, 0.9)), row("no change", (0.9, 0.9, 0.9), "none")]
    for certainty in ("likely", "certain"):
        found = diagnosis(table(*rows), certainty=certainty)
        assert found.best.name == "no change"
        for told in read(found):
            assert ("train on" in told) == (certainty == "likely")
            assert ("drawn anew" in told) == (certainty == "certain")


def test_who_learns_nothing_is_said():
    outcome = Outcome(0.33, 0.33, 0.34, 0.1, ACCURACY, 300, 100)
    neither = Diagnosis((), outcome).verdict
    alone = Diagnosis((), dataclasses.replace(outcome, reference=0.9)).verdict
    unknown = Diagnosis((), dataclasses.replace(outcome, reference=float("nan"))).verdict
    assert "nothing is learned, not by a plain network either" in neither
    assert "either" not in alone and "either" not in unknown
    assert "a plain network: 0.90" in alone and "plain" not in unknown


def test_what_is_no_illness_is_said_to_be_worth_knowing():
    found = diagnosis(None)
    remark = found.findings[0].with_(ill=False)
    for told in read(dataclasses.replace(found, findings=(remark,))):
        assert "Worth knowing: A whole layer is dead" in told
    for told in read(found):
        assert "Worth knowing" not in told


def test_a_number_with_two_thresholds_is_told_once():
    both = (Measured("size", 1200.0, 1000.0, above=True), Measured("size", 1200.0, 1e-3))
    told = str(Diagnosis((), None, {"size": both}))
    assert told.count("size: 1,200 (a symptom above 1,000)") == told.count("size") == 1
