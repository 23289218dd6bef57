"""What vgcore does not do: the error says what to do instead."""

import numpy as np
import pytest
from reference import assert_same_bits, samples

import vgcore as vg

CROSSENTROPIES = (
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
)


def compiled(layers, loss, input_shape=6):
    model = vg.Sequential(layers, input_shape=input_shape, dtype="float64", seed=0)
    model.compile(loss)
    return model


def refused(call, *fragments, error=ValueError):
    with pytest.raises(error) as caught:
        call()
    for fragment in fragments:
        assert fragment in str(caught.value)


# ---- outputs that learn nothing


@pytest.mark.parametrize("loss", [*CROSSENTROPIES, "mse"])
@pytest.mark.parametrize(
    ("layers", "input_shape"),
    [
        ([lambda: vg.Dense(1, "softmax")], 6),
        ([lambda: vg.Dense(1), lambda: vg.Activation("softmax")], 6),
        ([lambda: vg.RNN(3, return_sequences=True), lambda: vg.Dense(1, "softmax")], (4, 6)),
    ],
    ids=["dense", "activation", "timesteps"],
)
def test_a_softmax_of_one_unit_is_no_output(loss, layers, input_shape):
    refused(
        lambda: compiled([make() for make in layers], loss, input_shape),
        "loss: ", "softmax of one unit is 1", "Dense(1, 'sigmoid') with binary_crossentropy",
    )  # fmt: skip


@pytest.mark.parametrize("loss", CROSSENTROPIES[1:])
def test_one_logit_is_no_class(loss):
    refused(lambda: compiled([vg.Dense(1)], loss), "loss: ", "more than one output of dense1")


def test_one_logit_is_a_probability():
    compiled([vg.Dense(1)], "binary_crossentropy")
    compiled([vg.Dense(2, "softmax")], "categorical_crossentropy")


# ---- probabilities behind other layers


PASSING = {
    "flatten": lambda: [vg.Flatten()],
    "reshape": lambda: [vg.Reshape((4, 3))],
    "dropout": lambda: [vg.Dropout(0.5)],
    "alpha dropout": lambda: [vg.AlphaDropout(0.5)],
    "noise": lambda: [vg.GaussianNoise(0.5)],
    "max": lambda: [vg.MaxPool(2)],
    "mean": lambda: [vg.AvgPool(2)],
    "global mean": lambda: [vg.GlobalAvgPool()],
    "global max": lambda: [vg.GlobalMaxPool()],
    "two": lambda: [vg.MaxPool(2), vg.Dropout(0.1), vg.Flatten()],
}


@pytest.mark.parametrize("passing", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("activation", ["sigmoid", "hard_sigmoid", "relu"])
def test_activations_behind_which_layers_come_are_not_taken_for_logits(activation, passing):
    refused(
        lambda: compiled(
            [vg.Conv1d(3, 1, activation), *passing()], "binary_crossentropy", input_shape=(4, 2)
        ),
        "loss: binary_crossentropy expects the activation of the output behind",
        f"got {activation!r} of conv1d1",
        f"put Activation({activation!r}) last",
    )


def test_distributions_in_one_vector_are_no_distribution():
    layers = [vg.RNN(2, return_sequences=True), vg.Dense(3, "softmax"), vg.Flatten()]
    refused(
        lambda: compiled(layers, "categorical_crossentropy", (4, 2)),
        "got 'softmax' of dense1 in front of flatten1",
    )


@pytest.mark.parametrize("passing", [name for name in PASSING if name != "reshape"])
def test_logits_may_be_moved_and_averaged(passing):
    """The loss of the logits is that of the sigmoid that the message asks for."""
    losses = []
    for behind in ([], [vg.Activation("sigmoid")]):
        layers = [vg.Conv1d(3, 1), *PASSING[passing](), *behind]
        model = compiled(layers, "binary_crossentropy", (4, 2))
        rng = np.random.default_rng(0)
        x = rng.normal(size=(5, 4, 2))
        y = rng.integers(2, size=model.predict(x).shape)
        losses.append(model.gradients(x, y)[0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_mse_takes_any_outputs():
    compiled([vg.Conv1d(3, 1, "sigmoid"), vg.MaxPool(2), vg.Flatten()], "mse", (4, 2))


# ---- shapes


@pytest.mark.parametrize(
    ("layer", "input_shape", "fragments"),
    [
        (lambda: vg.Dense(3), (2, 5, 5), ["dense1: ", "(2, 5, 5)", "Flatten()"]),
        (lambda: vg.LSTM(3), (2, 5, 5), ["lstm1: ", "Reshape((time, features))"]),
        (lambda: vg.Conv2d(3, 3), (28, 28), ["conv2d1: ", "channels", "(1, 28, 28)"]),
        (lambda: vg.Conv2d(3, 3), 784, ["conv2d1: ", "Reshape((channels, height, width))"]),
        (lambda: vg.Conv1d(3, 3), 784, ["conv1d1: ", "Reshape((time, features))"]),
        (lambda: vg.Conv2d(3, 3), (28, 28, 1), ["conv2d1: ", "channels", "(1, 28, 28)"]),
        (lambda: vg.MaxPool(2), (32, 30, 1), ["maxpool1: ", "channels", "(1, 32, 30)"]),
    ],
)
def test_shapes_that_do_not_fit_name_what_makes_them_fit(layer, input_shape, fragments):
    refused(lambda: vg.Sequential([layer()], input_shape=input_shape), *fragments)


def test_an_image_in_a_block_is_flattened_too():
    layers = [vg.Residual([vg.Conv2d(2, 3, padding="same"), vg.Dense(3)])]
    refused(lambda: vg.Sequential(layers, input_shape=(2, 5, 5)), "residual1.dense1: ", "Flatten()")


# ---- layers that there are none of


def test_a_layer_without_kernels():
    class Own(vg.layers.Layer):
        kind = "own"

        def __init__(self):
            super().__init__()

    refused(
        Own, "Own: expected a layer with kernels", "operations", "Residual", "no Python runs",
        error=TypeError,
    )  # fmt: skip


@pytest.mark.parametrize("verb", ["call", "forward"])
def test_python_that_would_never_run(verb):
    """Keras's and PyTorch's way of a layer of one's own, on a layer that has kernels."""
    own = type("Own", (vg.Dense,), {verb: lambda self, x: x})
    refused(lambda: own(3), "Own: expected a layer", f"Python of its own, {verb}", error=TypeError)


def test_a_subclass_that_the_engine_can_run():
    class Wide(vg.Dense):
        kind = "wide"

    model = vg.Sequential([Wide(3)], input_shape=2)
    assert model.layers[0].name == "wide1"


@pytest.mark.parametrize(
    ("given", "fragment"),
    [
        ("relu", "Activation('relu')"),
        (vg.Dense, "make one: Dense(...)"),
        (lambda x: x, "no Python runs inside a step"),
        (vg.Sequential([vg.Dense(2)], input_shape=2), "list its layers"),
    ],
    ids=["activation", "class", "function", "model"],
)
def test_what_is_no_layer(given, fragment):
    refused(
        lambda: vg.Sequential([vg.Dense(2), given], input_shape=2),
        "layers: expected layers", fragment, error=TypeError,
    )  # fmt: skip


# ---- parameters that layers would share


def test_a_layer_in_two_places():
    tied = vg.Dense(4)
    refused(
        lambda: vg.Sequential([tied, vg.Dense(4), tied], input_shape=4),
        "layers: ", "same one twice", "not shared",
    )  # fmt: skip
    refused(lambda: vg.Residual([tied, tied]), "same one twice", "not shared")
    vg.Sequential([tied], input_shape=4)
    refused(
        lambda: vg.Sequential([tied], input_shape=4), "already belongs", "parameters of its own"
    )


def test_a_weight_that_is_assigned_is_copied():
    one, other = vg.Dense(4), vg.Dense(4)
    model = compiled([one, other], "mse", 4)
    one.weight = other.weight
    x, y = samples(model, 5)
    model.train_on_batch(x, y)
    assert (one.weight != other.weight).any()


# ---- inputs that a model has one of


@pytest.mark.parametrize(
    "shape", [[(4,), (3,)], ((4,), (3,)), {"a": 4, "b": 3}, {"a": (4,)}, [[4], [3]]], ids=str
)
def test_several_input_shapes(shape):
    refused(
        lambda: vg.Sequential([vg.Dense(2)], input_shape=shape),
        "input_shape: expected the shape of one input", "np.concatenate", error=TypeError,
    )  # fmt: skip


A, B, Y = np.ones((6, 4)), np.ones((6, 3)), np.ones((6, 2))


@pytest.mark.parametrize("x", [[A, B], (A, B), [A, A], {"a": A, "b": B}, {"a": A}], ids=str)
@pytest.mark.parametrize("verb", ["fit", "predict", "evaluate", "train_on_batch", "gradients"])
def test_several_inputs(x, verb):
    model = compiled([vg.Dense(2)], "mse", 4)
    before = model.state_dict()
    arguments = (x,) if verb == "predict" else (x, Y)
    refused(
        lambda: getattr(model, verb)(*arguments),
        "x: expected",
        "np.concatenate",
        error=(TypeError, ValueError),
    )
    assert_same_bits(model.state_dict(), before)


def test_parts_in_the_order_of_sklearn():
    """x_train, x_test, y_train, y_test of what gives x and y together."""
    x, labels = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 3
    x_train, _, y_train, _ = vg.data.train_test_split(x, labels, test_size=0.5)
    model = compiled([vg.Dense(3, "softmax")], "sparse_categorical_crossentropy", 4)
    refused(
        lambda: model.fit(x_train, y_train),
        "y: expected integer class labels", "train_test_split gives x_train, y_train, x_test, y_test",
        error=TypeError,
    )  # fmt: skip
    with pytest.raises(TypeError, match=r"got dtype float64$"):
        model.fit(x, x[:, 0])


def test_a_list_of_samples_is_one_input():
    model = compiled([vg.Dense(2)], "mse", 4)
    assert model.predict(list(A)).shape == (6, 2)
    assert model.predict([row.tolist() for row in A]).shape == (6, 2)


def test_probabilities_behind_an_identity_or_of_branches_are_not_taken_for_logits():
    identity = vg.Sequential([vg.Dense(3, "softmax"), vg.Activation("identity")], input_shape=4)
    with pytest.raises(ValueError, match="expects the activation of the output behind all other"):
        identity.compile("sparse_categorical_crossentropy")
    branches = [vg.Dense(1, "sigmoid"), [vg.Dense(1, "sigmoid"), vg.Dropout(0.1)]]
    parallel = vg.Sequential([vg.Parallel(branches, merge="concat")], input_shape=4)
    with pytest.raises(ValueError, match="expects branches without activations at the end"):
        parallel.compile("multilabel_crossentropy")
    parallel.compile("mse")
    logits = vg.Sequential([vg.Parallel([vg.Dense(2), vg.Dense(2)])], input_shape=4)
    logits.compile("sparse_categorical_crossentropy")
