"""GradientFlow: every field against its definition, what is recorded when, and its files."""

import gc
import itertools
import math

import numpy as np
import pytest
from reference import (
    ACTIVATIONS,
    CLIPPINGS,
    DTYPES,
    LOSSES,
    NAMES,
    OPTIMIZERS,
    REDUCTIONS,
    Twin,
    assert_same_bits,
    network,
    samples,
)

import vgcore as vg

TOLERANCE = {"float32": 2e-5, "float64": 1e-10}
RECORD = ("step", "loss", *vg.flow.FIELDS)
SPARSE = "sparse_categorical_crossentropy"
NEVER_FLAT = (
    "identity",
    "leaky_relu",
    "softmax",
    "softmin",
)  # the last two have no slopes of their own
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def norm(array):
    """The L2 norm; math.hypot scales where squares would not fit."""
    return math.hypot(*array.ravel())


def record_of(flow):
    return {name: getattr(flow, name) for name in RECORD}


def steepest(activation):
    """The largest slope of an activation, looked for on a grid."""
    z = np.linspace(-8, 8, 100_001)[:, np.newaxis]
    if not activation.unitwise:
        return np.nan  # of no unit by itself
    return np.abs(ACTIVATIONS[activation.name][1](z, activation.alpha)).max()


def defined(model, done):
    """The fields of one pass of the twin, an entry per layer, by their definitions."""
    fields = {name: [] for name in vg.flow.FIELDS}
    before = {name: v.astype(float) for name, v in model.state_dict().items()}
    for layer, h, slope, delta in zip(
        model.layers, done.outputs, done.slopes, done.deltas, strict=True
    ):
        weight, bias = f"{layer.name}.weight", f"{layer.name}.bias"
        changed = done.updates is not None
        slopes = layer.activation.unitwise  # where units have slopes of their own
        flat = np.abs(slope) < 0.05 * steepest(layer.activation)
        for name, value in {
            "delta": norm(delta),
            "weight_grad": norm(done.gradients[weight]),
            "bias_grad": norm(done.gradients[bias]) if bias in before else np.nan,
            "weight_grad_applied": norm(done.treated[weight]) if changed else np.nan,
            "bias_grad_applied": norm(done.treated[bias]) if changed and bias in before else np.nan,
            "weight_norm": norm(before[weight]),
            "update_ratio": norm(done.updates[weight]) / norm(before[weight])
            if changed
            else np.nan,
            "activation_mean": h.mean(),
            "activation_std": h.std(),
            "saturated": flat.mean() if slopes else np.nan,
            "dead": (slope == 0).all(axis=0).mean() if slopes else np.nan,
            "delta_skip": np.nan,
            "delta_body": np.nan,
        }.items():
            fields[name].append(value)
    return {"loss": done.loss, **fields}


def assert_fields(got, expected, tolerance):
    for name, values in expected.items():
        np.testing.assert_allclose(
            getattr(got, name), [values], rtol=tolerance, atol=1e-30, err_msg=name
        )


# ---- the fields


@over_dtypes
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("hidden", NAMES)
def test_every_field_for_every_activation(hidden, reduction, dtype):
    model = network((6, 17, 33, 5), (hidden, hidden, "tanh"), dtype=dtype, reduction=reduction)
    x, y = samples(model, 19)
    x = 8 * x  # into saturation
    expected = defined(model, Twin(model).run(x, y))
    assert 0 < np.nanmean(expected["saturated"]) < 1 or hidden in NEVER_FLAT
    assert_fields(model.gradient_flow(x, y), expected, TOLERANCE[dtype])


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("loss", "output"), LOSSES)
def test_every_field_for_every_loss(loss, output, reduction):
    model = network((6, 17, 5), ("sigmoid", output), loss, reduction=reduction)
    x, y = samples(model, 9)
    assert_fields(model.gradient_flow(x, y), defined(model, Twin(model).run(x, y)), 1e-10)


@over_dtypes
@pytest.mark.parametrize("clipping", CLIPPINGS, ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_field_of_a_training_step(optimizer, clipping, dtype):
    """Gradients are unclipped, weights those before the update, the update the one applied."""
    model = network((6, 17, 3), ("tanh", "softmax"), SPARSE, optimizer, dtype=dtype, **clipping)
    twin = Twin(model, **clipping)
    for i in range(4):
        x, y = samples(model, 11, seed=i)
        flow = vg.GradientFlow()
        expected = defined(model, twin.step(x, y))
        model.fit(x, y, shuffle=False, track=flow)
        assert flow.step.tolist() == [i]
        assert_fields(flow, expected, 1e-3 if dtype == "float32" else 1e-10)


@over_dtypes
def test_a_short_minibatch_is_measured_over_its_own_rows(dtype):
    model = network((6, 17, 3), ("relu", "softmax"), SPARSE, dtype=dtype)
    x, y = samples(model, 11)
    twin = Twin(model)
    flow = vg.GradientFlow(steps=[2])
    for i in (0, 4):
        twin.step(x[i : i + 4], y[i : i + 4])
    model.fit(x[:8], y[:8], batch_size=4, shuffle=False)
    expected = defined(model, twin.step(x[8:], y[8:]))
    other = network((6, 17, 3), ("relu", "softmax"), SPARSE, dtype=dtype)
    other.fit(x, y, batch_size=4, shuffle=False, track=flow)
    assert_fields(flow, expected, TOLERANCE[dtype])


def test_wide_layers_and_long_batches():
    """Sums over many chunks of rows, columns and parameters."""
    model = network((257, 131, 33, 10), ("gelu", "tanh", "softmax"), SPARSE, vg.SGD(0.3))
    x, y = samples(model, 300)
    flow = vg.GradientFlow()
    expected = defined(model, Twin(model).step(x, y))
    model.fit(x, y, batch_size=300, shuffle=False, track=flow)
    assert_fields(flow, expected, 1e-10)


def test_dead_units():
    """Units that no sample reaches: relu's by a bias, the sigmoid's by rounding."""
    for activation, bias in (("relu", -100), ("hard_sigmoid", 100), ("sigmoid", 800)):
        model = network((6, 20, 3), (activation, "softmax"), SPARSE)
        model.layers[0].bias = np.where(np.arange(20) < 7, bias, 0)
        model.layers[0].weight = np.full((20, 6), 0.1)
        x, y = samples(model, 40)
        flow = model.gradient_flow(x, y)
        np.testing.assert_array_equal(flow.dead, [[7 / 20, np.nan]])


def test_layers_without_slopes_of_their_own_are_neither_saturated_nor_dead():
    """What moves, chooses or averages numbers, and softmax, in which no unit is by itself."""
    body = [vg.Conv2d(2, 3, padding=1, activation="relu"), vg.Dropout(0.1), vg.BatchNorm()]
    layers = [vg.Residual(body), vg.MaxPool(2), vg.Flatten(), vg.PReLU(), vg.Dense(3, "softmax")]
    model = vg.Sequential(layers, input_shape=(2, 4, 4), seed=0)
    model.compile(SPARSE)
    flow = model.gradient_flow(np.ones((5, 2, 4, 4)), np.zeros(5, int))
    without = ["residual1.dropout1", "maxpool1", "flatten1", "dense1"]
    for field in (flow.saturated, flow.dead):
        assert [
            n for n, gone in zip(flow.layers, np.isnan(field[0]), strict=True) if gone
        ] == without
    words = vg.Sequential([vg.Embedding(5, 3), vg.LSTM(2)], input_shape=(None,), seed=0)
    words.compile()
    flow = words.gradient_flow(np.ones((2, 4), int), np.zeros((2, 2)))
    assert np.isnan(flow.saturated).tolist() == np.isnan(flow.dead).tolist() == [[True, False]]


def test_layers_without_bias_have_no_bias_grad():
    layers = [vg.Dense(5, "tanh", use_bias=False), vg.Dense(3, "softmax")]
    model = vg.Sequential(layers, input_shape=4, seed=0)
    model.compile(SPARSE)
    flow = model.gradient_flow(*samples(model, 6))
    assert np.isnan(flow.bias_grad).tolist() == [[True, False]]
    assert (flow.weight_grad > 0).all()


@pytest.mark.parametrize(
    "activation",
    [vg.leaky_relu(0), vg.leaky_relu(0.5), vg.leaky_relu(50), vg.elu(0.5), vg.elu(50)],
    ids=repr,
)
def test_saturation_is_measured_from_the_steepest_slope(activation):
    model = network((6, 17, 3), (activation, "softmax"), SPARSE)
    x, y = samples(model, 30)
    expected = defined(model, Twin(model).run(x, y))
    assert_fields(model.gradient_flow(x, y), expected, 1e-10)


# ---- small and large numbers


def chain(weights, units, dtype, optimizer="sgd", loss="mse"):
    """Linear layers that multiply by one weight each: delta shrinks or grows by just that."""
    layers = [
        vg.Dense(units, "identity", weight_initializer=vg.initializers.Identity(w)) for w in weights
    ]
    model = vg.Sequential(layers, input_shape=units, dtype=dtype, seed=0)
    model.compile(loss, optimizer, reduction="batchmean")
    return model


@pytest.mark.parametrize(("dtype", "factor"), [("float32", 1e-15), ("float64", 1e-100)])
@pytest.mark.parametrize(("units", "rows"), [(1, 1), (3, 1), (33, 17), (100, 9)])
def test_tiny_gradients_are_recorded_exactly(units, rows, dtype, factor):
    """1e-30 in float32 and 1e-200 in float64, whose squares are 0 there."""
    model = chain([1, factor, factor], units, dtype)
    x, y = np.ones((rows, units)), np.full((rows, units), -0.5)
    flow = model.gradient_flow(x, y)
    delta = np.sqrt(rows * units) / rows * np.array([[factor**2, factor, 1]])
    np.testing.assert_allclose(flow.delta, delta, rtol=1e-5)
    np.testing.assert_allclose(flow.bias_grad, delta * np.sqrt(rows), rtol=1e-5)
    np.testing.assert_allclose(
        flow.weight_grad[:, 0], delta[:, 0] * np.sqrt(rows * units), rtol=1e-5
    )
    np.testing.assert_allclose(
        flow.weight_norm, [[np.sqrt(units) * w for w in (1, factor, factor)]], rtol=1e-5
    )
    factors = flow.rate()
    np.testing.assert_allclose(factors.factor, factor, rtol=1e-5)
    np.testing.assert_allclose(factors.r2, 1, rtol=1e-9)


@pytest.mark.parametrize(
    ("dtype", "target"),
    [("float32", 1e-30), ("float32", 1e30), ("float64", 1e-200), ("float64", 1e150)],
)
@pytest.mark.parametrize("units", [1, 3, 33])
def test_tiny_and_huge_targets(units, dtype, target):
    model = chain([1, 1], units, dtype)
    flow = model.gradient_flow(np.zeros((5, units)), np.full((5, units), target))
    expected = 2 / 5 * target * np.sqrt(5 * units)
    np.testing.assert_allclose(flow.delta, [[expected, expected]], rtol=1e-5)
    np.testing.assert_allclose(flow.bias_grad, [[expected * np.sqrt(5)] * 2], rtol=1e-5)


def update_ratio(optimizer, dtype, x, target):
    """That of the first step of one weight of 1/1000, and what it should be."""
    model = chain([1e-3], 1, dtype, optimizer)
    expected = defined(model, Twin(model).step([[x]], [[target]]))
    flow = vg.GradientFlow()
    model.fit([[x]], [[target]], track=flow)
    return flow.update_ratio.item(), expected["update_ratio"][0]


@pytest.mark.parametrize(("dtype", "scale"), [("float32", 1e-25), ("float64", 1e-200)])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_tiny_updates(optimizer, dtype, scale):
    got, expected = update_ratio(OPTIMIZERS[optimizer], dtype, scale, 0.5)
    assert got == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("dtype", "scale"), [("float32", 1e25), ("float64", 1e153)])
@pytest.mark.parametrize(
    "optimizer", [name for name, o in OPTIMIZERS.items() if isinstance(o, vg.SGD)]
)
def test_huge_updates(optimizer, dtype, scale):
    got, expected = update_ratio(OPTIMIZERS[optimizer], dtype, 1.0, scale)
    assert got == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        *itertools.product(["float32"], [1e-25, 1e-3, 1e15, 1e25]),
        ("float64", 1e-200),
        ("float64", 1e200),
    ],
)
def test_activations_of_any_size(dtype, scale):
    """As they are in a network that vanishes or explodes."""
    model = chain([1], 5, dtype)
    x = np.random.default_rng(0).normal(size=(19, 5))
    flow = model.gradient_flow(scale * x, scale * x)
    np.testing.assert_allclose(flow.activation_mean, [[scale * x.mean()]], rtol=1e-4)
    np.testing.assert_allclose(flow.activation_std, [[scale * x.std()]], rtol=1e-4)


@pytest.mark.parametrize(("dtype", "large"), [("float32", 1e25), ("float64", 1e200)])
@pytest.mark.parametrize("place", [0, 40, 399])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_one_large_weight_among_small_ones(optimizer, place, dtype, large):
    """Its column has no input: it matters to the norm alone."""
    model = chain([1e-3], 20, dtype, optimizer)
    weight = np.full(400, 1e-3)
    weight[place] = large
    model.layers[0].weight = weight.reshape(20, 20)
    x = np.ones((3, 20))
    x[:, place % 20] = 0
    flow = vg.GradientFlow()
    model.fit(x, np.zeros((3, 20)), track=flow)
    assert flow.weight_norm.item() == pytest.approx(large, rel=1e-6)
    assert model.gradient_flow(x, x).weight_norm.item() == pytest.approx(large, rel=1e-6)


def test_a_small_spread_about_a_large_mean():
    model = chain([1], 5, "float32")
    x = (1000 + np.random.default_rng(0).normal(size=(100, 5))).astype(np.float32)
    flow = model.gradient_flow(x, np.zeros((100, 5)))
    np.testing.assert_allclose(flow.activation_mean, [[x.mean(dtype=float)]], rtol=1e-7)
    np.testing.assert_allclose(flow.activation_std, [[x.std(dtype=float)]], rtol=1e-4)


# ---- what is recorded when, and that it is only recorded


def counted(**kwargs):
    model = network((4, 5, 3), ("tanh", "softmax"), SPARSE)
    x, y = samples(model, 10)
    flow = vg.GradientFlow(**kwargs)
    for epochs in (1, 2):
        model.fit(x, y, epochs=epochs, batch_size=3, track=flow)
    return flow


@pytest.mark.parametrize(
    ("kwargs", "steps"),
    [
        ({}, range(12)),
        ({"every": 5}, [0, 5, 10]),
        ({"every": 100}, [0]),
        ({"steps": [7, 2, 2, 11, 99]}, [2, 7, 11]),
        ({"steps": iter(range(3))}, [0, 1, 2]),
        ({"steps": []}, []),
    ],
)
def test_steps_recorded(kwargs, steps):
    """Steps are counted on from call to call: 4 of the first fit, 8 of the second."""
    some, all_of_them = counted(**kwargs), record_of(counted())
    steps = list(steps)
    assert some.step.tolist() == steps
    assert len(some) == len(steps)
    assert_same_bits(record_of(some), {name: v[steps] for name, v in all_of_them.items()})


def test_shapes_and_names():
    flow = counted(every=3)
    assert flow.layers == ["dense1", "dense2"]
    assert flow.step.shape == flow.loss.shape == (4,)
    assert all(getattr(flow, name).shape == (4, 2) for name in vg.flow.FIELDS)
    assert {getattr(flow, name).dtype for name in RECORD[1:]} == {np.dtype(float)}
    empty = vg.GradientFlow()
    assert len(empty) == len(empty.loss) == len(empty.delta) == 0


def test_an_untracked_pause_leaves_a_gap():
    model = network((4, 3), ("softmax",), SPARSE)
    x, y = samples(model, 8)
    flow = vg.GradientFlow()
    model.fit(x, y, track=flow)
    model.train_on_batch(x, y)
    model.fit(x, y, track=flow)
    assert flow.step.tolist() == [0, 2]


def test_gradient_flow_is_one_pass_without_update():
    model = network((4, 5, 3), ("tanh", "softmax"), SPARSE, vg.SGD(0.1, momentum=0.9))
    x, y = samples(model, 10)
    model.train_on_batch(x, y)
    before = model.state_dict()
    flow = model.gradient_flow(x, y)
    assert_same_bits(model.state_dict(), before)
    assert (model.step, flow.step.tolist()) == (1, [1])
    assert np.isnan(flow.update_ratio).all()
    tracked = vg.GradientFlow()
    model.fit(x, y, shuffle=False, track=tracked)
    for name in set(RECORD) - {"update_ratio", "weight_grad_applied", "bias_grad_applied"}:
        np.testing.assert_allclose(getattr(flow, name), getattr(tracked, name), rtol=1e-13)


def assert_tracking_changes_nothing(hidden, output, *args, **options):
    results = []
    for track in (None, vg.GradientFlow(), vg.GradientFlow(every=2)):
        model = network((6, 33, 17, 3), (hidden, hidden, output), *args, **options)
        x, y = samples(model, 22)
        history = model.fit(x, y, epochs=3, batch_size=5, track=track)
        results.append({**model.state_dict(), "loss": np.array(history.history["loss"])})
    assert_same_bits(results[0], results[1])
    assert_same_bits(results[0], results[2])


@over_dtypes
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("clipping", CLIPPINGS, ids=str)
def test_tracking_does_not_change_the_training(clipping, optimizer, dtype):
    assert_tracking_changes_nothing("tanh", "softmax", SPARSE, optimizer, dtype=dtype, **clipping)


@over_dtypes
@pytest.mark.parametrize(("loss", "output"), LOSSES)
@pytest.mark.parametrize("hidden", NAMES)
def test_tracking_does_not_change_any_activation(hidden, loss, output, dtype):
    assert_tracking_changes_nothing(hidden, output, loss, dtype=dtype)


def test_a_tracker_belongs_to_one_model():
    flow = counted()
    before = record_of(flow)
    other = network((4, 3), ("softmax",), SPARSE)
    with pytest.raises(ValueError, match=r"track: .* another .*dense1, dense2"):
        other.fit(*samples(other, 4), track=flow)
    assert other.step == 0
    assert flow.layers == ["dense1", "dense2"]
    assert_same_bits(record_of(flow), before)


# ---- rate


def synthetic(tmp_path, delta):
    """A record whose delta is the given one."""
    counted(every=3).save(tmp_path / "record")
    with np.load(tmp_path / "record") as file:
        arrays = {**file, "delta": np.asarray(delta, float)}
    steps, layers = arrays["delta"].shape
    for name in RECORD:
        shape = (steps,) if name in ("step", "loss") else (steps, layers)
        if name != "delta":
            arrays[name] = np.zeros(shape, arrays[name].dtype)
    arrays["layers"] = np.array([f"dense{i + 1}" for i in range(layers)])
    with open(tmp_path / "synthetic", "wb") as file:
        np.savez(file, **arrays)
    return vg.GradientFlow.load(tmp_path / "synthetic")


def test_rate_of_a_geometric_record_is_exact(tmp_path):
    factors = np.array([0.25, 0.9, 1.5, 1e-20])
    delta = 3.0 * factors[:, np.newaxis] ** np.arange(9, -1, -1)  # the output layer is the last
    rate = synthetic(tmp_path, delta).rate()
    np.testing.assert_allclose(rate.factor, factors, rtol=1e-12)
    np.testing.assert_allclose(rate.r2, 1, rtol=1e-12)


def test_rate_is_the_least_squares_line(tmp_path):
    delta = np.exp(np.random.default_rng(0).normal(size=(5, 7)))
    rate = synthetic(tmp_path, delta).rate()
    for row, factor, r2 in zip(np.log(delta), *rate, strict=True):
        slope, intercept = np.polyfit(np.arange(7), row, 1)
        residual = row - slope * np.arange(7) - intercept
        assert factor == pytest.approx(np.exp(-slope), rel=1e-9)
        assert r2 == pytest.approx(1 - residual.var() / row.var(), rel=1e-9)


def test_rate_leaves_out_what_has_no_logarithm_and_says_how_many(tmp_path):
    rate = synthetic(tmp_path, [[1, 0, 4], [np.nan, 3, 1], [np.inf, 2, 1], [4, 2, 1]]).rate()
    np.testing.assert_allclose(rate.factor, [0.5, 3, 2, 2])
    np.testing.assert_allclose(rate.r2, 1)
    assert rate.left_out.tolist() == [1, 1, 1, 0]
    factor, _ = rate  # it unpacks to two
    assert factor is rate.factor


def test_rate_where_there_is_none(tmp_path):
    rate = synthetic(tmp_path, [[1, 0, 0], [0, np.nan, np.inf], [4, 2, 1]]).rate()
    assert np.isnan(rate.factor).tolist() == np.isnan(rate.r2).tolist() == [True, True, False]
    assert rate.left_out.tolist() == [2, 3, 0]
    assert np.isnan(synthetic(tmp_path, [[1], [2]]).rate().factor).all()


def test_rate_of_a_tracker_that_has_not_been_used():
    assert vg.GradientFlow().rate().factor.shape == (0,)


def test_rate_of_a_constant_delta(tmp_path):
    rate = synthetic(tmp_path, np.ones((1, 4))).rate()
    assert (rate.factor, rate.r2) == (1, 1)


# ---- files


def test_save_and_load(tmp_path):
    flow = counted()
    for path in (tmp_path / "record", str(tmp_path / "record.of flow")):
        flow.save(path)
        loaded = vg.GradientFlow.load(path)
        assert loaded.layers == flow.layers
        assert_same_bits(record_of(loaded), record_of(flow))
        np.testing.assert_array_equal(loaded.rate(), flow.rate())
        with np.load(path, allow_pickle=False) as file:  # anyone may read it with NumPy alone
            assert set(file.files) == {"layers", "every", *RECORD}
            np.testing.assert_array_equal(file["delta"], flow.delta)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["record", "record.of flow"]


def test_an_empty_record_can_be_saved(tmp_path):
    vg.GradientFlow().save(tmp_path / "empty")
    assert len(vg.GradientFlow.load(tmp_path / "empty")) == 0


def test_a_loaded_record_goes_on_with_a_model_of_the_same_layers(tmp_path):
    flow = counted()
    flow.save(tmp_path / "record")
    loaded = vg.GradientFlow.load(tmp_path / "record")
    other = network((4, 5, 6, 3), ("tanh", "tanh", "softmax"), SPARSE)
    with pytest.raises(ValueError, match=r"track: .*dense1, dense2, dense3.*another model"):
        other.fit(*samples(other, 4), track=loaded)
    assert_same_bits(record_of(loaded), record_of(flow))
    model = network((4, 5, 3), ("tanh", "softmax"), SPARSE)
    model.fit(*samples(model, 4), track=loaded)
    assert loaded.step.tolist() == [*flow.step, 0]
    assert loaded.loss[-1] == model.history.history["loss"][-1]


def assert_refused(path):
    """A ValueError names the file and what was expected of it."""
    with pytest.raises(ValueError, match=r"path: expected .*record") as error:
        vg.GradientFlow.load(path)
    assert str(path) in str(error.value)


def test_truncated_records_are_refused(tmp_path):
    counted(every=5).save(tmp_path / "record")
    whole = (tmp_path / "record").read_bytes()
    for size in [*range(8), *range(8, len(whole), 97), len(whole) - 1]:
        (tmp_path / "record").write_bytes(whole[:size])
        assert_refused(tmp_path / "record")
    gc.collect()


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "foreign"
    path.write_text("no record of anything")
    assert_refused(path)
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    assert_refused(path)
    with path.open("wb") as file:
        np.savez(file, layers=np.array(["a"]), step=np.arange(3))
    assert_refused(path)
    network((4, 3), ("softmax",)).save(path)
    assert_refused(path)
    gc.collect()
    with pytest.raises(FileNotFoundError):
        vg.GradientFlow.load(tmp_path / "missing")


def test_records_of_inconsistent_shapes_are_refused(tmp_path):
    flow = counted()
    arrays = {"layers": np.array(flow.layers), **record_of(flow)}
    for name in RECORD:
        for array in (arrays[name][1:], arrays[name][..., np.newaxis], np.float64(3)):
            with open(tmp_path / "record", "wb") as file:
                np.savez(file, **{**arrays, name: array})
            with pytest.raises(
                ValueError, match=r"path: expected .*record.*: \w+: expected shape"
            ) as error:
                vg.GradientFlow.load(tmp_path / "record")
            assert str(tmp_path / "record") in str(error.value)
