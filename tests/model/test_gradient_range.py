"""Clipping does what its formula says of gradients from the smallest to the largest, and of infinite ones.

The factor of a gradient of norm 1e38 is itself too small for a float32; what it makes of the gradient is not.
"""

import numpy as np
import pytest

import vgcore as vg

RANGES = {  # dtype: norms
    "float32": [1e-30, 1e-3, 1.0, 1e20, 1e35, 1e38, 3e38],
    "float64": [1e-200, 1.0, 1e160, 1e300, 1e305, 1.5e308],
}
over_ranges = pytest.mark.parametrize(
    ("dtype", "norm"), [(dtype, norm) for dtype, norms in RANGES.items() for norm in norms]
)
SHARES = np.array([1, -0.5, 1e-3, 1e-20, 0])  # of the largest element


def model_with(gradient, optimizer, dtype, **options):
    """A model whose weights are 0 and have such a gradient, and x and y that give it."""
    model = vg.Sequential(
        [vg.Dense(1, use_bias=False, weight_initializer="zeros")],
        input_shape=len(gradient),
        dtype=dtype,
    )
    model.compile("mse", optimizer, **options)
    size = max(np.abs(gradient[np.isfinite(gradient)]).max(), np.finfo(dtype).tiny)
    goal = -(2.0 ** (np.log2(size) // 2))  # the gradient is 2 (0 - y) x
    return model, np.array([gradient / (-2 * goal)], dtype), np.array([[goal]], dtype)


def expected(gradient, most):
    """In extended precision, torch.nn.utils.clip_grad_norm_."""
    wide = gradient.astype(np.longdouble)
    norm = np.sqrt(((wide / np.abs(wide).max()) ** 2).sum()) * np.abs(wide).max()
    return wide * min(np.longdouble(1), most / (norm + np.longdouble(1e-6)))


def close(got, want, dtype):
    info = np.finfo(dtype)
    np.testing.assert_allclose(
        got.astype(np.longdouble), want, rtol=8 * info.eps, atol=4 * float(info.tiny)
    )


@over_ranges
@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("rate", [1.0, 1e-4])
@pytest.mark.parametrize("most", [1e-6, 0.3, 1e10])
@pytest.mark.parametrize("option", ["clip_norm", "clip_layer_norm"])
def test_by_norm(option, most, rate, tracked, norm, dtype):
    for optimizer in (vg.SGD(rate), vg.SGD(rate, weight_decay=1e-3), vg.Momentum(rate)):
        model, x, y = model_with(SHARES * norm * 0.7, optimizer, dtype, **{option: most})
        gradient = model.gradients(x, y)[1]["dense1.weight"][0]
        flow = vg.GradientFlow() if tracked else None
        model.fit(x, y, track=flow)
        want = expected(gradient, most)
        close(model.layers[0].weight[0], -np.longdouble(rate) * want, dtype)
        if tracked:
            wanted = float(np.sqrt((want**2).sum()))
            assert flow.weight_grad_applied[0, 0] == pytest.approx(wanted, rel=1e-6, abs=0)
            assert flow.weight_grad[0, 0] == pytest.approx(
                float(expected(gradient, np.inf)[0] * np.sqrt((SHARES**2).sum())), rel=1e-6
            )


@over_ranges
@pytest.mark.parametrize("factor", [1e-3, 1e-40, 1e4])
def test_with_amplification(factor, norm, dtype):
    """Of a factor that is too small for a real, or whose product with the clipped gradient is not."""
    gradient = SHARES * norm * (0.7 / max(factor, 1))
    for most in (None, 0.3):
        model, x, y = model_with(
            gradient,
            vg.SGD(1.0),
            dtype,
            amplify=vg.Amplification(["dense1"], factor),
            clip_norm=most,
        )
        raw = model.gradients(x, y)[1]["dense1.weight"][0]
        model.train_on_batch(x, y)
        want = raw.astype(np.longdouble) * np.longdouble(factor)
        if most:
            want = expected(want, most) if want.any() else want
        close(model.layers[0].weight[0], -want, dtype)


@over_ranges
@pytest.mark.parametrize("most", [1e-6, 0.3, 1e10])
def test_of_units(most, norm, dtype):
    """A unit's weights count as a norm of 1e-3 at least."""
    model, x, y = model_with(SHARES * norm * 0.7, vg.SGD(1.0), dtype, clip_adaptive=most)
    gradient = model.gradients(x, y)[1]["dense1.weight"][0]
    model.train_on_batch(x, y)
    wide = gradient.astype(np.longdouble)
    size = np.sqrt(((wide / np.abs(wide).max()) ** 2).sum()) * np.abs(wide).max()
    want = wide * min(np.longdouble(1), np.longdouble(most) * np.longdouble(1e-3) / size)
    close(model.layers[0].weight[0], -want, dtype)


@pytest.mark.parity
@pytest.mark.parametrize("dtype", RANGES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("option", ["clip_norm", "clip_layer_norm"])
def test_of_what_is_not_finite_pytorch_makes_the_same(option, value, dtype):
    """Of NaN all gradients are NaN, also those of other layers; of infinity 0, itself NaN."""
    torch = pytest.importorskip("torch")
    model = vg.Sequential([vg.Dense(3), vg.Dense(1)], input_shape=2, dtype=dtype)
    model.compile("mse", vg.SGD(1.0), on_nonfinite="ignore", **{option: 0.5})
    model.layers[0].views["bias"][1] = value
    model.layers[1].weight = [[1, 0, 2]]
    x, y = np.ones((4, 2)), np.zeros((4, 1))
    before = model.state_dict()
    gradients = model.gradients(x, y)[1]
    model.train_on_batch(x, y)
    groups = [list(gradients)]
    if option == "clip_layer_norm":
        groups = [["dense1.weight", "dense1.bias"], ["dense2.weight", "dense2.bias"]]
    for names in groups:
        parameters = []
        for name in names:
            p = torch.tensor(before[name])
            p.grad = torch.tensor(gradients[name])
            parameters.append(p)
        torch.nn.utils.clip_grad_norm_(parameters, 0.5)
        for name, p in zip(names, parameters, strict=True):
            want = (p - p.grad).numpy()
            np.testing.assert_allclose(model.state_dict()[name], want, rtol=1e-6)


@pytest.mark.parametrize("dtype", RANGES)
def test_an_infinite_gradient_leaves_the_others(dtype):
    model, x, y = model_with(SHARES, vg.SGD(1.0), dtype, clip_norm=0.5, on_nonfinite="ignore")
    model.layers[0].weight = [[0, 1, 1, 1, 1]]
    x[0, 0] = np.finfo(dtype).max
    y[:] = -1
    model.train_on_batch(x, y)
    assert np.isnan(model.layers[0].weight[0, 0])
    np.testing.assert_array_equal(model.layers[0].weight[0, 1:], 1)
