"""Pools: dilated windows, and all places of images and of sequences that end early."""

import numpy as np
import pytest
from test_norm import check_gradients, compiled, samples

import vgcore as vg

LENGTHS = np.array([7, 1, 3, 7, 2, 5, 5, 1, 6, 4])
POOLS = {"mean": vg.GlobalAvgPool, "largest": vg.GlobalMaxPool}


@pytest.fixture(autouse=True)
def _threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


# ---- dilated windows


def pooled(x, kind, size, stride, padding, dilation, counted):
    """One axis at a time is no pool of means: window by window."""
    height, width = x.shape[-2:]
    places = [
        [
            [s * i - p + d * k for k in range(n)]
            for i in range((length + 2 * p - d * (n - 1) - 1) // s + 1)
        ]
        for length, n, s, p, d in zip((height, width), size, stride, padding, dilation, strict=True)
    ]
    h = np.empty((*x.shape[:-2], len(places[0]), len(places[1])))
    for a, ys in enumerate(places[0]):
        for b, xs in enumerate(places[1]):
            seen = [x[..., i, j] for i in ys for j in xs if 0 <= i < height and 0 <= j < width]
            if kind == "largest":
                h[..., a, b] = np.max(seen, axis=0)
            else:
                taps = len(ys) * len(xs) if counted else len(seen)
                h[..., a, b] = np.sum(seen, axis=0) / taps
    return h


WINDOWS = [
    ((2, 2), (2, 2), (0, 0), (2, 2)),
    ((3, 2), (1, 2), (2, 1), (2, 3)),
    ((2, 3), (2, 1), (1, 3), (2, 3)),
    ((1, 4), (1, 1), (0, 3), (5, 2)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", ["largest", "counted", "inside"])
def test_dilated_windows(kind, window, dtype):
    size, stride, padding, dilation = window
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    if kind == "largest":
        layer = vg.MaxPool(size, **options)
    else:
        layer = vg.AvgPool(size, count_include_pad=kind == "counted", **options)
    model = compiled([layer], (5, 7, 9), dtype=dtype)
    x, y = samples(model, 11)
    want = pooled(x, kind, *window, kind == "counted")
    np.testing.assert_allclose(model.predict(x), want, rtol=1e-5, atol=1e-6)
    if dtype == "float64":
        check_gradients(model, x, y)
    # of sequences: the second axis
    options = {name: value[1] for name, value in options.items()}
    if kind == "largest":
        layer = vg.MaxPool(size[1], **options)
    else:
        layer = vg.AvgPool(size[1], count_include_pad=kind == "counted", **options)
    model = compiled([layer], (9, 5), dtype=dtype)
    x, _ = samples(model, 11)
    flat = np.moveaxis(x, 1, 2)[:, :, None]
    want = pooled(flat, kind, *[(n[0] * 0 + (i in (0, 1, 3)), n[1]) for i, n in enumerate(window)],
                  kind == "counted")  # fmt: skip
    np.testing.assert_allclose(
        model.predict(x), np.moveaxis(want[:, :, 0], 1, 2), rtol=1e-5, atol=1e-6
    )


def test_windows_must_see_the_input():
    for layer in (
        vg.MaxPool(2, padding=1, dilation=2, stride=1),
        vg.AvgPool(2, padding=1, dilation=2),
    ):
        with pytest.raises(ValueError, match=r"pool1: expected windows that see some .* got one"):
            vg.Sequential([layer], input_shape=(3, 1, 4))
    with pytest.raises(
        ValueError, match="padding: expected at most half of the window 2 with a dilation"
    ):
        vg.MaxPool(2, padding=2, dilation=2)
    with pytest.raises(ValueError, match=r"padding: expected at most half of the window 2, got 2"):
        vg.MaxPool(2, padding=2)
    with pytest.raises(ValueError, match=r"dilation: expected .* at least 1, got 0"):
        vg.AvgPool(2, dilation=0)
    with pytest.raises(ValueError, match=r"2 x 2 \(3 x 3 with its dilation\)"):
        vg.Sequential([vg.MaxPool(2, dilation=2)], input_shape=(3, 2, 4))


def test_saved_and_loaded(tmp_path):
    model = compiled([vg.AvgPool(2, dilation=(2, 3)), vg.GlobalMaxPool()], (3, 8, 9))
    model.save(tmp_path / "model.npz")
    loaded = vg.load(tmp_path / "model.npz")
    x, _ = samples(model, 5)
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


# ---- all places


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(5, 3, 4), (17, 1, 1), (1, 7, 7), (6, 33), (None, 3)])
@pytest.mark.parametrize("kind", POOLS)
def test_all_places(kind, shape, dtype):
    model = compiled([POOLS[kind]()], shape, dtype=dtype)
    x, y = samples(model, 13)
    axes = (2, 3) if len(shape) == 3 else 1
    want = x.mean(axes) if kind == "mean" else x.max(axes)
    np.testing.assert_allclose(model.predict(x), want, rtol=1e-5, atol=1e-6)
    if dtype == "float64":
        check_gradients(model, x, y)


@pytest.mark.parametrize("kind", POOLS)
def test_valid_timesteps_alone(kind):
    model = compiled([POOLS[kind]()], (None, 4))
    x, y = samples(model, 10)
    reduce = {"mean": np.mean, "largest": np.max}[kind]
    want = [reduce(row[:end], axis=0) for row, end in zip(x, LENGTHS, strict=True)]
    x[np.arange(7) >= LENGTHS[:, None]] = 1e6
    np.testing.assert_allclose(model.predict(x, lengths=LENGTHS), want, rtol=1e-13)
    _, _, inputs = model.gradients(x, y, lengths=LENGTHS, wrt_inputs=True)
    np.testing.assert_array_equal(inputs.x[np.arange(7) >= LENGTHS[:, None]], 0)
    assert (inputs.x[np.arange(7) < LENGTHS[:, None]] != 0).mean() > 0.2


def recurrent(kind):
    return [
        vg.Embedding(9, 5),
        vg.LSTM(6, return_sequences=True),
        vg.Dense(8, "tanh"),
        POOLS[kind](),
        vg.Dense(3),
    ]


@pytest.mark.parametrize("kind", POOLS)
def test_gradients_of_sequences_that_end_early(kind):
    layers = [vg.Dense(6, "tanh"), vg.RNN(6, return_sequences=True), POOLS[kind](), vg.Dense(3)]
    model = compiled(layers, (None, 5))
    x, y = samples(model, 10)
    check_gradients(model, x, y, LENGTHS)
    before = model.gradients(x, y, lengths=LENGTHS)
    x[np.arange(7) >= LENGTHS[:, None]] = 1e6
    after = model.gradients(x, y, lengths=LENGTHS)
    assert before[0] == after[0]
    for name, gradient in before[1].items():
        np.testing.assert_array_equal(gradient, after[1][name])


@pytest.mark.parametrize("kind", POOLS)
def test_a_padded_minibatch_is_its_sequences_one_by_one(kind):
    model = vg.Sequential(recurrent(kind), input_shape=(None,), dtype="float64", seed=0)
    model.compile("mse")
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 9, (10, 7)), rng.normal(size=(10, 3))
    loss, gradients = model.gradients(x, y, lengths=LENGTHS)
    each = [model.gradients(x[i : i + 1, :n], y[i : i + 1]) for i, n in enumerate(LENGTHS)]
    assert loss == pytest.approx(np.mean([one[0] for one in each]), rel=1e-12)
    for name, gradient in gradients.items():
        want = np.mean([one[1][name] for one in each], axis=0)
        np.testing.assert_allclose(gradient, want, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", POOLS)
def test_neither_threads_nor_the_tracker_change_a_bit(kind, dtype):
    results = []
    for threads, tracked in ((1, True), (2, True), (3, True), (3, False)):
        vg.set_num_threads(threads)
        model = vg.Sequential(recurrent(kind), input_shape=(None,), dtype=dtype, seed=0)
        model.compile("mse", vg.Adam(0.01))
        rng = np.random.default_rng(1)
        x, y = rng.integers(0, 9, (1200, 7)), rng.normal(size=(1200, 3))
        flow = vg.GradientFlow()
        model.fit(x, y, batch_size=503, epochs=2, lengths=rng.integers(1, 8, 1200),
                  **({"track": flow} if tracked else {}))  # fmt: skip
        results.append((model.state_dict(), flow.delta if tracked else None))
    for state, delta in results[1:]:
        for name, value in results[0][0].items():
            np.testing.assert_array_equal(state[name], value)
        if delta is not None:
            np.testing.assert_array_equal(delta, results[0][1])


def test_the_first_of_the_largest_gets_the_gradient_and_nan_passes():
    model = compiled([vg.GlobalMaxPool()], (4, 2))
    x = np.zeros((1, 4, 2))
    x[0, 2] = x[0, 3] = 1
    _, _, inputs = model.gradients(x, np.zeros((1, 2)), wrt_inputs=True)
    np.testing.assert_array_equal(np.flatnonzero(inputs.x[0, :, 0]), [2])


def test_empty_sequences_have_no_pool():
    for pool in POOLS.values():
        model = compiled([vg.Residual([vg.Dense(4)]), pool(), vg.Dense(2)], (None, 4))
        x, y = samples(model, 3)
        with pytest.raises(
            ValueError,
            match=r"lengths: expected lengths of at least 1, for global\w+pool1 .* lengths\[1\]",
        ):
            model.fit(x, y, lengths=[3, 0, 2])


def test_blocks_that_pool_have_no_empty_sequences():
    branches = vg.Parallel([[vg.GlobalAvgPool()], [vg.GlobalMaxPool()]])
    model = compiled([vg.Dense(4, "tanh"), branches, vg.Dense(2)], (None, 3))
    x, y = samples(model, 10)
    check_gradients(model, x, y, LENGTHS)
    with pytest.raises(ValueError, match="lengths: expected lengths of at least 1, for parallel1"):
        model.predict(x, lengths=0 * LENGTHS)
