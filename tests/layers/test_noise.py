"""Gaussian noise and alpha dropout: laws, twins, what repeats and what does not."""

import numpy as np
import pytest
from test_norm import check_gradients, compiled, samples

import vgcore as vg

DROPPED = -1.7580993408473766
SHAPES = {"vectors": (40,), "sequences": (7, 12), "images": (12, 3, 5)}


@pytest.fixture(autouse=True)
def _threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


def outputs(layer, x, steps=1, seed=0):
    """What a layer makes of x in training, from the gradient of a mean square: h = y + n dL/dh / 2."""
    shape = x.shape[1:]
    model = compiled([layer], shape, vg.SGD(0.0), seed=seed)
    found = []
    for _ in range(steps):
        loss_gradient = model.gradients(x, 0 * x, wrt_inputs=True)[2].x
        found.append(loss_gradient * x[0].size * len(x) / 2)
        model.train_on_batch(x, 0 * x)
    return np.array(found)


def test_noise_has_its_deviation():
    """dL/dx is h itself, for dh/dx is 1."""
    x = np.random.default_rng(0).normal(size=(500, 80))
    noise = outputs(vg.GaussianNoise(0.3), x, steps=2) - x
    n = noise[0].size
    for each in noise:
        assert abs(each.mean()) < 5 * 0.3 / np.sqrt(n)
        assert abs(each.std() - 0.3) < 5 * 0.3 / np.sqrt(2 * n)
        kurtosis = (each**4).mean() / each.var() ** 2
        assert abs(kurtosis - 3) < 5 * np.sqrt(24 / n)
    for one, other in (
        (noise[0], noise[1]),
        (noise[0][:-1], noise[0][1:]),
        (noise[0][:, 1:], noise[0][:, :-1]),
    ):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(one.size)
    np.testing.assert_array_equal(outputs(vg.GaussianNoise(0.3), x)[0] - x, noise[0])
    assert (outputs(vg.GaussianNoise(0.3), x, seed=1)[0] - x != noise[0]).all()


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_by_its_formula(rate):
    """dL/dx is a h where x is kept and 0 where it is not: h follows, and so does what was kept."""
    x = np.random.default_rng(0).normal(size=(400, 60))
    a = ((1 - rate) * (1 + rate * DROPPED**2)) ** -0.5
    b = -a * rate * DROPPED
    got = outputs(vg.AlphaDropout(rate), x)[0]
    kept = got != 0
    assert abs(kept.mean() - (1 - rate)) < 5 * 0.5 / np.sqrt(kept.size)
    np.testing.assert_allclose(got[kept], a * (a * x[kept] + b), rtol=1e-12, atol=1e-14)
    model = compiled([vg.AlphaDropout(rate)], 60)
    h = np.where(kept, a * x + b, a * DROPPED + b)
    assert model.gradients(x, 0 * x)[0] == pytest.approx((h**2).mean(), rel=1e-12)
    # the closed form: mean 0 and variance 1 stay
    assert abs(h.mean()) < 5 / np.sqrt(h.size)
    assert abs(h.var() - 1) < 5 * np.sqrt(((h**2).var()) / h.size)
    q = 1 - rate
    assert a * rate * DROPPED + b == pytest.approx(0)
    assert a**2 * (q + DROPPED**2 * rate * q) == pytest.approx(1)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(
    "make",
    [
        lambda: vg.GaussianNoise(0.4),
        lambda: vg.AlphaDropout(0.3),
        lambda: vg.AlphaDropout(0.3, across_time=True),
    ],
)
def test_prediction_leaves_all_as_it_is_and_gradients_are_right(make, shape):
    model = compiled([make()], shape)
    x, y = samples(model, 9)
    np.testing.assert_array_equal(model.predict(x), x)
    model = compiled([vg.PReLU(), make(), vg.Activation("tanh")], shape)
    check_gradients(model, x, y)


def test_one_mask_for_all_timesteps():
    x = np.random.default_rng(0).normal(size=(30, 6, 20))
    kept = outputs(vg.AlphaDropout(0.5, across_time=True), x)[0] != 0
    np.testing.assert_array_equal(kept, np.broadcast_to(kept[:, :1], kept.shape))
    assert (outputs(vg.AlphaDropout(0.5), x)[0] != 0).std(axis=1).any()


def layers():
    return [
        vg.GaussianNoise(0.1),
        vg.RNN(12, return_sequences=True),
        vg.AlphaDropout(0.2),
        vg.Dense(9, "selu"),
        vg.AlphaDropout(0.2, across_time=True),
        vg.GaussianNoise(0.5),
        vg.Dense(2),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_neither_threads_nor_the_tracker_nor_windows_change_a_bit(dtype):
    results = []
    ways = [(1, True, None), (2, True, None), (3, True, None), (3, False, None), (2, False, 3)]
    for threads, tracked, checkpoint in ways:
        vg.set_num_threads(threads)
        model = compiled(layers(), (None, 5), vg.Adam(0.01), dtype, checkpoint=checkpoint)
        x, y = samples(model, 900, times=11)
        flow = vg.GradientFlow()
        lengths = np.random.default_rng(3).integers(1, 12, 900)
        model.fit(x, y, batch_size=403, epochs=2, lengths=lengths,
                  **({"track": flow} if tracked else {}))  # fmt: skip
        results.append((model.state_dict(), flow.delta if tracked else None))
    for state, delta in results[1:]:
        for name, value in results[0][0].items():
            np.testing.assert_array_equal(state[name], value)
        if delta is not None:
            np.testing.assert_array_equal(delta, results[0][1])


def test_a_resumed_model_goes_on_with_the_same_noise(tmp_path):
    whole = compiled(layers(), (None, 5))
    x, y = samples(whole, 20)
    whole.fit(x, y, batch_size=8, epochs=2, shuffle=False)
    half = compiled(layers(), (None, 5))
    half.fit(x, y, batch_size=8, epochs=1, shuffle=False)
    half.save(tmp_path / "half.npz")
    other = vg.load(tmp_path / "half.npz")
    other.fit(x, y, batch_size=8, epochs=1, shuffle=False)
    for name, value in whole.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], value)


@pytest.mark.parametrize(
    ("make", "name"), [(vg.GaussianNoise, "stddev"), (vg.AlphaDropout, "rate")]
)
def test_strength_may_change(make, name):
    results = []
    for before in (0.4, 0.0):
        model = compiled([make(before), vg.Dense(3)], 5)
        x, y = samples(model, 9)
        setattr(model.layers[0], name, 0.4)
        model.train_on_batch(x, y)
        results.append(model.state_dict())
    for key, value in results[0].items():
        np.testing.assert_array_equal(results[1][key], value)
    with pytest.raises(ValueError, match=f"{name}: expected a finite number of at least 0"):
        setattr(model.layers[0], name, -0.1)
    assert getattr(model.layers[0], name) == 0.4


def test_nothing_at_rate_0():
    x = np.random.default_rng(0).normal(size=(9, 5))
    for layer in (vg.GaussianNoise(0), vg.AlphaDropout(0)):
        np.testing.assert_allclose(outputs(layer, x)[0], x, rtol=1e-14)
