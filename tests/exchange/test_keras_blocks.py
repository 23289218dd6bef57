"""Blocks of Keras's functional models and of vgcore's are the same both ways, those of ResNet50 too."""

import numpy as np
import pytest
from keras_on_torch import MARKS, double, draw, first, keras, last, samples, torch
from keras_twins import check

import vgcore as vg

pytestmark = MARKS
L = keras.layers
assert double

IMAGE, SEQUENCE, VECTOR = (9, 8, 4), (7, 4), (5,)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # quicker on networks this small
    yield
    torch.set_num_threads(before)


def functional(build, shape):
    """A functional model of what ``build`` makes of its input, its variables all drawn."""
    inputs = keras.Input(shape)
    model = keras.Model(inputs, build(inputs))
    draw(model)
    return model


def come_over(model, shape, *, moved=True):
    """From Keras, back, and from there again: all the same."""
    converted = vg.exchange.from_keras(model)
    x = samples(shape)
    check(model, converted, x, moved=moved)
    back = vg.exchange.to_keras(converted)
    check(back, converted, x if moved else last(x))
    again = vg.exchange.from_keras(back)
    assert [*again.state_dict()] == [*converted.state_dict()]
    rows = first(x) if moved else x
    np.testing.assert_allclose(again.predict(rows), converted.predict(rows), rtol=1e-13, atol=1e-13)
    return converted


# ---- from Keras


def block(x, filters, stride, name, shortcut=True, axis=3):
    """A bottleneck as keras.applications names and orders it."""
    form = "channels_last" if axis == 3 else "channels_first"
    skip = x
    if shortcut:
        skip = L.Conv2D(4 * filters, 1, stride, name=f"{name}_0_conv", data_format=form)(x)
        skip = L.BatchNormalization(axis, name=f"{name}_0_bn")(skip)
    for number, (count, size, step) in enumerate([(1, 1, stride), (1, 3, 1), (4, 1, 1)], 1):
        x = L.Conv2D(
            count * filters, size, step, "same" if step == 1 else "valid",
            name=f"{name}_{number}_conv", data_format=form,
        )(x)  # fmt: skip
        x = L.BatchNormalization(axis, name=f"{name}_{number}_bn")(x)
        x = x if number == 3 else L.Activation("relu", name=f"{name}_{number}_relu")(x)
    return L.Activation("relu", name=f"{name}_out")(L.Add(name=f"{name}_add")([skip, x]))


@pytest.mark.parametrize("axis", [1, 3])
def test_bottlenecks_with_channels_first_and_last(axis, double):
    def build(x):
        x = block(x, 2, 2, "stage1_block1", axis=axis)
        x = block(x, 2, 1, "stage1_block2", shortcut=False, axis=axis)
        form = "channels_last" if axis == 3 else "channels_first"
        return L.Dense(3, name="fc")(L.Flatten(data_format=form)(x))

    shape = IMAGE if axis == 3 else (4, 9, 8)
    model = come_over(functional(build, shape), shape, moved=axis == 3)
    one, two = model.layers[:2]
    assert [one.name, two.name] == ["stage1_block1", "stage1_block2"]
    assert [each.name for each in one.shortcut] == ["0_conv", "0_bn"]
    names = ["1_conv", "1_bn", "1_relu", "2_conv", "2_bn", "2_relu", "3_conv", "3_bn"]
    assert [each.name for each in two.layers] == names
    assert one.activation.name == two.activation.name == "relu"
    assert two.shortcut == ()


def network(name, size):
    """A network of keras.applications, none of whose biases and statistics is as it starts."""
    keras.utils.set_random_seed(0)
    made = getattr(keras.applications, name)
    model = made(weights=None, input_shape=(size, size, 3), classes=10)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if len(variable.shape) == 1:
            low, high = (0.5, 2) if "variance" in variable.name else (-0.1, 0.1)
            start = 0 if "variance" in variable.name else variable.numpy()
            variable.assign(start + rng.uniform(low, high, variable.shape))
    return model


def test_resnet50_of_keras(double):
    model = network("ResNet50", 96)
    converted = vg.exchange.from_keras(model)
    x = samples((96, 96, 3))
    check(model, converted, x)
    names = [each.name for each in converted.layers]
    assert names[:5] == ["conv1_conv", "conv1_bn", "conv1_relu", "pool1_pool", "conv2_block1"]
    assert names[-2:] == ["avg_pool", "predictions"]
    assert len(names) == 4 + 16 + 2
    check(vg.exchange.to_keras(converted), converted, x)


def test_resnet50v2_but_for_the_zeros_in_front_of_its_first_pool(double):
    whole = network("ResNet50V2", 64)
    with pytest.raises(NotImplementedError, match=r"^pool1_pool \(MaxPooling2D\): zeros .*largest"):
        vg.exchange.from_keras(whole)
    model = keras.Model(whole.get_layer("pool1_pool").output, whole.output)
    check(model, vg.exchange.from_keras(model), samples((16, 16, 64)))


def test_densenet_of_keras(double):
    model = network("DenseNet121", 64)
    converted = vg.exchange.from_keras(model)
    x = samples((64, 64, 3))
    check(model, converted, x)
    check(vg.exchange.to_keras(converted), converted, x)


def test_inception_of_keras(double):
    model = network("InceptionV3", 139)
    x = samples((139, 139, 3))
    # Rounding through 94 layers with norms comes to 1e-12
    check(model, vg.exchange.from_keras(model), x, tolerance=1e-11)


def inception(x):
    pool = L.Conv2D(3, 1)(L.MaxPooling2D(3, 1, padding="same")(x))
    pair = L.Concatenate()([L.Conv2D(2, (1, 3), padding="same")(x), x])
    return L.Concatenate(-1)([L.Conv2D(2, 1, activation="tanh")(x), pair, pool, x])


def sums(x):
    h = L.Dense(5)(x) + x
    h = L.Add()([L.Dense(5)(L.LayerNormalization()(h)), L.Dense(5, "tanh")(h), h])
    return keras.ops.concatenate(
        [L.Dense(2)(h), L.LeakyReLU(0.3)(L.Add()([L.Dense(5)(h), h]))], axis=-1
    )


def flattened(x):
    """Numbers of images side by side with others, summed and normalised, in Keras's order."""
    one, two = L.Flatten()(L.Conv2D(2, 3)(x)), L.Flatten()(L.Conv2D(2, 3)(x))
    h = L.Concatenate()([L.GlobalAveragePooling2D()(x), L.ReLU()(L.Add()([one, two]))])
    h = L.Add()([L.PReLU()(h), h])
    return L.Dense(3)(L.LayerNormalization()(h))


def model_in_model(x):
    inputs = keras.Input(x.shape[1:])
    inner = keras.Model(inputs, L.Add()([inputs, L.Dense(5)(inputs)]))
    return L.Add()([keras.Sequential([inner, L.Dense(5)])(x), x])


def activation_used_twice(x):
    act = L.Activation("tanh")
    return L.Add()([act(L.Dense(5)(x)), act(x)])


def the_same_twice(x):
    h = L.Dense(5)(x)
    return L.Dense(2)(L.Add()([h, h]))


def padded_once(x):
    padded = L.ZeroPadding2D(1)(x)  # by each of those that read it
    return L.Concatenate()([L.Conv2D(3, 3)(padded), L.AveragePooling2D(3, 1)(padded)])


def pool_behind_relu(x):
    h = L.ReLU()(L.Add()([L.Conv2D(4, 3, padding="same")(x), x]))
    return L.MaxPooling2D(3, 2)(L.ZeroPadding2D(1)(h))


def recurrent(x):
    h = L.Add()([L.GRU(4, return_sequences=True)(x), x])
    return L.Concatenate(2)([L.Bidirectional(L.LSTM(2, return_sequences=True))(h), h])


def turned(x):
    h = L.Add()([L.BatchNormalization()(L.Conv1D(4, 3, padding="same")(x)), x])
    return L.Concatenate()([L.Flatten()(L.Permute((2, 1))(h)), L.GlobalMaxPooling1D()(h)])


BUILT = [
    (inception, IMAGE), (sums, VECTOR), (sums, (7, 5)), (flattened, IMAGE), (model_in_model, VECTOR),
    (activation_used_twice, VECTOR), (the_same_twice, VECTOR), (padded_once, IMAGE),
    (pool_behind_relu, IMAGE), (recurrent, SEQUENCE), (turned, SEQUENCE),
]  # fmt: skip


@pytest.mark.parametrize(("build", "shape"), BUILT)
def test_branches(build, shape, double):
    come_over(functional(build, shape), shape)


def refused_shared(x):
    dense = L.Dense(5, name="twice")
    return L.Add()([dense(x), dense(dense(x))])


def refused_crossing(x):
    one, two = L.Dense(5, name="one")(x), L.Dense(5)(x)
    return L.Concatenate()([one, L.Add()([one, two])])


REFUSED = {
    "shared": (refused_shared, VECTOR, r"^twice \(Dense\): is used twice"),
    "crossing": (refused_crossing, VECTOR, r"^one \(Dense\): is read by two that do not meet"),
    "product": (
        lambda x: L.Multiply(name="gate")([x, L.Dense(5, "sigmoid")(x)]), VECTOR,
        r"^gate \(Multiply\): reads several values",
    ),
    "constant": (lambda x: x + 1.0, VECTOR, r"^add\w* \(Add\): has one value of a layer"),
    "function": (lambda x: keras.ops.relu(x), VECTOR, r"\(Relu\): vgcore has no counterpart of keras"),
    "axis": (
        lambda x: L.Concatenate(1, name="rows")([x, L.Dense(4)(x)]), SEQUENCE,
        r"^rows \(Concatenate\): vgcore sets features .* not axis 1",
    ),
    "shapes": (
        lambda x: L.Add(name="wide")([x, L.Dense(1)(x)]), VECTOR,
        r"^wide \(Add\): adds values of shapes \[\(5,\), \(1,\)\]",
    ),
    "order": (
        lambda x: L.Add(name="sum")([L.Flatten()(x), L.Dense(288)(L.Flatten()(x))]), IMAGE,
        r"^sum \(Add\): adds numbers that lie in other orders",
    ),
    "padding": (
        lambda x: L.Concatenate()([L.ZeroPadding2D(1, name="pad")(x), L.ZeroPadding2D(1)(x)]), IMAGE,
        r"^pad \(ZeroPadding2D\): must stand in front of a Conv",
    ),
    "layer": (
        lambda x: L.Add()([x, L.Dense(5, "exponential", name="own")(x)]), VECTOR,
        r"^own \(Dense\): .*activation exponential",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_counterpart_is_named(case):
    build, shape, message = REFUSED[case]
    with pytest.raises(NotImplementedError, match=message):
        vg.exchange.from_keras(functional(build, shape))


# ---- to Keras


def test_blocks_are_written_by_their_names(double):
    body = [vg.Dense(5, "tanh"), vg.Residual([vg.Dense(5)], name="inner")]
    layers = [
        vg.Residual(body, shortcut=[vg.Dense(5)], activation=vg.elu(0.5), name="outer"),
        vg.Parallel(
            [vg.Dense(2), [vg.LayerNorm(), vg.Activation("identity")]], merge="concat", name="side"
        ),
    ]
    model = vg.Sequential(layers, input_shape=5, dtype="float64", seed=0)
    written = vg.exchange.to_keras(model)
    assert {each.name for each in written.layers[1:]} == {
        "outer_dense1", "outer_inner_dense1", "outer_inner_add", "outer_dense2", "outer_add", "outer_elu",
        "side_dense1", "side_layernorm1", "side_activation1", "side_concat",
    }  # fmt: skip
    check(written, model, samples(VECTOR))
    again = vg.exchange.from_keras(written)
    assert [each.name for each in again.layers] == ["outer", "side"]
    assert [each.name for each in again.layers[0].layers] == ["dense1", "inner"]


def test_blocks_are_saved_by_keras(tmp_path):
    layers = [
        vg.Residual([vg.Conv2d(2, 3, padding=1)], activation="relu"),
        vg.MaxPool(3, stride=2, padding=1),
        vg.Parallel([vg.Conv2d(1, 1), vg.Activation("identity")], merge="concat"),
        vg.Flatten(),
        vg.Dense(3),
    ]
    model = vg.Sequential(layers, input_shape=(2, 6, 6), seed=0)
    vg.exchange.to_keras(model).save(tmp_path / "model.keras")
    again = vg.exchange.from_keras(keras.saving.load_model(tmp_path / "model.keras"))
    x = first(samples((6, 6, 2)))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_what_comes_from_pytorch_goes_to_keras(double):
    nn = torch.nn
    module = nn.Sequential(nn.Conv1d(4, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(15, 2)).double()
    model = vg.exchange.from_torch(module, (7, 4))
    check(vg.exchange.to_keras(model), model, samples((7, 4)))


def test_names_that_meet_are_told_apart():
    layers = [vg.Residual([vg.Dense(5)], name="a"), vg.Dense(5, name="a_dense1")]
    written = vg.exchange.to_keras(vg.Sequential(layers, input_shape=5, seed=0))
    assert [each.name for each in written.layers[1:]] == ["a_dense1", "a_add", "a_dense1_"]


def test_models_without_blocks_stay_sequential():
    model = vg.Sequential([vg.Dense(2)], input_shape=3, seed=0)
    assert type(vg.exchange.to_keras(model)) is keras.Sequential


NOT_WRITTEN = {
    "gate": (vg.Residual([vg.Dense(5)], gate=0.0, name="zero"), VECTOR, r"^zero \(Residual\): .*gate"),
    "inside": (
        vg.Parallel([vg.Dense(5), vg.Highway()], name="both"), VECTOR,
        r"^both_highway1 \(Highway\): in Keras it has no counterpart",
    ),
    "order": (
        vg.Residual([vg.Flatten()], shortcut=[vg.Flatten(), vg.Dense(288)], name="flat"), (4, 9, 8),
        r"^flat \(Residual\): in Keras its branches' numbers lie in different orders",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_WRITTEN)
def test_what_keras_lacks_is_named(case):
    layer, shape, message = NOT_WRITTEN[case]
    model = vg.Sequential([layer.copy()], input_shape=shape, seed=0)
    with pytest.raises(NotImplementedError, match=message):
        vg.exchange.to_keras(model)
