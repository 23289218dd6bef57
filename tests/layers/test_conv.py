"""Layers of images and sequences: shapes, what they refuse, threads, files, the tracker."""

import numpy as np
import pytest

import vgcore as vg

IMAGE, SEQUENCE = (3, 9, 11), (11, 3)


@pytest.fixture(autouse=True)
def _restore_threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


def network(dtype="float32", filters=8):
    layers = [
        vg.Conv2d(filters, 3, "relu", padding="same"),
        vg.MaxPool(3, stride=2, padding=1),
        vg.Conv2d(2 * filters, (3, 1), "silu", stride=(2, 1), groups=2, use_bias=False),
        vg.AvgPool(2, padding=1, count_include_pad=False),
        vg.Residual([vg.Conv2d(3 * filters, 3, padding=1)], shortcut=[vg.Subsample(3 * filters)]),
        vg.Reshape((6, 4 * filters)),
        vg.Conv1d(5, 3, "tanh", padding=1),
        vg.MaxPool(2),
        vg.Flatten(),
        vg.Dense(4, "softmax"),
    ]
    model = vg.Sequential(layers, input_shape=(3, 12, 12), dtype=dtype, seed=0)
    model.compile("sparse_categorical_crossentropy", vg.Adam(0.01))
    return model


def samples(n):
    rng = np.random.default_rng(n)
    return rng.normal(size=(n, 3, 12, 12)), rng.integers(4, size=n)


@pytest.mark.parametrize(
    ("layer", "input_shape", "shape"),
    [
        (vg.Conv2d(5, 3), IMAGE, (5, 7, 9)),
        (vg.Conv2d(5, (1, 4), padding="same"), IMAGE, (5, 9, 11)),
        (vg.Conv2d(5, 3, padding=(1, 0), stride=(2, 4)), IMAGE, (5, 5, 3)),
        (vg.Conv2d(5, (2, 3), dilation=(8, 5)), IMAGE, (5, 1, 1)),
        (vg.Conv1d(5, 4), SEQUENCE, (8, 5)),
        (vg.Conv1d(5, 4, padding="same", dilation=3), SEQUENCE, (11, 5)),
        (vg.MaxPool(2), IMAGE, (3, 4, 5)),
        (vg.MaxPool(2, stride=1), SEQUENCE, (10, 3)),
        (vg.AvgPool((3, 2), padding=1, stride=2), IMAGE, (3, 5, 6)),
        (vg.AvgPool((4,), stride=(3,)), SEQUENCE, (3, 3)),
        (vg.GlobalAvgPool(), IMAGE, (3,)),
        (vg.GlobalAvgPool(), SEQUENCE, (3,)),
        (vg.Subsample(7, stride=2), IMAGE, (7, 5, 6)),
        (vg.Flatten(), IMAGE, (297,)),
        (vg.Flatten(), SEQUENCE, (33,)),
        (vg.Flatten(), (8,), (8,)),
        (vg.Flatten(channels_first=True), SEQUENCE, (33,)),
        (vg.Reshape((9, 33)), IMAGE, (9, 33)),
        (vg.Reshape((1, 11, 3)), SEQUENCE, (1, 11, 3)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, vg.layers.Layer) else None,
)
def test_shapes(layer, input_shape, shape):
    model = vg.Sequential([layer], input_shape=input_shape)
    assert model.summary().layers[0][2] == shape
    assert model.predict(np.ones((2, *input_shape))).shape == (2, *shape)
    assert layer.name == f"{type(layer).__name__.lower()}1"


def test_parameters_are_laid_out_as_pytorchs():
    model = vg.Sequential([vg.Conv2d(6, (3, 2), groups=3), vg.Flatten()], input_shape=(9, 5, 5))
    assert model.layers[0].weight.shape == (6, 3, 3, 2)
    assert model.layers[0].bias.shape == (6,)
    model = vg.Sequential([vg.Conv1d(6, 4, use_bias=False)], input_shape=(9, 5))
    assert list(model.state_dict()) == ["conv1d1.weight"]
    assert model.layers[0].weight.shape == (6, 5, 4)


@pytest.mark.parametrize(("name", "fan"), [("he_normal", 12 * 6), ("xavier_normal", 12 * 6 + 240)])
def test_fans_are_those_of_the_receptive_field(name, fan):
    """fan_in = in / groups * height * width, fan_out = out * height * width."""
    layer = vg.Conv2d(40, (3, 2), "relu", groups=2, weight_initializer=name)
    vg.Sequential([layer], input_shape=(24, 5, 5), seed=0)
    assert layer.weight.std() == pytest.approx(np.sqrt(2 / fan), rel=0.05)


def test_sums_of_an_image_by_hand():
    """A cross-correlation: the kernel is not turned over."""
    layer = vg.Conv2d(1, 2)
    model = vg.Sequential([layer], input_shape=(1, 2, 3))
    layer.weight = np.array([[[[1, 10], [100, 1000]]]])
    layer.bias = [0.5]
    x = np.arange(1, 7).reshape(1, 1, 2, 3)
    np.testing.assert_array_equal(model.predict(x), [[[[5421.5, 6532.5]]]])


@pytest.mark.parametrize(
    ("make", "error", "fragments"),
    [
        (lambda: vg.Conv2d(0, 3), ValueError, ["filters: ", "at least 1", "0"]),
        (lambda: vg.Conv2d(4, 0), ValueError, ["kernel_size: ", "at least 1"]),
        (lambda: vg.Conv2d(4, 2.0), TypeError, ["kernel_size: ", "integer", "2.0"]),
        (lambda: vg.Conv2d(4, (3, 3, 3)), ValueError, ["kernel_size: ", "2 of them", "(3, 3, 3)"]),
        (lambda: vg.Conv1d(4, (3, 3)), ValueError, ["kernel_size: ", "1 of them"]),
        (lambda: vg.Conv2d(4, 3, stride=0), ValueError, ["stride: ", "at least 1"]),
        (lambda: vg.Conv2d(4, 3, padding=-1), ValueError, ["padding: ", "at least 0", "-1"]),
        (lambda: vg.Conv2d(4, 3, padding="valid"), ValueError, ["padding: ", "same", "'valid'"]),
        (
            lambda: vg.Conv2d(4, 3, padding="same", stride=2),
            ValueError,
            ["stride: ", "1 with", "2"],
        ),
        (lambda: vg.Conv2d(4, 3, dilation=0), ValueError, ["dilation: "]),
        (lambda: vg.Conv2d(4, 3, groups=3), ValueError, ["groups: ", "4 filters", "3"]),
        (lambda: vg.Conv2d(4, 3, "softmax"), ValueError, ["activation: ", "softmax"]),
        (lambda: vg.Conv2d(4, 3, use_bias=1), TypeError, ["use_bias: "]),
        (lambda: vg.MaxPool(0), ValueError, ["pool_size: ", "at least 1"]),
        (lambda: vg.MaxPool("2"), TypeError, ["pool_size: ", "'2'"]),
        (lambda: vg.MaxPool(3, padding=2), ValueError, ["padding: ", "half", "3", "2"]),
        (lambda: vg.AvgPool((2, 4), padding=(2, 2)), ValueError, ["padding: ", "half"]),
        (lambda: vg.AvgPool((2, 4), stride=(1, 2, 3)), ValueError, ["pool_size: ", "3 of them"]),
        (lambda: vg.AvgPool(2, count_include_pad=1), TypeError, ["count_include_pad: "]),
        (lambda: vg.Reshape([2, 3]), TypeError, ["shape: ", "tuple"]),
        (lambda: vg.Reshape((2, 3, 4, 5)), ValueError, ["shape: ", "one to three"]),
        (lambda: vg.Reshape((2, -1)), ValueError, ["shape: ", "-1"]),
    ],
)
def test_arguments_that_are_refused(make, error, fragments):
    with pytest.raises(error) as raised:
        make()
    for fragment in fragments:
        assert fragment in str(raised.value)


@pytest.mark.parametrize(
    ("layer", "input_shape", "fragments"),
    [
        (vg.Conv2d(4, (10, 3)), IMAGE, ["conv2d1: ", "10 x 3", "9 x 11"]),
        (vg.Conv2d(4, 4, dilation=4, padding=1), IMAGE, ["4 x 4", "13 x 13", "11 x 13"]),
        (vg.Conv2d(4, 3, groups=2), IMAGE, ["conv2d1: ", "groups", "3 channels", "2"]),
        (vg.Conv2d(4, 3), SEQUENCE, ["conv2d1: ", "(channels, height, width)", "(11, 3)"]),
        (vg.Conv1d(4, 3), IMAGE, ["conv1d1: ", "(time, features)", "(3, 9, 11)"]),
        (vg.Conv1d(4, 3), (7,), ["conv1d1: ", "(time, features)", "(7,)"]),
        (vg.Conv1d(4, 3), (None, 7), ["conv1d1: ", "all sizes known", "(None, 7)"]),
        (vg.Conv1d(4, 12), SEQUENCE, ["conv1d1: ", "a kernel", "12", "11"]),
        (vg.MaxPool(10), IMAGE, ["maxpool1: ", "a window", "10 x 10", "9 x 11"]),
        (vg.MaxPool((2, 2)), SEQUENCE, ["maxpool1: ", "pool_size", "(2, 2)", "(11, 3)"]),
        (vg.AvgPool(2), (7,), ["avgpool1: ", "(7,)"]),
        (vg.AvgPool(2), (None, 7), ["avgpool1: ", "all sizes known"]),
        (vg.GlobalAvgPool(), (7,), ["globalavgpool1: ", "(7,)"]),
        (vg.Subsample(2), IMAGE, ["subsample1: ", "at most 2", "3"]),
        (vg.Flatten(), (None, 7), ["flatten1: ", "all sizes known"]),
        (vg.Reshape((4, 4)), (15,), ["reshape1: ", "(4, 4)", "16", "15"]),
    ],
)
def test_inputs_that_are_refused(layer, input_shape, fragments):
    with pytest.raises(ValueError, match=r".*") as raised:
        vg.Sequential([layer], input_shape=input_shape)
    for fragment in fragments:
        assert fragment in str(raised.value)


def test_lengths_are_refused():
    model = vg.Sequential([vg.Conv1d(4, 3)], input_shape=SEQUENCE)
    with pytest.raises(ValueError, match=r"lengths: .*conv1d1"):
        model.predict(np.ones((2, *SEQUENCE)), lengths=[3, 4])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("filters", [8, 18])
def test_bits_do_not_depend_on_threads(filters, dtype):
    x, y = samples(37)
    results = []
    for threads in (1, 2, 3):
        vg.set_num_threads(threads)
        model, flow = network(dtype=dtype, filters=filters), vg.GradientFlow()
        model.fit(x, y, epochs=2, batch_size=16, track=flow)
        results.append([model.predict(x), flow.delta, *model.state_dict().values()])
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_predictions_do_not_depend_on_the_batch():
    x, y = samples(300)
    model = network()
    model.fit(x, y, batch_size=16)
    outputs = model.predict(x)
    for row in (0, 4, 299):
        np.testing.assert_array_equal(outputs[row : row + 1], model.predict(x[row : row + 1]))


def test_sequences_are_flattened_either_way(tmp_path):
    """Timestep by timestep, or feature by feature, as an image is channel by channel anyway."""
    x = np.arange(24.0).reshape(2, 4, 3)
    model = vg.Sequential([vg.Flatten(channels_first=True)], input_shape=(4, 3))
    np.testing.assert_array_equal(model.predict(x), x.transpose(0, 2, 1).reshape(2, 12))
    model.compile("mse")
    y = np.linspace(0, 1, 24).reshape(2, 12)
    gradient = model.gradients(x, y, wrt_inputs=True)[2].x
    inside = (x.transpose(0, 2, 1).reshape(2, 12) - y) / 12
    np.testing.assert_allclose(gradient, inside.reshape(2, 3, 4).transpose(0, 2, 1), rtol=1e-6)
    model.save(tmp_path / "model.npz")
    loaded = vg.load(tmp_path / "model.npz")
    assert repr(loaded.layers[0]) == "Flatten(channels_first=True, name='flatten1')"
    image = x.reshape(2, 2, 2, 3)
    for first in (False, True):
        flat = vg.Sequential([vg.Flatten(channels_first=first)], input_shape=(2, 2, 3))
        np.testing.assert_array_equal(flat.predict(image), image.reshape(2, 12))
    with pytest.raises(TypeError, match="channels_first: expected True or False, got 1"):
        vg.Flatten(channels_first=1)


def test_models_are_saved_and_loaded(tmp_path):
    x, y = samples(16)
    model = network()
    model.fit(x, y, batch_size=8)
    model.save(tmp_path / "model.npz")
    again = vg.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    for each in (model, again):
        each.fit(x, y, batch_size=8)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], value)


def test_taps_hear_every_place():
    """The norm of dL/dz of a convolution, its outputs' mean and deviation, and flat slopes."""
    rng = np.random.default_rng(0)
    layers = [vg.Conv2d(5, 3, "relu", name="conv"), vg.MaxPool(2), vg.Flatten()]
    model = vg.Sequential(layers, input_shape=(2, 6, 5), dtype="float64", seed=0)
    model.compile("mse")
    x, y = rng.normal(size=(11, 2, 6, 5)), rng.normal(size=(11, 10))
    flow = model.gradient_flow(x, y)
    outputs = vg.Sequential([vg.Conv2d(5, 3, "relu")], input_shape=(2, 6, 5), dtype="float64")
    outputs.load_state_dict(
        {k.replace("conv.", "conv2d1."): v for k, v in model.state_dict().items()}
    )
    h = outputs.predict(x)
    assert flow.activation_mean[0, 0] == pytest.approx(h.mean(), rel=1e-12)
    assert flow.activation_std[0, 0] == pytest.approx(h.std(), rel=1e-12)
    assert flow.saturated[0, 0] == pytest.approx(np.mean(h == 0))
    pooled = model.predict(x)
    error = 2 / y.size * (pooled - y)
    assert flow.delta[0, 2] == pytest.approx(np.linalg.norm(error), rel=1e-12)
    assert flow.delta[0, 1] == pytest.approx(np.linalg.norm(error), rel=1e-12)
    reaching = np.linalg.norm(error[pooled > 0])
    assert flow.delta[0, 0] == pytest.approx(reaching, rel=1e-12)


def test_a_network_learns():
    """Which quarter of an image is bright."""
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=400)
    x = rng.normal(size=(400, 1, 8, 8))
    for image, quarter in zip(x, y, strict=True):
        image[0, quarter // 2 * 4 :, quarter % 2 * 4 :][:4, :4] += 1.5
    layers = [vg.Conv2d(6, 3, "relu"), vg.MaxPool(2), vg.Flatten(), vg.Dense(4, "softmax")]
    model = vg.Sequential(layers, input_shape=(1, 8, 8), seed=0)
    model.compile("sparse_categorical_crossentropy", vg.Adam(0.01))
    model.fit(x, y, epochs=30)
    assert model.evaluate(x, y).accuracy > 0.97


def test_walks_behind_a_convolution_have_its_timesteps():
    layers = [
        vg.Conv1d(3, 2, padding=4),
        vg.LSTM(3, return_sequences=True),
        vg.MaxPool(2),
        vg.GRU(2),
    ]
    model = vg.Sequential([*layers, vg.Dense(1)], input_shape=(5, 2), dtype="float64", seed=0)
    model.compile("mse", vg.SGD(0.1))
    rng = np.random.default_rng(0)
    flow = model.gradient_flow(rng.normal(size=(9, 5, 2)), rng.normal(size=(9, 1)))
    assert flow.time["lstm1"].shape == (1, 12)
    assert flow.time["gru1"].shape == (1, 6)
    assert np.all(flow.time["gru1"] > 0)
    assert flow.time_gate["lstm1"].shape == (1, 12, 4)
