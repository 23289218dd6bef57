"""What follows from what, and what is told of what has been measured."""

import numpy as np
from illnesses import CASES

from vgcore.diagnosis import SYMPTOMS
from vgcore.diagnosis.evidence import Outcome
from vgcore.diagnosis.judge import CONTRADICTED, FOLLOWS


def test_nothing_follows_from_what_stands_behind_it():
    places = {name: place for place, name in enumerate(FOLLOWS)}
    for name, followers in FOLLOWS.items():
        assert {name, *followers} <= set(SYMPTOMS)
        assert all(places.get(each, len(places)) > places[name] for each in followers)


def test_huge_steps_are_not_small_ones():
    network, *data = CASES["rate_too_high"][0]()
    told = {each.symptom for each in network.diagnose(*data, cures=False).findings}
    assert "rate_too_high" in told
    assert not told.intersection(CONTRADICTED)


def outcome(score, *, reference=0.9, gap=0.0):
    return Outcome(score, 0.5, reference, 0.1, "accuracy", 300, 100, gap)


def test_what_may_be_luck_is_not_learned():
    assert np.isnan(outcome(0.55, reference=0.58).learned)
    assert not outcome(0.58).learns_something
    assert outcome(0.85).reaches(0.9) and not outcome(0.8).reaches(0.9)


def test_what_is_known_by_heart():
    assert outcome(0.5, gap=0.5).by_heart == 1
    assert outcome(0.9, gap=0.1).by_heart == 0.1 / 0.5
    assert outcome(0.55, gap=0.05).by_heart == 0
