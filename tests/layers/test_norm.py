"""Layers that normalise, randomise or learn their slope: what PyTorch has no word on."""

import copy

import numpy as np
import pytest

import vgcore as vg

KINDS = {"vectors": (5,), "sequences": (7, 5), "images": (5, 3, 4)}


@pytest.fixture(autouse=True)
def _threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


def compiled(layers, shape, optimizer=None, dtype="float64", seed=0, **options):
    model = vg.Sequential(layers, input_shape=shape, dtype=dtype, seed=seed)
    model.compile("mse", optimizer or vg.SGD(0.1), **options)
    return model


def samples(model, rows, seed=1, times=7):
    rng = np.random.default_rng(seed)
    shape = tuple(times if size is None else size for size in model.input_shape)
    x = rng.normal(size=(rows, *shape)).astype(model.dtype)
    return x, rng.normal(size=model.session.output_shape(x)).astype(model.dtype)


def check_gradients(model, x, y, lengths=None, step=1e-6):
    """Each gradient against central differences of the loss, in some elements of each parameter."""
    _, gradients, inputs = model.gradients(x, y, lengths=lengths, wrt_inputs=True)
    rng = np.random.default_rng(7)
    views = {f"{layer.name}.{k}": v for layer in model.layers for k, v in layer.views.items()}
    pairs = [(views[name], gradient) for name, gradient in gradients.items()]
    for array, gradient in [*pairs, (x, inputs.x)]:
        for flat in rng.choice(array.size, min(array.size, 6), replace=False):
            place = np.unravel_index(flat, array.shape)
            kept = array[place]
            losses = []
            for sign in (1, -1):
                array[place] = kept + sign * step
                losses.append(model.gradients(x, y, lengths=lengths)[0])
            array[place] = kept
            slope = (losses[0] - losses[1]) / (2 * step)
            assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def everything():
    return [
        vg.Dense(9),
        vg.BatchNorm("tanh"),
        vg.Dropout(0.3),
        vg.Dense(8),
        vg.LayerNorm("gelu"),
        vg.Dropout(0.2, across_time=True),
        vg.PReLU(),
        vg.Dense(6),
        vg.RMSNorm("sigmoid"),
        vg.PReLU(shared=True),
        vg.Activation("silu"),
        vg.Dense(3),
    ]


@pytest.mark.parametrize("kind", ["vectors", "sequences"])
def test_gradients_with_fixed_masks(kind):
    """The masks of forward are those of backward, and stay while the step does."""
    model = compiled(everything(), KINDS[kind])
    check_gradients(model, *samples(model, 11))


def images():
    return [
        vg.Conv2d(6, 3, padding=1),
        vg.BatchNorm("tanh"),
        vg.Dropout(0.2, across_time=True),
        vg.Residual([vg.BatchNorm("relu"), vg.Conv2d(6, 3, padding=1), vg.BatchNorm()]),
        vg.LayerNorm("silu"),
        vg.PReLU(),
        vg.Dropout(0.2),
        vg.RMSNorm(),
        vg.GlobalAvgPool(),
        vg.Dense(3),
    ]


def test_gradients_through_convolutions():
    model = compiled(images(), (3, 5, 4))
    check_gradients(model, *samples(model, 6))


def test_gradients_of_sequences_that_end_early():
    """What is behind an end counts nowhere: not in statistics either."""
    model = compiled(everything(), (None, 5))
    x, y = samples(model, 10)
    lengths = np.array([7, 1, 3, 7, 2, 5, 5, 1, 6, 4])
    check_gradients(model, x, y, lengths)
    before = model.gradients(x, y, lengths=lengths)
    behind = np.arange(7) >= lengths[:, None]
    x[behind] = 1e6
    after = model.gradients(x, y, lengths=lengths)
    assert before[0] == after[0]
    for name, gradient in before[1].items():
        np.testing.assert_array_equal(gradient, after[1][name])


def test_statistics_of_sequences_that_end_early():
    model = compiled([vg.BatchNorm(momentum=1.0)], (None, 3))
    x, y = samples(model, 10)
    lengths = np.array([7, 1, 3, 7, 2, 5, 5, 1, 6, 4])
    model.train_on_batch(x, y, lengths=lengths)
    valid = x[np.arange(7) < lengths[:, None]]
    np.testing.assert_allclose(model.layers[0].running_mean, valid.mean(0), rtol=1e-12)
    np.testing.assert_allclose(model.layers[0].running_var, valid.var(0, ddof=1), rtol=1e-12)


def test_gradients_through_blocks():
    """Inside residual blocks, whose branches share gradients."""
    body = [vg.BatchNorm("relu"), vg.Dense(5), vg.Dropout(0.2), vg.LayerNorm(), vg.PReLU()]
    blocks = [
        vg.Residual(body, activation="tanh"),
        vg.Residual([vg.Dense(4), vg.BatchNorm()], shortcut=[vg.Dense(4), vg.RMSNorm("tanh")]),
        vg.Residual([vg.Activation("tanh")], shortcut=[vg.PReLU(shared=True)]),
    ]
    model = compiled([vg.Dense(5), *blocks, vg.Dense(2)], 5)
    check_gradients(model, *samples(model, 9))


def test_float32_keeps_its_digits_far_from_0():
    """Mean 1e4, deviation 1: as exact as the inputs are."""
    rng = np.random.default_rng(2)
    x = (1e4 + rng.normal(size=(64, 5))).astype("float32")
    y = rng.normal(size=(64, 5))
    for layer in (vg.BatchNorm, vg.LayerNorm):
        results = []
        for dtype in ("float32", "float64"):
            model = compiled([layer()], 5, dtype=dtype)
            _, gradients, inputs = model.gradients(x, y, wrt_inputs=True)
            results.append([*gradients.values(), inputs.x])
        for got, want in zip(*results, strict=True):
            np.testing.assert_allclose(got, want, atol=3e-6 * np.abs(want).max(), rtol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_no_bit(kind, dtype):
    results = []
    for threads in (1, 2, 3):
        vg.set_num_threads(threads)
        layers = images() if kind == "images" else everything()
        model = compiled(layers, KINDS[kind], vg.Adam(0.01), dtype)
        x, y = samples(model, {"vectors": 8000, "sequences": 2000, "images": 400}[kind])
        flow = vg.GradientFlow()
        model.fit(x, y, batch_size=len(x) // 2 + 3, epochs=2, track=flow)
        results.append((model.state_dict(), flow.delta, flow.saturated, model.predict(x[:9])))
    for state, *fields in results[1:]:
        for name, value in results[0][0].items():
            np.testing.assert_array_equal(state[name], value)
        for got, want in zip(fields, results[0][1:], strict=True):
            np.testing.assert_array_equal(got, want)


def test_checkpoints_and_windows_change_no_bit():
    """Of layers that take timesteps as they come: masks know the timestep, not the window."""
    results = []
    for checkpoint in (None, 3):
        layers = [vg.Dropout(0.4), vg.RNN(6, return_sequences=True), vg.LayerNorm(), vg.PReLU()]
        layers += [vg.Dropout(0.3, across_time=True), vg.RMSNorm("tanh")]
        model = compiled(layers, (None, 4), checkpoint=checkpoint)
        x, y = samples(model, 20, times=11)
        lengths = np.random.default_rng(3).integers(1, 12, 20)
        model.fit(x, y, batch_size=8, epochs=2, lengths=lengths)
        results.append(model.state_dict())
    for name, value in results[0].items():
        np.testing.assert_array_equal(results[1][name], value)


def masks(model, rows, steps):
    """Which inputs each of some steps lets through: those that its gradient reaches."""
    x, y = samples(model, rows)
    found = []
    for _ in range(steps):
        found.append(model.gradients(x, y, wrt_inputs=True)[2].x != 0)
        model.train_on_batch(x, y)
    return np.array(found)


def agree(one, other, rate):
    """Two independent masks agree as often as chance has it."""
    chance = rate**2 + (1 - rate) ** 2
    assert abs((one == other).mean() - chance) <= 5 * 0.5 / np.sqrt(one.size)


@pytest.mark.parametrize("rate", [0.2, 0.7])
def test_masks_of_steps_layers_and_seeds_are_independent(rate):
    def model(seed, before=()):
        return compiled([*before, vg.Dropout(rate), vg.Dense(2)], 200, vg.SGD(1e-3), seed=seed)

    kept = masks(model(1), 50, 4)
    assert abs(kept.mean() - (1 - rate)) <= 5 * 0.5 / np.sqrt(kept.size)
    for one in range(4):
        for other in range(one):
            agree(kept[one], kept[other], rate)
    np.testing.assert_array_equal(masks(model(1), 50, 4), kept)
    agree(masks(model(2), 50, 1)[0], kept[0], rate)
    agree(masks(model(1, [vg.Activation(None)]), 50, 1)[0], kept[0], rate)


@pytest.mark.parametrize("shape", [(6, 30), (30, 2, 3)])
def test_one_mask_for_all_timesteps_or_places(shape):
    def kept(across_time):
        layers = [vg.Dropout(0.5, across_time=across_time), vg.PReLU()]
        found = masks(compiled(layers, shape, vg.SGD(1e-3)), 20, 2)
        features = -1 if len(shape) == 2 else 2
        return np.moveaxis(found, features, -1).reshape(2, 20, 6, 30)

    shared, each = kept(True), kept(False)
    np.testing.assert_array_equal(shared, np.broadcast_to(shared[:, :, :1], shared.shape))
    agree(shared[0, :, 0], shared[1, :, 0], 0.5)
    agree(each[:, :, 1:], each[:, :, :-1], 0.5)


def test_dropout_is_nothing_when_predicting():
    model = compiled([vg.Dropout(0.9), vg.Activation(None)], 5)
    x, y = samples(model, 8)
    np.testing.assert_array_equal(model.predict(x), x)
    assert model.evaluate(x, y).loss == pytest.approx(((x - y) ** 2).mean())
    assert model.train_on_batch(x, y) > model.evaluate(x, y).loss


def test_a_model_goes_on_from_its_file(tmp_path):
    """Running statistics, and the seed of the masks, are part of it."""
    model = compiled(everything(), 5, vg.Adam(0.01))
    x, y = samples(model, 30)
    model.fit(x, y, batch_size=10)
    model.save(tmp_path / "model.npz")
    for twin in (vg.load(tmp_path / "model.npz"), copy.deepcopy(model)):
        assert [layer.config() for layer in twin.layers] == [
            layer.config() for layer in model.layers
        ]
        np.testing.assert_array_equal(twin.predict(x), model.predict(x))
        other = copy.deepcopy(model)
        for each in (twin, other):
            each.fit(x, y, batch_size=10)
        for name, value in other.state_dict().items():
            np.testing.assert_array_equal(twin.state_dict()[name], value)
    fresh = compiled(everything(), 5)
    fresh.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(fresh.predict(x), model.predict(x))
    assert {"batchnorm1.running_mean", "batchnorm1.running_var"} <= model.state_dict().keys()


def test_statistics_are_not_trained():
    """No gradient, no decay, no count; alone a training step moves them."""
    model = compiled([vg.BatchNorm(momentum=0.25)], 3, vg.SGD(0.1, weight_decay=0.1))
    layer = model.layers[0]
    x, y = samples(model, 20)
    assert list(model.gradients(x, y)[1]) == ["batchnorm1.weight", "batchnorm1.bias"]
    assert model.layout.count == 6
    model.gradient_flow(x, y)
    model.predict(x)
    np.testing.assert_array_equal(layer.running_mean, 0)
    np.testing.assert_array_equal(layer.running_var, 1)
    model.train_on_batch(x, y)
    np.testing.assert_allclose(layer.running_mean, 0.25 * x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var, 0.75 + 0.25 * x.var(0, ddof=1), rtol=1e-12)
    still = compiled([vg.BatchNorm(momentum=0)], 3)
    still.train_on_batch(x, y)
    np.testing.assert_array_equal(still.layers[0].running_var, 1)


def test_the_tracker_sees_their_deltas():
    model = compiled([vg.Dense(6), vg.BatchNorm("relu"), vg.PReLU(), vg.Dense(2)], 5)
    x, y = samples(model, 16)
    _, gradients, _ = model.gradients(x, y, wrt_inputs=True)
    flow = model.gradient_flow(x, y)
    assert flow.layers == ["dense1", "batchnorm1", "prelu1", "dense2"]
    assert np.isfinite(flow.delta).all()
    for place, name in ((1, "batchnorm1"), (2, "prelu1")):
        norm = np.linalg.norm(gradients[f"{name}.weight"])
        assert flow.weight_grad[0, place] == pytest.approx(norm)
    assert flow.bias_grad[0, 1] == pytest.approx(np.linalg.norm(gradients["batchnorm1.bias"]))
    assert np.isnan(flow.bias_grad[0, 2])
    assert 0.2 < flow.saturated[0, 1] < 0.8
    assert flow.saturated[0, 2] == 0


def test_rows_have_mean_0_and_variance_1():
    model = compiled([vg.LayerNorm(scale=False, shift=False)], 40)
    x, _ = samples(model, 20)
    h = model.predict(3 + 5 * x)
    np.testing.assert_allclose(h.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(h.var(1), 1, rtol=1e-5)
    h = compiled([vg.RMSNorm(scale=False)], 40).predict(3 + 5 * x)
    np.testing.assert_allclose((h**2).mean(1), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "fragments"),
    [
        (lambda: vg.Dropout(-0.1), ValueError, ["rate", "-0.1"]),
        (lambda: vg.Dropout(1.0), ValueError, ["rate", "below 1"]),
        (lambda: vg.Dropout("half"), TypeError, ["rate", "half"]),
        (lambda: vg.Dropout(0.5, across_time=1), TypeError, ["across_time"]),
        (lambda: vg.BatchNorm(momentum=1.5), ValueError, ["momentum", "1.5"]),
        (lambda: vg.BatchNorm(momentum=-0.1), ValueError, ["momentum"]),
        (lambda: vg.BatchNorm(momentum=None), TypeError, ["momentum", "None"]),
        (lambda: vg.BatchNorm(epsilon=0), ValueError, ["epsilon", "above 0"]),
        (lambda: vg.BatchNorm(scale=1), TypeError, ["scale"]),
        (lambda: vg.BatchNorm("rely"), ValueError, ["activation", "relu"]),
        (lambda: vg.BatchNorm(7), TypeError, ["activation"]),
        (lambda: vg.LayerNorm(epsilon=-1), ValueError, ["epsilon"]),
        (lambda: vg.LayerNorm(shift="no"), TypeError, ["shift"]),
        (lambda: vg.RMSNorm(epsilon=0.0), ValueError, ["epsilon"]),
        (lambda: vg.RMSNorm(scale=None), TypeError, ["scale"]),
        (lambda: vg.PReLU(shared=3), TypeError, ["shared"]),
        (lambda: vg.PReLU(initial=np.nan), ValueError, ["initial"]),
        (lambda: vg.Activation("soft"), ValueError, ["activation", "softmax"]),
    ],
)
def test_bad_arguments(make, error, fragments):
    with pytest.raises(error) as caught:
        make()
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_one_value_per_feature_cannot_be_trained_with():
    """PyTorch's condition; refused before anything is changed."""
    model = compiled([vg.Residual([vg.Dense(5), vg.BatchNorm()]), vg.Dense(1)], 5)
    x, y = samples(model, 9)
    before = model.state_dict()
    calls = [
        lambda: model.fit(x, y, batch_size=4),
        lambda: model.fit(x[:1], y[:1]),
        lambda: model.fit(x, y, batch_size=1),
    ]
    for call in calls:
        with pytest.raises(
            ValueError, match=r"batch_size: .* at least 2 samples, for residual1 .* 1"
        ):
            call()
    for call in (model.train_on_batch, model.gradients, model.gradient_flow):
        with pytest.raises(ValueError, match="x: expected minibatches of at least 2 samples"):
            call(x[:1], y[:1])
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert model.predict(x[:1]).shape == (1, 1)
    assert np.isfinite(model.evaluate(x[:1], y[:1]).loss)
    model.fit(x, y, batch_size=3)
    for shape in ((3, 2, 2), (4, 3)):  # several values in one row
        many = compiled([vg.BatchNorm()], shape)
        many.train_on_batch(*samples(many, 1))
        assert np.isfinite(many.layers[0].running_var).all()
    times = compiled([vg.BatchNorm()], (None, 3))
    x, y = samples(times, 1)
    with pytest.raises(ValueError, match="batchnorm1"):
        times.train_on_batch(x, y, lengths=[1])
    times.train_on_batch(x, y, lengths=[2])


def test_statistics_need_all_of_time_at_once():
    layers = [vg.RNN(4, return_sequences=True), vg.BatchNorm()]
    for argument in ("tbptt", "checkpoint"):
        model = vg.Sequential(copy.deepcopy(layers), input_shape=(None, 2))
        with pytest.raises(ValueError, match=argument):
            model.compile("mse", **{argument: 3})


@pytest.mark.parametrize("block", [lambda layer: layer, lambda layer: vg.Residual([layer])])
@pytest.mark.parametrize("kind", [vg.BatchNorm, vg.LayerNorm, vg.RMSNorm])
@pytest.mark.parametrize(("dtype", "epsilon"), [("float32", 1e-39), ("float64", 1e-320)])
def test_an_epsilon_that_is_0_in_the_models_dtype_is_refused(kind, block, dtype, epsilon):
    layer = kind(epsilon=epsilon)
    with pytest.raises(ValueError, match=rf"epsilon: expected at least .*{dtype}"):
        vg.Sequential([block(layer)], input_shape=3, dtype=dtype)
    model = vg.Sequential(
        [block(kind(epsilon=float(np.finfo(dtype).tiny)))], input_shape=3, dtype=dtype
    )
    assert np.isfinite(model.predict(np.ones((2, 3)))).all()
