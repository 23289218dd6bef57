"""Group and instance normalisation against a plain NumPy twin and central differences."""

import numpy as np
import pytest
from test_norm import check_gradients, compiled, samples

import vgcore as vg

SHAPES = {"vectors": (12,), "sequences": (7, 12), "open": (None, 12), "images": (12, 3, 5)}
LENGTHS = np.array([7, 1, 3, 7, 2, 5, 5, 1, 6, 4])


@pytest.fixture(autouse=True)
def _threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


def twin(x, groups, epsilon, weight=None, bias=None, lengths=None):
    """Sample by sample, group by group."""
    x = np.asarray(x, float)
    h = np.zeros_like(x)
    at = 1 if x.ndim == 4 else -1
    for i in range(len(x)):
        rows = np.moveaxis(x[i], at - (at > 0), -1).reshape(-1, x.shape[at])
        end = len(rows) if lengths is None else lengths[i]
        out = np.zeros_like(rows)
        for columns in np.split(np.arange(x.shape[at]), groups):
            part = rows[:end, columns]
            out[:end, columns] = (part - part.mean()) / np.sqrt(part.var() + epsilon)
        if weight is not None:
            out[:end] *= weight
        if bias is not None:
            out[:end] += bias
        if x.ndim == 4:
            out = out.T
        h[i] = out.reshape(x[i].shape)
    return h


def norms():
    return [
        vg.GroupNorm(1),
        vg.GroupNorm(3, epsilon=0.1),
        vg.GroupNorm(12, scale=False),
        vg.GroupNorm(4, shift=False),
        vg.GroupNorm(2, scale=False, shift=False),
    ]


def moved(model, seed=3):
    """Weights and biases other than those at the start."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for view in layer.views.values():
            view += rng.uniform(-0.5, 0.5, view.shape).astype(view.dtype)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("which", range(5))
def test_outputs(which, shape, dtype):
    model = moved(compiled([norms()[which]], shape, dtype=dtype))
    layer = model.layers[0]
    x, _ = samples(model, 19)
    x = 3 * x + 2
    views = layer.views
    want = twin(x, layer.groups, layer.epsilon, views.get("weight"), views.get("bias"))
    tolerance = {"float32": 2e-5, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(model.predict(x), want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("columns", [1, 2, 3, 7, 16, 17, 33, 65])
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (9, 2), (5, 5)])
def test_instances_of_odd_sizes(columns, size):
    model = compiled([vg.InstanceNorm()], (columns, *size))
    assert not model.layers[0].views
    x, _ = samples(model, 9)
    np.testing.assert_allclose(model.predict(x), twin(x, columns, 1e-5), rtol=1e-9, atol=1e-12)


def test_instances_are_groups_of_one_channel():
    for shape in (SHAPES["images"], SHAPES["sequences"]):
        one = compiled([vg.InstanceNorm("tanh", scale=True, shift=True)], shape)
        other = compiled([vg.GroupNorm(12, "tanh")], shape)
        x, y = samples(one, 11)
        for model in (one, other):
            model.fit(x, y, batch_size=4, epochs=2)
        for got, want in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
            np.testing.assert_array_equal(got, want)


def stack(shape):
    """With layers of parameters between them, where there is a Dense for the shape."""
    layers = [vg.GroupNorm(3, "tanh"), vg.PReLU(), vg.GroupNorm(1, "gelu", scale=False)]
    layers += [vg.Residual([vg.GroupNorm(4, "relu", shift=False)]), vg.GroupNorm(2, "softmax")]
    return layers if len(shape) == 1 else [*layers, vg.InstanceNorm("silu")]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_gradients(shape):
    model = moved(compiled(stack(shape), shape))
    check_gradients(model, *samples(model, 11))


def test_sequences_that_end_early():
    """Statistics are over valid timesteps; what is behind an end counts nowhere."""
    model = moved(compiled([vg.GroupNorm(3)], (None, 12)))
    x, y = samples(model, 10)
    got = model.predict(x, lengths=LENGTHS)
    views = model.layers[0].views
    want = twin(x, 3, 1e-5, views["weight"], views["bias"], LENGTHS)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    model = moved(compiled([vg.Dense(12), *stack((7, 12)), vg.Dense(3)], (None, 5)))
    x, y = samples(model, 10)
    check_gradients(model, x, y, LENGTHS)
    before = model.gradients(x, y, lengths=LENGTHS)
    x[np.arange(7) >= LENGTHS[:, None]] = 1e6
    after = model.gradients(x, y, lengths=LENGTHS)
    assert before[0] == after[0]
    for name, gradient in before[1].items():
        np.testing.assert_array_equal(gradient, after[1][name])


def test_empty_sequences_are_left_out():
    model = compiled([vg.Dense(12), vg.GroupNorm(3), vg.Dense(2)], (None, 5))
    x, y = samples(model, 4)
    lengths = np.array([7, 0, 3, 0])
    loss, gradients = model.gradients(x, y, lengths=lengths)
    some = lengths > 0
    alone = model.gradients(x[some], y[some], lengths=lengths[some])
    assert loss == pytest.approx(alone[0], rel=1e-13)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, alone[1][name], rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(7, 12), (12, 5, 4)], ids=["sequences", "images"])
def test_neither_threads_nor_the_tracker_change_a_bit(shape, dtype):
    results = []
    for threads, tracked in ((1, True), (2, True), (3, True), (3, False)):
        vg.set_num_threads(threads)
        layers = [vg.Dense(12), *stack(shape)] if len(shape) == 2 else stack(shape)
        model = compiled(layers, shape, vg.Adam(0.01), dtype)
        x, y = samples(model, 1500)
        flow = vg.GradientFlow()
        lengths = np.arange(1500) % 7 + 1 if len(shape) == 2 else None
        track = {"track": flow} if tracked else {}
        model.fit(x, y, batch_size=703, epochs=2, lengths=lengths, **track)
        results.append((model.state_dict(), model.predict(x[:9]), flow.delta if tracked else None))
    for state, outputs, delta in results[1:]:
        for name, value in results[0][0].items():
            np.testing.assert_array_equal(state[name], value)
        np.testing.assert_array_equal(outputs, results[0][1])
        if delta is not None:
            np.testing.assert_array_equal(delta, results[0][2])


def test_float32_keeps_its_digits_far_from_0():
    rng = np.random.default_rng(2)
    x = (1e4 + rng.normal(size=(9, 6, 5, 4))).astype("float32")
    y = rng.normal(size=x.shape)
    results = []
    for dtype in ("float32", "float64"):
        model = compiled([vg.GroupNorm(2)], (6, 5, 4), dtype=dtype)
        _, gradients, inputs = model.gradients(x, y, wrt_inputs=True)
        results.append([*gradients.values(), inputs.x])
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, atol=3e-6 * np.abs(want).max(), rtol=0)


@pytest.mark.parametrize("options", [{"checkpoint": 3}, {"tbptt": 2}])
def test_time_is_not_cut(options):
    """Statistics are over all timesteps."""
    layers = [vg.RNN(6, return_sequences=True), vg.GroupNorm(3), vg.Dense(2)]
    with pytest.raises(ValueError, match=f"{next(iter(options))}: .* all of time at once"):
        compiled(layers, (None, 4), **options)


def test_refusals():
    with pytest.raises(
        ValueError, match=r"groupnorm1: expected groups that divide the 12 features"
    ):
        vg.Sequential([vg.GroupNorm(5)], input_shape=12)
    with pytest.raises(ValueError, match=r"instancenorm1: expected inputs of shape .*\(12,\)"):
        vg.Sequential([vg.InstanceNorm()], input_shape=12)
    with pytest.raises(ValueError, match="groups: expected an integer of at least 1, got 0"):
        vg.GroupNorm(0)
    with pytest.raises(ValueError, match=r"groupnorm1\.epsilon: expected at least"):
        vg.Sequential([vg.GroupNorm(2, epsilon=1e-42)], input_shape=4)


def test_saved_and_loaded(tmp_path):
    model = moved(compiled([vg.GroupNorm(3, "gelu"), vg.InstanceNorm(scale=True)], (12, 3, 3)))
    model.save(tmp_path / "model.npz")
    loaded = vg.load(tmp_path / "model.npz")
    x, _ = samples(model, 5)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert [layer.config() for layer in loaded.layers] == [each.config() for each in model.layers]
