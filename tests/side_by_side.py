"""Models that are trained side by side, and what must be as if each were alone."""

import numpy as np
from reference import assert_same_bits

import vgcore as vg

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(60, 6)), RNG.integers(3, size=60)
SEQUENCES, TARGETS = RNG.normal(size=(40, 9, 4)), RNG.normal(size=(40, 9, 2))
SPARSE = "sparse_categorical_crossentropy"
WEIGHTS, LENGTHS = RNG.integers(3, size=60) / 2, RNG.integers(10, size=40)


def compiled(layers, input_shape, loss=SPARSE, optimizer="adam", seed=0, **options):
    model = vg.Sequential(layers, input_shape=input_shape, seed=seed)
    model.compile(loss, optimizer, **options)
    return model


def dense(seed=0, units=8, **options):
    return compiled([vg.Dense(units, "tanh"), vg.Dense(3, "softmax")], 6, seed=seed, **options)


def random_layers(seed=0):
    layers = [vg.Dense(9, "relu"), vg.Dropout(0.3), vg.BatchNorm(), vg.Dense(3, "softmax")]
    return compiled(layers, 6, seed=seed, optimizer=vg.SGD(0.1, momentum=0.9))


def lstm(seed=0, **options):
    layers = [vg.LSTM(5, return_sequences=True), vg.Dense(2)]
    return compiled(layers, (None, 4), "mse", seed=seed, **options)


def several():
    shared = vg.Adam(vg.schedules.Exponential(0.01, 0.9))
    return [
        *(dense(seed, units=3 + seed, optimizer=shared) for seed in range(3)),
        random_layers(7),
        random_layers(8),
        dense(9, metrics=["top_2"]),
    ]


def same_history(one, other):
    assert one.epoch == other.epoch and {*one} == {*other}
    for name in {*one} - {"seconds"}:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def same_flow(one, other):
    np.testing.assert_array_equal(one.step, other.step)
    for field in vg.flow.FIELDS:
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)
    for walk, values in one.time.items():
        np.testing.assert_array_equal(values, other.time[walk])


def assert_as_alone(make, x, y, **options):
    """fit_many against fit, one model after the other; x and y are lists with one for each."""
    alone, together = make(), make()
    flows = [[vg.GradientFlow(every=2) for _ in alone] for _ in range(2)]
    expected = [
        model.fit(*given, track=flow, **options)
        for model, flow, *given in zip(alone, flows[0], x, y, strict=True)
    ]
    all_x, all_y = (
        given[0] if all(each is given[0] for each in given) else given for given in (x, y)
    )
    histories = vg.fit_many(together, all_x, all_y, track=flows[1], **options)
    for one, other in zip(alone, together, strict=True):
        assert_same_bits(one.session.vectors(), other.session.vectors())
        assert one.step == other.step
    for one, other in zip(expected, histories, strict=True):
        same_history(one, other)
    for one, other in zip(*flows, strict=True):
        same_flow(one, other)
    for model, history in zip(together, histories, strict=True):
        assert model.history is history


def sequence_models():
    return [lstm(seed, **each) for seed, each in enumerate([{"tbptt": 4}, {"checkpoint": 3}, {}])]
