"""What outputs are scored by, beside scikit-learn, and what may be luck, beside coins that are tossed."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score

from vgcore.diagnosis.score import Measure

RNG = np.random.default_rng(0)


def test_accuracy_and_its_mean_over_the_classes():
    y = RNG.integers(3, size=200)
    rare = np.where(np.arange(200) % 20, 0, 1)
    outputs = RNG.normal(size=(200, 3))
    answers = outputs.argmax(axis=1)
    found = Measure(y, sparse=True)
    assert found.score(outputs, y) == accuracy_score(y, answers)
    assert found.words == "accuracy"
    found, two = Measure(rare, sparse=True), outputs[:, :2]
    wanted = balanced_accuracy_score(rare, two.argmax(axis=1))
    assert found.score(two, rare) == pytest.approx(wanted)
    assert found.chance == 0.5 and "mean over the classes" in found.words


def test_it_is_the_same_for_all_targets_and_for_some():
    y = np.r_[np.zeros(20, int), np.ones(12, int)]
    found = Measure(y, sparse=True)
    outputs = np.eye(2)[np.zeros(7, int)]
    some = np.r_[np.zeros(6, int), np.ones(1, int)]
    assert found.score(outputs, some) == accuracy_score(some, np.zeros(7))


def test_labels_of_minus_one_and_one():
    y = np.where(np.arange(30) % 3, 1.0, -1.0)[:, None]
    found = Measure(y, as_classes=True)
    assert found.chance == pytest.approx(2 / 3)
    assert found.score(0.4 * y, y) == 1


def test_ignored_labels_do_not_count():
    y = np.array([0, 1, -1, -1])
    assert Measure(y, sparse=True).score(np.eye(2)[[0, 0, 1, 1]], y) == 0.5


def test_numbers():
    y = RNG.normal(size=(50, 2)) * (1, 100)
    outputs = y + RNG.normal(size=y.shape)
    wanted = r2_score(y, outputs, multioutput="variance_weighted")
    assert Measure(y).score(outputs, y) == pytest.approx(wanted)
    constant = np.full((50, 1), 3.0)
    for outputs in (constant, constant + 1):
        assert Measure(y).score(outputs, constant) == r2_score(constant, outputs)
    assert np.isnan(Measure(y).score(np.full((50, 2), np.nan), y))


@pytest.mark.parametrize("share", [0.5, 0.94])
def test_luck_is_what_coins_reach_in_few_draws(share):
    rng = np.random.default_rng(1)
    y = np.r_[np.zeros(int(100 * share), int), np.ones(100 - int(100 * share), int)]
    found = Measure(y, sparse=True)
    scores = [found.score(np.eye(2)[rng.integers(2, size=100)], y) for _ in range(2000)]
    assert 0.005 < np.mean(np.array(scores) > found.chance + found.luck(y)) < 0.05


def test_luck_leaves_room_where_there_are_few():
    y = np.arange(4) % 2
    assert Measure(y, sparse=True).luck(y) < 0.5
