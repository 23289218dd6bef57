"""`Sequential.internals`: arrays whose norms the tracker tells, however they come about."""

import numpy as np
import pytest
from reference import assert_same_bits

import vgcore as vg

RNG = np.random.default_rng(0)
X, IMAGES, SEQUENCES = (RNG.normal(size=shape) for shape in ((37, 6), (11, 2, 8, 8), (13, 10, 3)))
LENGTHS = RNG.integers(11, size=13)
LENGTHS[:2] = 0, 10
LABELS = RNG.integers(4, size=37)
SPARSE = "sparse_categorical_crossentropy"


def compiled(layers, input_shape, loss="mse", dtype="float64", **options):
    model = vg.Sequential(layers, input_shape=input_shape, dtype=dtype, seed=1)
    model.compile(loss, **options)
    return model


def dense(**options):
    layers = [
        *(vg.Dense(9, "tanh"), vg.Dropout(0.3), vg.Dense(9, "relu"), vg.BatchNorm("relu")),
        *(vg.GaussianNoise(0.2), vg.AlphaDropout(0.2), vg.PReLU(), vg.Highway("tanh")),
        vg.Residual([vg.Dense(5, "gelu"), vg.LayerNorm("tanh"), vg.Dense(9)], activation="relu"),
        vg.layers.Activation(vg.activations.formula("z * sigmoid(a * z)", a=1.5)),
        vg.Dense(4, "softmax"),
    ]
    return compiled(layers, 6, SPARSE, **options)


def images(**options):
    layers = [
        *(vg.Conv2d(4, 3, "relu"), vg.BatchNorm("relu"), vg.MaxPool(2), vg.GroupNorm(2)),
        *(vg.Residual([vg.Conv2d(4, 3, "elu", padding=1)]), vg.Dropout(0.2), vg.Flatten()),
        vg.Dense(2),
    ]
    return compiled(layers, (2, 8, 8), **options)


def sequences(last=False, **options):
    layers = [
        vg.Bidirectional(vg.LSTM(4, return_sequences=True)),
        vg.GRU(5, return_sequences=True, num_layers=2, dropout=0.2),
        vg.Residual([vg.RNN(5, return_sequences=True, recurrent_dropout=0.2)]),
        vg.LSTM(4, return_sequences=not last, peepholes=True),
        vg.Dense(2),
    ]
    return compiled(layers, (None, 3), **options)


def onwards(last=False, **options):
    """Layers whose time can be cut into windows."""
    layers = [
        vg.LSTM(4, return_sequences=True),
        vg.Dense(5, "tanh"),
        vg.GRU(5, return_sequences=not last),
        vg.Dense(2),
    ]
    return compiled(layers, (None, 3), **options)


CASES = {
    "dense": (dense, X, LABELS, {}),
    "images": (images, IMAGES, RNG.normal(size=(11, 2)), {}),
    "sequences": (sequences, SEQUENCES, RNG.normal(size=(13, 10, 2)), {}),
    "lengths": (sequences, SEQUENCES, RNG.normal(size=(13, 10, 2)), {"lengths": LENGTHS}),
    "last": (lambda **o: sequences(True, **o), SEQUENCES, RNG.normal(size=(13, 2)), {}),
    "last, lengths": (
        *(lambda **o: sequences(True, **o), SEQUENCES, RNG.normal(size=(13, 2))),
        {"lengths": LENGTHS},
    ),
    "windows": (
        *(lambda **o: onwards(checkpoint=3, **o), SEQUENCES, RNG.normal(size=(13, 10, 2))),
        {"lengths": LENGTHS},
    ),
    "windows, last": (
        lambda **o: onwards(True, checkpoint=4, **o),
        *(SEQUENCES, RNG.normal(size=(13, 2)), {"lengths": LENGTHS}),
    ),
    "truncated": (
        *(lambda **o: onwards(tbptt=4, **o), SEQUENCES, RNG.normal(size=(13, 10, 2)), {}),
    ),
    "weights": (
        *(sequences, SEQUENCES, RNG.normal(size=(13, 10, 2))),
        {"sample_weight": RNG.integers(3, size=(13, 10)), "lengths": LENGTHS},
    ),
}
over_cases = pytest.mark.parametrize("case", CASES)


def norm(array, keep=()):
    axes = tuple(axis for axis in range(array.ndim) if axis not in keep)
    return np.sqrt(np.nansum(array.astype(float) ** 2, axis=axes))


def same_arrays(one, other):
    assert one.layers == other.layers and one.loss == other.loss
    for name in one:
        assert_same_bits(one[name].arrays(), other[name].arrays())
        for kind in ("gates", "dgates"):
            assert_same_bits(getattr(one[name], kind), getattr(other[name], kind))
    np.testing.assert_array_equal(one.output, other.output)
    np.testing.assert_array_equal(one.dx, other.dx)


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 1e-5)])
@over_cases
def test_norms_are_what_the_tracker_tells(case, dtype, rtol):
    make, x, y, options = CASES[case]
    model = make(dtype=dtype)
    inside, flow = model.internals(x, y, **options), model.gradient_flow(x, y, **options)
    assert inside.layers == flow.layers
    assert inside.loss == flow.loss[0]

    def close(got, wanted, size=0):
        size = max(size, np.nanmax(abs(wanted)))
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * size)

    for column, found in enumerate(inside.values()):
        assert {array.dtype.name for array in found.arrays().values()} == {dtype}
        close(norm(found.delta), flow.delta[0, column])
        mean = np.nanmean(found.h.astype(float))
        close(mean, flow.activation_mean[0, column], flow.activation_std[0, column])
        close(np.nanstd(found.h.astype(float)), flow.activation_std[0, column])
        if found.skip is not None:
            close(norm(found.skip), flow.delta_skip[0, column])
            close(norm(found.body), flow.delta_body[0, column])
        else:
            assert np.isnan(flow.delta_skip[0, column])
    for name, times in flow.time.items():
        found = inside[name]
        close(norm(found.dh, keep=(1,)), times[0])
        close(norm(found.dh_direct, keep=(1,)), flow.time_direct[name][0])
        for place, gate in enumerate(flow.gates[name]):
            close(norm(found.dgates[gate], keep=(1,)), flow.time_gate[name][0, :, place])
    for name, times in flow.time_cell.items():
        close(norm(inside[name].dc, keep=(1,)), times[0])


@over_cases
def test_bits_are_the_same_for_any_number_of_threads(case):
    make, x, y, options = CASES[case]
    before, found = vg.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            vg.set_num_threads(threads)
            found.append(make().internals(x, y, **options))
    finally:
        vg.set_num_threads(before)
    for other in found[1:]:
        same_arrays(found[0], other)


@pytest.mark.parametrize("last", [False, True])
def test_windows_of_time_change_no_bit(last):
    y = RNG.normal(size=(13, 2) if last else (13, 10, 2))
    whole, cut = (
        onwards(last, checkpoint=steps).internals(SEQUENCES, y, lengths=LENGTHS)
        for steps in (None, 3)
    )
    same_arrays(whole, cut)


@over_cases
def test_nothing_is_changed(case):
    make, x, y, options = CASES[case]
    looked_at, left = make(), make()
    looked_at.internals(x, y, **options)
    looked_at.internals(x, lengths=options.get("lengths"))
    for model in (looked_at, left):
        model.fit(x, y, epochs=2, batch_size=8, verbose=0, **options)
    assert_same_bits(looked_at.state_dict(), left.state_dict())
    assert looked_at.step == left.step


@over_cases
def test_without_targets_it_is_prediction(case):
    make, x, _, options = CASES[case]
    model, lengths = make(), options.get("lengths")
    inside = model.internals(x, lengths=lengths)
    predicted = model.predict(x, lengths=lengths)
    there = ~np.isnan(inside.output)
    np.testing.assert_array_equal(inside.output[there], predicted[there])
    assert inside.loss is None and inside.dx is None
    gradients = {"delta", "dh", "dh_direct", "dc", "skip", "body"}
    for found in inside.values():
        assert not found.arrays().keys() & gradients
        assert not found.dgates


def test_a_network_need_not_be_compiled_to_be_looked_into():
    model = vg.Sequential([vg.Dense(3, "tanh"), vg.Dense(2)], input_shape=6, seed=0)
    inside = model.internals(X)
    np.testing.assert_allclose(np.tanh(inside["dense1"].z), inside["dense1"].h, rtol=1e-6)
    with pytest.raises(RuntimeError, match="compile"):
        model.internals(X, X[:, :2])


def test_sequences_line_up_at_their_ends():
    model, y = sequences(), CASES["lengths"][2]
    start, end = (
        model.internals(SEQUENCES, y, lengths=LENGTHS, align=align) for align in ("start", "end")
    )
    assert (start.align, end.align) == ("start", "end")
    pairs = [(start.dx, end.dx), (start.output, end.output)]
    for name in start:
        pairs += zip(start[name].arrays().values(), end[name].arrays().values(), strict=True)
        pairs += zip(start[name].gates.values(), end[name].gates.values(), strict=True)
    for one, other in pairs:
        for row, turned, length in zip(one, other, LENGTHS, strict=True):
            np.testing.assert_array_equal(turned[10 - length :], row[:length])
            assert np.isnan(row[length:]).all() and np.isnan(turned[: 10 - length]).all()


@pytest.mark.parametrize("backwards", [False, True])
def test_a_last_state_gets_its_gradient_where_the_walk_ends(backwards):
    model = compiled([vg.GRU(4, go_backwards=backwards), vg.Dense(1)], (None, 3))
    found = model.internals(SEQUENCES, RNG.normal(size=(13, 1)), lengths=LENGTHS)["gru1"]
    for direct, total, length in zip(found.dh_direct, found.dh, LENGTHS, strict=True):
        end = 0 if backwards else length - 1
        for t in range(length):
            assert (abs(direct[t]).max() > 0) == (t == end)
        if length:
            np.testing.assert_array_equal(direct[end], total[end])


def test_what_weighs_nothing_sends_no_gradient_back():
    weights = RNG.integers(2, size=37)
    found = dense().internals(X, LABELS, sample_weight=weights)["dense3"]
    sent = abs(found.delta).max(axis=1) > 0
    np.testing.assert_array_equal(sent, weights > 0)


def test_given_states_are_where_it_starts():
    model = compiled([vg.GRU(4), vg.Dense(1)], (None, 3))
    start = RNG.normal(size=(13, 4))
    one = model.internals(
        SEQUENCES[:, 3:], initial_state=[model.internals(SEQUENCES[:, :3])["gru1"].h[:, -1]]
    )
    other = model.internals(SEQUENCES)
    np.testing.assert_allclose(one["gru1"].h, other["gru1"].h[:, 3:], rtol=1e-12)
    with_targets = model.internals(SEQUENCES, np.zeros((13, 1)), initial_state=[start])
    np.testing.assert_array_equal(
        with_targets["gru1"].h, model.internals(SEQUENCES, initial_state=[start])["gru1"].h
    )


def test_carried_states_are_where_it_starts_and_stay():
    model = compiled([vg.RNN(4, stateful=True), vg.Dense(1)], (None, 3))
    model.predict(SEQUENCES)
    looked = model.internals(SEQUENCES)
    trained = model.internals(SEQUENCES, np.zeros((13, 1)))
    np.testing.assert_array_equal(looked["rnn1"].h, trained["rnn1"].h)
    np.testing.assert_array_equal(looked.output, model.predict(SEQUENCES))


def test_a_loss_of_python_is_asked():
    def half_square(y, h):
        return 0.5 * ((h - y) ** 2).sum(axis=1), h - y

    model = compiled([vg.Dense(4, "tanh"), vg.Dense(2)], 6, vg.losses.Custom(half_square))
    inside = model.internals(X, np.zeros((37, 2)))
    np.testing.assert_allclose(inside["dense2"].dh, inside["dense2"].h / 37, rtol=1e-12)


def test_what_drops_numbers_drops_their_gradients():
    layers = [vg.Dense(50, "tanh"), vg.Dropout(0.4), vg.AlphaDropout(0.4), vg.GaussianNoise(0.5)]
    model = compiled([*layers, vg.Dense(1)], 6)
    inside = model.internals(X, np.zeros((37, 1)))
    dense, dropout, alpha, noise, _ = inside.values()
    kept = dropout.h != 0
    assert 0.5 < kept.mean() < 0.7
    np.testing.assert_allclose(dropout.h, kept * dense.h / 0.6, rtol=1e-12)
    np.testing.assert_allclose(dense.dh, kept * dropout.dh / 0.6, rtol=1e-12)
    np.testing.assert_array_equal(alpha.dh, noise.dh)
    dropped = alpha.h == alpha.h.min()  # all that is dropped has one value
    scale = np.linalg.norm(dropout.dh) / np.linalg.norm(alpha.dh * ~dropped)
    np.testing.assert_allclose(dropout.dh, scale * alpha.dh * ~dropped, rtol=1e-12)
    assert 0.3 < dropped.mean() < 0.5
    assert 0.4 < (noise.h - alpha.h).std() < 0.6
    for found in (dropout, alpha, noise):
        assert found.z is None
        np.testing.assert_array_equal(found.delta, found.dh)


def test_sigmoid_states_under_a_cross_entropy():
    model = compiled(
        [vg.RNN(2, "sigmoid", return_sequences=True)], (None, 3), "binary_crossentropy"
    )
    y = RNG.integers(2, size=(13, 10, 2)).astype(float)
    found = model.internals(SEQUENCES, y)["rnn1"]
    np.testing.assert_allclose(1 / (1 + np.exp(-found.z)), found.h, rtol=1e-12)
    np.testing.assert_allclose(found.dh * found.h * (1 - found.h), found.delta, rtol=1e-9)


@pytest.mark.parametrize("layers", ["dense2", ["dense3", "dense1"], iter(["residual1.dense1"])])
def test_some_layers_alone(layers):
    model = dense()
    wanted = (
        ["residual1.dense1"] if not isinstance(layers, str | list) else np.sort([layers]).ravel()
    )
    some, everything = model.internals(X, LABELS, layers=layers), model.internals(X, LABELS)
    assert some.layers == [*wanted]
    for name in some:
        assert_same_bits(some[name].arrays(), everything[name].arrays())


def test_it_shows_what_there_is():
    inside = sequences().internals(SEQUENCES, CASES["lengths"][2], lengths=LENGTHS)
    assert len(inside) == len(inside.layers) and "gru1.0" in inside
    assert "13 samples" in repr(inside) and "loss" in repr(inside)
    lstm = inside["lstm1"]
    assert "h (13, 10, 4)" in repr(lstm) and "gates of i, f, g, o" in repr(lstm)
    assert "dh_direct" in inside._repr_html_() and "nan" not in inside._repr_html_()
    assert "no targets" in repr(sequences().internals(SEQUENCES))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dense9", "expected one of bidirectional1.forward, bidirectional1.backward, gru1.0"),
        ("bidirectional1", "it has bidirectional1.forward and bidirectional1.backward"),
    ],
)
def test_a_layer_that_is_not_there_is_answered_with_those_that_are(name, message):
    with pytest.raises(KeyError, match=message):
        sequences().internals(SEQUENCES)[name]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"layers": "dense9"}, ValueError, "layers: expected one of"),
        ({"layers": []}, ValueError, "layers: expected at least one layer, got none"),
        ({"layers": 3}, TypeError, "layers: expected"),
        ({"layers": [3]}, (TypeError, ValueError), "layers: expected"),
        ({"layers": "gru1"}, ValueError, r"layers: expected gru1\.0 or gru1\.1, got 'gru1'"),
        ({"align": "middle"}, ValueError, "align: expected one of"),
        ({"sample_weight": np.ones(13)}, ValueError, "sample_weight: expected None without y"),
        ({"lengths": [3]}, ValueError, "lengths: expected"),
        ({"x": np.full((13, 10, 3), np.nan)}, ValueError, "x: expected"),
        ({"x": X}, ValueError, "x: expected"),
        ({"y": np.zeros((4, 10, 2))}, ValueError, "y: expected"),
        ({"initial_state": [None]}, ValueError, "initial_state: expected"),
    ],
)
def test_bad_arguments(arguments, error, message):
    given = {"x": SEQUENCES, **arguments}
    with pytest.raises(error, match=message):
        sequences().internals(**given)


def test_a_layer_asked_for_as_an_attribute_is_told_how_it_is_had():
    model = vg.Sequential([vg.Dense(3), vg.Dense(2)], input_shape=4, seed=0)
    inside = model.internals(np.zeros((1, 4)))
    with pytest.raises(AttributeError, match=r"^dense2 is a layer: internals\['dense2'\]$"):
        _ = inside.dense2
    with pytest.raises(AttributeError, match="no attribute 'dense3'"):
        _ = inside.dense3
    assert not hasattr(inside, "dense3")
