"""NaN stays NaN, and infinities and subnormals are what they are in PyTorch, in every kernel.

Kernels run at the CPU level in use. PyTorch's verdicts are in the tables, and compared where it is installed.
"""

import numpy as np
import pytest
from reference import ACTIVATIONS, DTYPES, LOSSES, NAMES, OPTIMIZERS, RULES, UNITWISE

import vgcore as vg
from vgcore import losses
from vgcore._core import image_kernels, kernels, norm_kernels, simd
from vgcore._core.neighbours import Window
from vgcore.model import compiling

NAN, INF = np.nan, np.inf
WIDTHS = [1, 3, 16, 21, 70]  # less than a vector, a tail behind one, and more than a run of them
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)

# f(-inf), f(inf), and the slopes there; 0 * inf is NaN in PyTorch, too
LIMITS = {
    "identity": (-INF, INF, 1, 1),
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "relu": (0, INF, 0, 1),
    "leaky_relu": (-INF, INF, 0.01, 1),
    "elu": (-1, INF, 0, 1),
    "selu": (-1.7580993408473766, INF, 0, 1.0507009873554805),
    "gelu": (NAN, INF, NAN, NAN),
    "silu": (NAN, INF, NAN, NAN),
    "softplus": (0, INF, 0, 1),
    "softsign": (NAN, NAN, 0, 0),
    "hard_sigmoid": (0, 1, 0, 0),
    "mish": (NAN, INF, NAN, NAN),
    "hard_swish": (NAN, INF, 0, 1),
    "gelu_tanh": (NAN, INF, 0, 1),
    "relu6": (0, 6, 0, 0),
    "celu": (-1, INF, 0, 1),
    "snake": (NAN, NAN, NAN, NAN),
}


def special(dtype):
    info = np.finfo(dtype)
    return np.array([NAN, INF, -INF, info.smallest_subnormal, -info.tiny / 2, -info.max, info.max])


def sprinkled(width, dtype, seed=0):
    """Rows of ordinary numbers, the same with one special value at each place, and which that is."""
    plain = np.random.default_rng(seed).normal(size=width)
    values = special(dtype)
    rows = kernels.matrix(width * len(values), width, dtype)
    rows[...] = plain
    places = np.tile(np.arange(width), len(values))
    rows[np.arange(len(rows)), places] = np.repeat(values, width)
    return rows, places, np.repeat(values, width).astype(dtype)


def values_of(name, z):
    """What the engine makes of z."""
    h = kernels.matrix(*z.shape, z.dtype)
    chosen = vg.activations.get(name)
    kernels.activation(h, z, chosen.function)
    return h


@over_dtypes
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", UNITWISE)
def test_activations(name, width, dtype):
    """A special value is what the table says, and its neighbours have the bits they have without it."""
    z, places, given = sprinkled(width, dtype)
    h = values_of(name, z)
    rows = np.arange(len(z))
    got = h[rows, places]
    low, high, *_ = LIMITS[name]
    assert np.isnan(got[np.isnan(given)]).all()
    rounding = 2e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(got[given == -INF], low, rtol=rounding)
    np.testing.assert_allclose(got[given == INF], high, rtol=rounding)
    finite = np.isfinite(given)
    f, alpha = ACTIVATIONS[name][0], vg.activations.get(name).alpha
    with np.errstate(over="ignore", invalid="ignore"):
        want = f(given[finite].astype("longdouble"), alpha).astype(dtype)
    np.testing.assert_allclose(got[finite], want, rtol=rounding, atol=np.finfo(dtype).tiny)
    plain = kernels.matrix(1, width, dtype)
    plain[...] = np.random.default_rng(0).normal(size=width)
    h[rows, places] = values_of(name, plain)[0, places]
    np.testing.assert_array_equal(h, np.broadcast_to(values_of(name, plain), h.shape))


@over_dtypes
@pytest.mark.parametrize("width", WIDTHS)
def test_softmax_of_a_row_with_nan_is_nan(width, dtype):
    z, _, given = sprinkled(width, dtype)
    h = values_of("softmax", z)
    bad = np.isnan(given) | (given == INF) | ((given == -INF) & (width == 1))
    assert np.isnan(h[bad]).all()
    np.testing.assert_allclose(h[~bad].sum(axis=1), 1, rtol=1e-6)


@over_dtypes
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", UNITWISE)
def test_slopes(name, width, dtype):
    """dL/dz of an ordinary dL/dh at special values, and of NaN at ordinary ones."""
    z, places, given = sprinkled(width, dtype)
    h, chosen, rows = values_of(name, z), vg.activations.get(name), np.arange(len(z))
    delta = kernels.matrix(*z.shape, dtype)
    delta[...] = 1
    kernels.activation_backward(delta, h, z, chosen.function)
    got = delta[rows, places]
    *_, low, high = LIMITS[name]
    np.testing.assert_allclose(got[given == -INF], low, rtol=1e-6)
    np.testing.assert_allclose(got[given == INF], high, rtol=1e-6)
    delta[...] = NAN
    kernels.activation_backward(delta, h, z, chosen.function)
    assert np.isnan(delta).all()


@pytest.mark.parity
@over_dtypes
@pytest.mark.parametrize("name", UNITWISE)
def test_pytorch_says_the_same(name, dtype):
    torch = pytest.importorskip("torch")
    nn = torch.nn.functional
    f = {
        "identity": lambda z: 1 * z,
        "leaky_relu": nn.leaky_relu,
        "hard_sigmoid": nn.hardsigmoid,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "hard_swish": nn.hardswish,
        "gelu_tanh": lambda z: nn.gelu(z, approximate="tanh"),
        "snake": lambda z: z + torch.sin(z) ** 2,
    }.get(name) or getattr(nn, name)
    z = torch.tensor([NAN, -INF, INF], dtype=torch.float64, requires_grad=True)
    h = f(z)
    (slope,) = torch.autograd.grad(h.sum(), z)
    low, high, *slopes = LIMITS[name]
    np.testing.assert_allclose(h.detach(), [NAN, low, high])
    if name not in ("softsign", "gelu_tanh"):  # of whose slopes PyTorch says NaN, and vgcore 0
        np.testing.assert_allclose(slope[1:], slopes)
    ours = kernels.matrix(1, 1, dtype)
    ours[...] = NAN
    delta, chosen = np.ones_like(ours), vg.activations.get(name)
    kernels.activation_backward(delta, ours, ours, chosen.function)
    if name not in ("elu", "selu", "celu", "hard_swish"):  # of which PyTorch says 1, and vgcore NaN
        np.testing.assert_allclose(delta[0, 0], slope[0], rtol=1e-6)


# ---- losses

OUTPUTS = {
    "dense": lambda f: ((4,), [vg.Dense(3, f)]),
    "activation": lambda f: ((4,), [vg.Dense(3), vg.Activation(f)]),
    "layer norm": lambda f: ((4,), [vg.LayerNorm(f)]),
    "batch norm": lambda f: ((4,), [vg.BatchNorm(f)]),
    "residual": lambda f: ((4,), [vg.Residual([vg.Dense(4)], activation=f)]),
    "conv": lambda f: ((5, 4), [vg.Conv1d(3, 2, activation=f)]),
    "rnn": lambda f: ((None, 4), [vg.RNN(3, f)]),
    "rnn over time": lambda f: ((None, 4), [vg.RNN(3, f, return_sequences=True)]),
    "bidirectional": lambda f: ((None, 4), [vg.Bidirectional(vg.RNN(3, f))]),
}


def with_nan_in(model, parameter="bias", unit=0):
    """One number of every parameter of such a name is NaN."""
    for name, view in ((n, v) for layer in model.layers for n, v in layer.views.items()):
        if parameter in name:
            view[unit] = NAN
    return model


@over_dtypes
@pytest.mark.parametrize("reduction", ["mean", "batchmean"])
@pytest.mark.parametrize(("loss", "output"), LOSSES)
def test_losses_of_nan_are_nan(loss, output, reduction, dtype):
    model = vg.Sequential([vg.Dense(3, output)], input_shape=4, dtype=dtype)
    model.compile(loss, reduction=reduction, on_nonfinite="ignore")
    x = np.ones((2, 4))
    y = np.zeros(2, int) if loss.startswith("sparse") else np.eye(3)[:2]
    assert np.isfinite(model.evaluate(x, y).loss)
    with_nan_in(model)
    assert np.isnan(model.evaluate(x, y).loss)
    assert np.isnan(model.train_on_batch(x, y))
    assert np.isnan(model.layers[0].bias[0])


@over_dtypes
@pytest.mark.parametrize("f", ["sigmoid", "hard_sigmoid"])
@pytest.mark.parametrize("layer", OUTPUTS)
def test_binary_crossentropy_of_nan_is_nan(layer, f, dtype):
    """Whatever layer the output is, fused or not."""
    shape, layers = OUTPUTS[layer](f)
    model = vg.Sequential(layers, input_shape=shape, dtype=dtype)
    model.compile("binary_crossentropy", on_nonfinite="ignore")
    x = np.random.default_rng(0).normal(size=(2, *(3 if n is None else n for n in shape)))
    y = np.full(model.predict(x).shape, 0.3)
    assert np.isfinite(model.evaluate(x, y).loss)
    with_nan_in(model)
    assert np.isnan(model.evaluate(x, y).loss)
    flow = model.gradient_flow(x, y)
    assert np.isnan(flow.loss).all()
    assert np.isnan(flow.saturated[:, -1]).all() and np.isnan(flow.dead[:, -1]).all()


# ---- what is saturated, and dead


@over_dtypes
@pytest.mark.parametrize("units", [1, 5, 40])
@pytest.mark.parametrize("some", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_of_nan_nobody_knows_what_is_saturated_or_dead(name, some, units, dtype):
    model = vg.Sequential(
        [vg.Dense(units, name), vg.Dense(2, name="last")], input_shape=3, dtype=dtype
    )
    model.compile("mse", on_nonfinite="ignore")
    x, y = np.random.default_rng(1).normal(size=(9, 3)), np.zeros((9, 2))
    whole = model.gradient_flow(x, y)
    known = [name in UNITWISE, True]  # of a softmax there is nothing to know
    assert np.isfinite(whole.saturated[0]).tolist() == np.isfinite(whole.dead[0]).tolist() == known
    model.layers[0].views["bias"][0 if some else slice(None)] = NAN
    flow = model.gradient_flow(x, y)
    assert np.isnan(flow.saturated[0, 0]) and np.isnan(flow.dead[0, 0])
    assert np.isnan(flow.activation_mean[0, 0]) and np.isnan(flow.delta[0, 0])


@over_dtypes
@pytest.mark.parametrize("value", [INF, -INF])
@pytest.mark.parametrize("name", ["identity", "relu", "leaky_relu", "sigmoid", "tanh", "softplus"])
def test_of_infinite_outputs_it_is_known(name, value, dtype):
    model = vg.Sequential([vg.Dense(4, name), vg.Dense(2)], input_shape=3, dtype=dtype)
    model.compile("mse", on_nonfinite="ignore")
    model.layers[0].views["bias"][:] = [value, 0, 0, 0]
    model.layers[0].weight = np.zeros((4, 3))
    flow = model.gradient_flow(np.ones((3, 3)), np.zeros((3, 2)))
    slope = LIMITS[name][2 + (value > 0)]
    assert flow.saturated[0, 0] == ((slope < 0.05) + 3 * (name in ("relu", "leaky_relu"))) / 4
    assert flow.dead[0, 0] == ((slope == 0) + 3 * (name == "relu")) / 4


@over_dtypes
@pytest.mark.parametrize(
    "layer",
    [
        vg.RNN(3, "relu"),
        vg.RNN(3),
        vg.LSTM(3),
        vg.LSTM(3, recurrent_activation="hard_sigmoid"),
        vg.GRU(3),
        vg.GRU(3, "relu"),
    ],
    ids=repr,
)
def test_nor_of_gates(layer, dtype):
    """NaN in one row from its third timestep on."""
    layer = type(layer).from_config(layer.config())
    model = vg.Sequential(
        [vg.Embedding(2, 2, name="tokens"), layer, vg.Dense(1)], input_shape=(None,), dtype=dtype
    )
    model.compile("mse", on_nonfinite="ignore")
    model.layers[0].views["weight"][1] = NAN
    x = np.zeros((11, 5), int)
    x[9, 2:] = 1
    flow = model.gradient_flow(x, np.zeros((11, 1)))
    (saturated,) = flow.time_saturated.values()
    assert np.isnan(saturated[0, 2:]).all() and not np.isnan(saturated[0, :2]).any()
    assert np.isnan(flow.saturated[0, 1]) and np.isnan(flow.dead[0, 1])


@pytest.mark.parametrize(
    "layers",
    [
        [vg.PReLU()],
        [vg.Dropout(0.5)],
        [vg.MaxPool(2)],
        [vg.AvgPool(2)],
        [vg.Flatten()],
        [vg.Highway()],
        [vg.BatchNorm("relu")],
        [vg.RMSNorm("relu")],
        [vg.Residual([vg.Dense(8, "relu")], activation="relu")],
    ],
    ids=lambda layers: layers[0].kind,
)
def test_whatever_the_layer(layers):
    model = vg.Sequential(
        [vg.Conv1d(8, 1), *layers, vg.GlobalAvgPool(), vg.Dense(1)]
        if layers[0].kind != "flatten"
        else [vg.Conv1d(8, 1), *layers, vg.Dense(1)],
        input_shape=(4, 2),
    )
    model.compile("mse", on_nonfinite="ignore")
    model.layers[0].views["bias"][3] = NAN
    flow = model.gradient_flow(np.ones((9, 4, 2)), np.zeros((9, 1)))
    behind = flow.layers.index(model.layers[2].name)
    assert np.isnan(flow.saturated[0, :behind]).all() and np.isnan(flow.dead[0, :behind]).all()
    assert np.isnan(flow.loss[0])


# ---- pools, norms, dropout


@over_dtypes
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("channels", [1, 17])
def test_pools(channels, place, dtype):
    """Windows of four; one with a special value in each place of one channel."""
    window = Window((1, 8), (1, 4), (1, 4), ((0, 0), (0, 0)), (1, 1))
    table, values = window.forward(), special(dtype)
    rows = len(values)
    x = kernels.matrix(8 * rows, channels, dtype)
    x[...] = np.random.default_rng(0).normal(size=x.shape)
    x.reshape(8, rows, -1)[place, :, -1] = values
    x.reshape(8, rows, -1)[4:, 2, 0] = -INF
    windows = x.reshape(2, 4, rows, channels)
    y = kernels.matrix(2 * rows, channels, dtype)
    image_kernels.max_pool(y, x, table, rows=rows)
    np.testing.assert_array_equal(y.reshape(2, rows, channels), windows.max(axis=1))
    dx, dy = np.zeros_like(x), np.ones_like(y)
    image_kernels.max_pool_backward(dx, dy, y, x, table, rows=rows)
    np.testing.assert_array_equal(dx.reshape(windows.shape).sum(axis=1), 1)
    factor = np.full(1, 0.25, dtype)
    image_kernels.average_pool(y, x, table, np.repeat(factor, 64), rows=rows)
    with np.errstate(over="ignore"):
        want = (windows * factor).sum(axis=1)
    np.testing.assert_allclose(y.reshape(2, rows, channels), want, rtol=1e-5, atol=1e-6)


@over_dtypes
@pytest.mark.parametrize("cols", [1, 5, 16, 40])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_normalisation_of_rows(value, cols, dtype):
    x = kernels.matrix(9, cols, dtype)
    x[...] = np.random.default_rng(0).normal(size=x.shape)
    x[4, -1] = value
    h = np.empty_like(x)
    for centred in (True, False):
        norm_kernels.row_normalise(
            h, h, x, None, None, 1e-5, centred, vg.activations.get("identity").function
        )
        assert np.isfinite(np.delete(h, 4, axis=0)).all()
        if centred or np.isnan(value):
            assert np.isnan(h[4]).all()
        else:  # the root mean square is infinite
            np.testing.assert_array_equal(h[4], [0] * (cols - 1) + [NAN])


@over_dtypes
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_normalisation_of_columns(value, dtype):
    """Also what becomes of the running statistics, of this column and of others."""
    model = vg.Sequential([vg.Dense(3), vg.BatchNorm("relu")], input_shape=2, dtype=dtype)
    model.compile("mse", vg.SGD(1e-3), on_nonfinite="ignore")
    x = np.random.default_rng(0).normal(size=(9, 2))
    model.layers[0].views["bias"][1] = value
    assert np.isnan(model.train_on_batch(x, np.zeros((9, 3))))
    norm = model.layers[1]
    assert np.isnan(norm.running_var).tolist() == [False, True, False]
    assert np.isfinite(norm.running_mean).tolist() == [True, False, True]
    flow = model.gradient_flow(x, np.zeros((9, 3)))
    assert np.isnan(flow.saturated[0, 1])


@over_dtypes
def test_dropped_units_hide_no_nan(dtype):
    x = kernels.matrix(50, 40, dtype)
    x[...] = 1
    x[:, 7], x[:, 11] = NAN, INF
    y = np.empty_like(x)
    kernels.dropout(y, x, 0.5, 3)
    assert np.isnan(y[:, 7]).all()
    assert 5 < np.isnan(y[:, 11]).sum() < 45 and np.isposinf(y[:, 11]).sum() > 5
    assert set(np.unique(np.delete(y, [7, 11], axis=1))) == {0, 2}


# ---- gradients


@over_dtypes
@pytest.mark.parametrize("size", [16, 48, 1024])
def test_norms(size, dtype):
    for place in range(size):
        for others in (0, 1, 1e-30, INF):
            x = kernels.vector(size, dtype)
            x[...] = others
            x[place] = NAN
            assert np.isnan(kernels.norm(x))
    x[...] = 0
    x[3] = -INF
    assert kernels.norm(x) == INF


@over_dtypes
@pytest.mark.parametrize("rows", [9, 40])
def test_norms_of_a_record_are_nan_wherever_the_nan_is(rows, dtype):
    """In the first or the last chunk of rows, beside zeros and infinities."""
    for row in (0, rows - 1):
        for others in (0, 1, INF):
            model = vg.Sequential(
                [vg.Embedding(2, 3), vg.Dense(2)], input_shape=(None,), dtype=dtype
            )
            model.compile("mse", reduction="batchmean")
            model.layers[0].views["weight"][...] = [[others] * 3, [NAN] * 3]
            x = np.zeros((rows, 4), int)
            x[row] = 1
            flow = model.gradient_flow(x, np.zeros((rows, 4, 2)))
            assert np.isnan(flow.delta).all() and np.isnan(flow.weight_grad).all()
            assert np.isnan(flow.activation_std[0, 1])


@over_dtypes
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers(optimizer, dtype):
    """NaN and infinite gradients do to a weight what the rule says, and nothing to others."""
    rng = np.random.default_rng(0)
    numbers = compiling.Compiled(losses.get("mse", "mean", "identity"), optimizer).update()
    w, g = rng.normal(size=(2, 6))
    g[:3] = [NAN, INF, -INF]
    states = [np.full(6, start) for start in optimizer.states.values()]
    value = kernels.vector(16, dtype)
    gradient = kernels.vector(16, dtype)
    kept = [kernels.vector(16, dtype) for _ in states]
    gradient[:6] = g
    for array, start in zip(kept, states, strict=True):
        array[:6] = start
    with np.errstate(invalid="ignore", over="ignore"):
        for time in (1, 2):
            value[:6] = w
            kernels.update(
                value,
                kept,
                gradient,
                simd.RULES[optimizer.rule],
                numbers,
                time=time,
            )
            want = w + RULES[type(optimizer)](optimizer, w, g, time, *states)
            np.testing.assert_allclose(value[:6], want, rtol=1e-4)


@over_dtypes
def test_clipping_by_value_keeps_nan_and_cuts_infinity(dtype):
    """As torch.clamp."""
    model = vg.Sequential([vg.Dense(1)], input_shape=3, dtype=dtype)
    for optimizer in (vg.SGD(1.0), vg.Momentum(1.0), vg.SGD(1.0, weight_decay=1e-3)):
        for tracked in (None, vg.GradientFlow()):
            model.compile("mse", optimizer, clip_value=0.5, on_nonfinite="ignore")
            model.layers[0].weight = np.zeros((1, 3))
            model.layers[0].views["bias"][:] = INF
            model.fit(np.array([[1.0, -1.0, 0.0]]), [[0.0]], track=tracked)
            assert model.layers[0].weight.tolist()[0][:2] == [-0.5, 0.5]
            assert np.isnan(model.layers[0].weight[0, 2])
