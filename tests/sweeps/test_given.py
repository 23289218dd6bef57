"""Data and other arguments of `fit`, one for all models or one for each."""

import inspect

import numpy as np
import pytest
from reference import assert_same_bits
from side_by_side import (
    LABELS,
    LENGTHS,
    RNG,
    SEQUENCES,
    TARGETS,
    WEIGHTS,
    X,
    assert_as_alone,
    compiled,
    dense,
    lstm,
    same_history,
    sequence_models,
    several,
)

import vgcore as vg


@pytest.mark.parametrize("kind", [list, tuple])
def test_minibatches_for_all_and_for_each(kind):
    parts = kind([(X[:20], LABELS[:20]), {"x": X[20:], "y": LABELS[20:]}])
    assert_as_alone(several, [parts] * 6, [None] * 6, epochs=3)
    models = several()[:2]
    each = [parts, [(X[:5], LABELS[:5])]]
    vg.fit_many(models, each, epochs=2)
    assert [model.step for model in models] == [4, 2]
    iterators = [iter(parts), iter(parts)]
    with pytest.warns(UserWarning, match=r"models\[[01]\]: fit: x is an iterator"):
        vg.fit_many(several()[:2], iterators, epochs=2)


def test_targets_for_each_model():
    models, others = several()[:3], several()[:3]
    y = [RNG.integers(3, size=60) for _ in models]
    vg.fit_many(models, X, y, epochs=2)
    for model, labels in zip(others, y, strict=True):
        model.fit(X, labels, epochs=2)
    for one, other in zip(models, others, strict=True):
        assert_same_bits(one.session.vectors(), other.session.vectors())


def test_lists_of_numbers_are_one_for_all():
    """As many samples as models: rows are not taken for data of each model."""
    x, y = [[0.0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]

    def make():
        return [compiled([vg.Dense(2, "softmax")], 2, seed=seed) for seed in range(4)]

    assert_as_alone(make, [x] * 4, [y] * 4, epochs=3)
    assert_as_alone(make, [np.array(x)] * 4, [y] * 4, epochs=3)
    rows = [np.array(row) for row in x]
    models, others = make(), make()
    vg.fit_many(models, rows, np.array(y))
    vg.fit_many(others, np.array(x), y)
    for one, other in zip(models, others, strict=True):
        assert_same_bits(one.session.vectors(), other.session.vectors())


def test_data_are_checked_and_copied_once():
    models = [dense(seed) for seed in range(5)]
    seen = []
    x = X.astype(np.float64)

    class Counted:
        def __array__(self, dtype=None, copy=None):
            seen.append(1)
            return x

        def __len__(self):
            return len(x)

    vg.fit_many(models, Counted(), LABELS, validation_data=(X, LABELS))
    assert len(seen) == 1


# ---- arguments of fit

OPTIONS = {
    "weights": {"sample_weight": WEIGHTS},
    "classes": {"class_weight": {1: 3.0}},
    "balanced": {"class_weight": "balanced", "sample_weight": WEIGHTS},
    "split": {"validation_split": 0.3, "sample_weight": WEIGHTS},
    "drop_last": {"drop_last": True},
    "drop_last in order": {"drop_last": True, "shuffle": False, "validation_split": 0.1},
    "initial_epoch": {"initial_epoch": 2},
    "no epoch": {"initial_epoch": 4, "validation_data": (X, LABELS)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_arguments_of_fit_are_for_all_models(options):
    assert_as_alone(several, [X] * 6, [LABELS] * 6, **{"epochs": 4, "batch_size": 7, **options})


@pytest.mark.parametrize("split", [False, True])
def test_lengths_and_weights_of_timesteps(split):
    assert_as_alone(
        sequence_models,
        [SEQUENCES] * 3,
        [TARGETS] * 3,
        **{"epochs": 2, "batch_size": 8, "lengths": LENGTHS},
        sample_weight=RNG.random((40, 9)),
        **{"validation_split": 0.2}
        if split
        else {"validation_data": (SEQUENCES, TARGETS, LENGTHS)},
    )


@pytest.mark.parametrize("x", [X, [X, X[::-1], X]], ids=["one x", "x for each"])
@pytest.mark.parametrize("y", [LABELS, [LABELS] * 3], ids=["one y", "y for each"])
def test_a_list_with_one_for_each(x, y):
    weights = [WEIGHTS, None, WEIGHTS[::-1]]
    classes = ["balanced", {0: 2.0}, None]
    models, others = several()[3:], several()[3:]
    histories = vg.fit_many(
        models, x, y, epochs=2, sample_weight=weights, class_weight=classes, validation_split=0.1
    )
    for place, (model, history) in enumerate(zip(others, histories, strict=True)):
        expected = model.fit(
            *(given[place] if isinstance(given, list) else given for given in (x, y)),
            **{"epochs": 2, "validation_split": 0.1},
            sample_weight=weights[place],
            class_weight=classes[place],
        )
        same_history(expected, history)
        assert_same_bits(model.session.vectors(), models[place].session.vectors())


def test_lengths_for_each():
    models, others = sequence_models(), sequence_models()
    lengths = [LENGTHS, None, LENGTHS[::-1]]
    vg.fit_many(models, SEQUENCES, TARGETS, lengths=lengths)
    for model, other, mine in zip(models, others, lengths, strict=True):
        other.fit(SEQUENCES, TARGETS, lengths=mine)
        assert_same_bits(model.session.vectors(), other.session.vectors())


def test_lists_of_numbers_are_weights_and_lengths_of_all():
    """As many samples as models, again."""

    def make():
        return [lstm(seed) for seed in range(4)]

    some = {"lengths": [9, 0, 3, 4], "sample_weight": [1.0, 0.0, 2.0, 3.0]}
    assert_as_alone(make, [SEQUENCES[:4]] * 4, [TARGETS[:4]] * 4, epochs=2, **some)


def test_padding_that_would_count_is_told_once():
    with pytest.warns(UserWarning, match="lengths are given, and none in validation_data") as told:
        vg.fit_many(
            *(sequence_models(), SEQUENCES, TARGETS),
            lengths=LENGTHS,
            validation_data=(SEQUENCES, TARGETS),
        )
    assert len(told) == 1 and told[0].filename == __file__


def test_minibatches_weighed_by_class():
    parts = [(X[:20], LABELS[:20]), {"x": X[20:], "y": LABELS[20:], "sample_weight": WEIGHTS[20:]}]
    assert_as_alone(several, [parts] * 6, [None] * 6, epochs=2, class_weight={2: 0.5})


def test_arguments_have_the_order_and_defaults_of_fit():
    def given(verb):
        every = inspect.signature(verb).parameters.values()
        return {each.name: each.default for each in every}

    of_fit, of_many = given(vg.Sequential.fit), given(vg.fit_many)
    del of_fit["self"], of_fit["watch"]  # which is of one training
    del of_many["models"], of_many["seconds"]
    assert list(of_fit) == list(of_many)
    assert {**of_fit, "callbacks": ()} == of_many


def test_minibatches_that_are_lists():
    parts = [[X[:20], LABELS[:20]], [X[20:40], LABELS[20:40]], [X[40:], LABELS[40:]]]
    for models in (several()[:2], several()[:3]):
        vg.fit_many(models, parts, epochs=2)
        assert [model.step for model in models] == [6] * len(models)


class KeepingItsPlace:
    """Gives what follows on what it gave last, whoever asked."""

    def __iter__(self):
        return iter([(X, LABELS)])


def test_an_iterable_for_several_is_warned_of():
    for x in (KeepingItsPlace(), [KeepingItsPlace()] * 2):
        with pytest.warns(UserWarning, match="x is one KeepingItsPlace for several models"):
            vg.fit_many(several()[:2], x)
    vg.fit_many(several()[:2], [KeepingItsPlace(), KeepingItsPlace()])


def test_an_iterator_of_validation_data_is_for_one():
    iterator = iter([(X, LABELS)])
    with pytest.raises(
        ValueError, match=r"validation_data: .* iterator for models\[0\] and models"
    ):
        vg.fit_many(several()[:2], [X] * 2, [LABELS] * 2, validation_data=[iterator] * 2)
