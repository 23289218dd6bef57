"""What a user may get wrong with sequences: the exception, its message, and that nothing has changed."""

import json

import numpy as np
import pytest

import vgcore as vg

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 6, 4)), RNG.normal(size=(8, 3))
TOKENS = RNG.integers(0, 5, (8, 6))
LABELS = RNG.integers(0, 3, (8, 6))
LENGTHS = RNG.integers(1, 7, 8)
H, WIDE = np.zeros((8, 3)), np.zeros((8, 5))
RAGGED = [[1.0, 2.0], [3.0]]

LAYERS = {  # that end in three units
    "two": lambda: [vg.GRU(5, return_sequences=True), vg.LSTM(3)],
    "both": lambda: [vg.Bidirectional(vg.LSTM(5)), vg.Dense(3)],
    "learned": lambda: [vg.RNN(3, initial_state="learned")],
    "stateful": lambda: [vg.RNN(5, stateful=True, return_sequences=True), vg.GRU(3, stateful=True)],
    "backwards": lambda: [vg.GRU(3, go_backwards=True)],
    "embedding": lambda: [vg.Embedding(5, 4), vg.RNN(3)],
    "dense": lambda: [vg.Dense(3)],
    "vectors": lambda: [vg.Dense(3)],
    "fixed": lambda: [vg.RNN(3)],
}
SHAPES = {"embedding": (None,), "vectors": (4,), "fixed": (6, 4)}


def model(kind="two", **options):
    """A trained model, so that there is something to spoil; `options` are those of compile."""
    made = vg.Sequential(LAYERS[kind](), input_shape=SHAPES.get(kind, (None, 4)), seed=0)
    made.compile("mse", vg.Adam(), **options)
    made.train_on_batch(*data(kind))
    return made


def data(kind):
    x = {"embedding": TOKENS, "vectors": X[:, 0]}.get(kind, X)
    return x, np.repeat(Y[:, np.newaxis], 6, axis=1) if kind == "dense" else Y


def snapshot(m):
    """Parameters, the optimizer's state, the step, the generator, all settings, what is carried over."""
    vectors = {name: vector.tobytes() for name, vector in m.session.vectors().items()}
    carried = m.session.carried and [
        a if a is None else a.tobytes() for a in m.session.carried.arrays
    ]
    return vectors, json.dumps(m.session.description()), carried


def refused(call, error, fragments, kind, **options):
    m = model(kind, **options)
    before = snapshot(m)
    with pytest.raises(error) as caught:
        call(m)
    assert snapshot(m) == before
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert caught.type is error  # and not one that only derives from it


def table(cases):
    """Parametrize with (kind of model, call, exception type, fragments of the message)."""
    return pytest.mark.parametrize(("kind", "call", "error", "fragments"), cases)


def every(*methods, x=None, y=None, **arguments):
    """A call of each method with these arguments: each must refuse."""

    def call(m):
        samples, targets = data("two")
        samples, targets = samples if x is None else x, targets if y is None else y
        errors = []
        for method in methods:
            given = (samples,) if method == "predict" else (samples, targets)
            with pytest.raises((TypeError, ValueError)) as caught:
                getattr(m, method)(*given, **arguments)
            errors.append(caught.value)
        assert len({(type(error), str(error)) for error in errors}) == 1
        raise errors[0]

    return call


PASSES = ("predict", "gradients", "gradient_flow", "train_on_batch")
ALL = (*PASSES, "evaluate", "fit")


# ---- lengths and states


@table(
    [
        *(
            ("two", every(*ALL, lengths=value), error, ["lengths: ", *fragments])
            for value, error, fragments in (
                (np.where(LENGTHS == 2, -1, LENGTHS), ValueError, ["0 .. 6", "got -1"]),
                (np.full(8, -3), ValueError, ["0 .. 6", "got -3"]),
                (LENGTHS + 6, ValueError, ["0 .. 6", "got "]),
                ([6, 6, 6, 6, 6, 6, 6, 7], ValueError, ["0 .. 6", "got 7"]),
                (np.full(8, 2**63, np.uint64), ValueError, ["0 .. 6"]),
                (LENGTHS[:7], ValueError, ["(8,)", "(7,)"]),
                (LENGTHS[:, np.newaxis], ValueError, ["(8,)", "(8, 1)"]),
                (6, ValueError, ["(8,)", "()"]),
                (LENGTHS.astype(float), TypeError, ["integers", "float64"]),
                (LENGTHS > 2, TypeError, ["integers", "bool"]),
                ("long", TypeError, ["integers", "<U4"]),
                ([None] * 8, TypeError, ["integers", "object"]),
                (RAGGED, ValueError, ["unequal lengths"]),
            )
        ),
        (
            "vectors",
            every(*ALL, x=X[:, 0], lengths=LENGTHS),
            ValueError,
            ["lengths: ", "None", "takes no sequences"],
        ),
        (
            "stateful",
            every(*PASSES, lengths=LENGTHS),
            ValueError,
            ["lengths: ", "None", "stateful"],
        ),
        (
            "two",
            lambda m: m.fit(X, Y, validation_data=(X, Y, LENGTHS[:3])),
            ValueError,
            ["lengths of validation_data: ", "(8,)", "(3,)"],
        ),
    ]
)
def test_lengths(kind, call, error, fragments):
    refused(call, error, fragments, kind)


@table(
    [
        (kind, every(*PASSES, initial_state=state), error, ["initial_state", *fragments])
        for kind, state, error, fragments in (
            ("two", WIDE, TypeError, [": ", "list", "one entry per recurrent layer", "ndarray"]),
            ("two", {"gru1": WIDE}, TypeError, [": ", "list", "dict"]),
            ("two", [], ValueError, [": ", "2 entries", "gru1, lstm1", "got 0"]),
            ("two", [WIDE], ValueError, [": ", "2 entries", "got 1"]),
            ("two", [WIDE, (H, H), None], ValueError, [": ", "2 entries", "got 3"]),
            ("two", [WIDE, H], ValueError, ["[1]: ", "lstm1", "(h, c)", "ndarray"]),
            ("two", [WIDE, (H, H, H)], ValueError, ["[1]: ", "lstm1", "(h, c)", "3 parts"]),
            ("two", [(WIDE, WIDE), None], ValueError, ["[0]: ", "(8, 5)", "(2, 8, 5)"]),
            ("two", [WIDE[:7], None], ValueError, ["[0]: ", "(8, 5)", "(7, 5)"]),
            ("two", [H, None], ValueError, ["[0]: ", "(8, 5)", "(8, 3)"]),
            ("two", [0, None], ValueError, ["[0]: ", "(8, 5)", "()"]),
            ("two", [None, (H, WIDE)], ValueError, ["[1][1]: ", "(8, 3)", "(8, 5)"]),
            ("two", [None, (H, H * np.nan)], ValueError, ["[1][1]", "finite float32", "nan"]),
            ("two", [WIDE + 1e300, None], ValueError, ["[0]", "finite float32"]),
            ("two", [WIDE + 0j, None], TypeError, ["[0]: ", "real numbers", "complex128"]),
            ("two", [WIDE.astype(str), None], TypeError, ["[0]: ", "real numbers", "<U"]),
            ("two", [RAGGED, None], ValueError, ["[0]: ", "unequal lengths"]),
            ("both", [(WIDE, WIDE)], ValueError, ["[0][0]: ", "(h, c)", "ndarray"]),
            ("both", [WIDE], ValueError, ["[0]: ", "(forward, backward)", "ndarray"]),
            ("learned", [H], ValueError, ["[0]: ", "rnn1", "learns its initial state", "None"]),
        )
    ]
    + [
        (
            "vectors",
            every(*PASSES, x=X[:, 0], initial_state=[H]),
            ValueError,
            ["initial_state: ", "no recurrent layer"],
        )
    ]
)
def test_initial_states(kind, call, error, fragments):
    refused(call, error, fragments, kind)


@table(
    [
        ("two", lambda m: m.predict(X, return_state=1), TypeError, ["return_state: ", "got 1"]),
        ("two", lambda m: m.gradients(X, Y, wrt_inputs="x"), TypeError, ["wrt_inputs: ", "'x'"]),
    ]
)
def test_what_is_returned(kind, call, error, fragments):
    refused(call, error, fragments, kind)


# ---- shapes and integers


@table(
    [
        ("embedding", every(*ALL, x=x), error, ["x: ", *fragments])
        for x, error, fragments in (
            (TOKENS.astype(float), TypeError, ["integers", "float64"]),
            (TOKENS > 2, TypeError, ["integers", "bool"]),
            (TOKENS.astype(str), TypeError, ["integers", "<U"]),
            ([None] * 8, TypeError, ["integers", "object"]),
            (TOKENS + 1, ValueError, ["0 .. 4", "got 5"]),
            (TOKENS - 1, ValueError, ["0 .. 4", "got -1"]),
            (TOKENS.astype(np.uint64) + np.uint64(2**63), ValueError, ["0 .. 4"]),
            (TOKENS[0], ValueError, ["(n, time)", "(6,)", "x[np.newaxis]"]),
            (TOKENS[..., np.newaxis], ValueError, ["(n, time)", "(8, 6, 1)"]),
            (TOKENS[:0], ValueError, ["at least one sample", "(0, 6)"]),
            (TOKENS[:, :0], ValueError, ["at least one", "(8, 0)"]),
        )
    ]
    + [
        (kind, every(*ALL, x=x, y=y), ValueError, fragments)
        for kind, x, y, fragments in (
            ("two", X[:, 0], Y, ["x: ", "(n, time, 4)", "(8, 4)"]),
            ("two", X[0], Y, ["x: ", "(n, time, 4)", "(6, 4)", "x[np.newaxis]"]),
            ("two", X[..., :3], Y, ["x: ", "(n, time, 4)", "(8, 6, 3)"]),
            ("two", X[:, :0], Y, ["x: ", "at least one", "(8, 0, 4)"]),
            ("vectors", X, Y, ["x: ", "(n, 4)", "(8, 6, 4)"]),
            ("fixed", X[:, :5], Y, ["x: ", "(n, 6, 4)", "(8, 5, 4)"]),
            ("fixed", np.repeat(X, 2, axis=1), Y, ["x: ", "(n, 6, 4)", "(8, 12, 4)"]),
        )
    ]
    + [
        (kind, every(*ALL[1:], y=y), ValueError, ["y: ", *fragments])
        for kind, y, fragments in (
            ("two", np.zeros((8, 6, 3)), ["(n, 3)", "(8, 6, 3)"]),
            ("dense", Y, ["(n, 6, 3)", "(8, 3)"]),
            ("dense", np.zeros((8, 5, 3)), ["(n, 6, 3)", "(8, 5, 3)"]),
            ("dense", np.zeros((7, 6, 3)), ["(8)", "got 7"]),
        )
    ]
)
def test_data(kind, call, error, fragments):
    refused(call, error, fragments, kind)


@pytest.mark.parametrize(
    ("y", "error", "fragments"),
    [
        (LABELS[:, 0], ValueError, ["y: ", "(8, 6)", "(8,)"]),
        (LABELS[:, :5], ValueError, ["y: ", "(8, 6)", "(8, 5)"]),
        (LABELS + 1, ValueError, ["y: ", "0 .. 2", "got 3"]),
        (LABELS.astype(float), TypeError, ["y: ", "integer class labels", "float64"]),
    ],
)
def test_labels_of_every_timestep(y, error, fragments):
    m = vg.Sequential(
        [vg.RNN(3, return_sequences=True), vg.Dense(3)], input_shape=(None, 4), seed=0
    )
    m.compile("sparse_categorical_crossentropy")
    before = snapshot(m)
    with pytest.raises(error) as caught:
        every("gradients", "fit", "evaluate", x=X, y=y)(m)
    assert snapshot(m) == before
    assert all(fragment in str(caught.value) for fragment in fragments)


# ---- stateful layers


@pytest.mark.parametrize(
    ("call", "fragments"),
    [
        (
            every(*PASSES, x=X[:, :5]),
            ["x: ", "8 samples of 6 timesteps", "got 8 of 5", "reset_states()"],
        ),
        (
            every(*PASSES, x=X[:4], y=Y[:4]),
            ["x: ", "8 samples of 6 timesteps", "got 4 of 6", "reset_states()"],
        ),
        (
            lambda m: m.fit(X, Y, batch_size=4, shuffle=False),
            ["x: ", "8 samples", "got 4 of 6"],
        ),
        (lambda m: m.fit(X, Y), ["shuffle: ", "False", "stateful"]),
        (
            lambda m: m.fit(X, Y, batch_size=3, shuffle=False),
            ["batch_size: ", "divisor of the 8 samples", "got 3"],
        ),
    ],
)
def test_stateful_layers(call, fragments):
    refused(call, ValueError, fragments, "stateful")


# ---- how time is cut


@table(
    [
        (kind, lambda m, given=given: m.compile("mse", **given), error, fragments)
        for kind, given, error, fragments in (
            ("two", {"tbptt": 0}, ValueError, ["tbptt: ", "at least 1", "got 0"]),
            ("two", {"tbptt": 2.0}, TypeError, ["tbptt: ", "integer", "2.0"]),
            ("two", {"tbptt": True}, TypeError, ["tbptt: ", "integer", "True"]),
            ("two", {"tbptt": "auto"}, TypeError, ["tbptt: ", "integer", "'auto'"]),
            ("two", {"checkpoint": 0}, ValueError, ["checkpoint: ", "at least 1", "got 0"]),
            ("two", {"checkpoint": -1}, ValueError, ["checkpoint: ", "at least 1", "got -1"]),
            ("two", {"checkpoint": 1.5}, TypeError, ["checkpoint: ", "integer", "1.5"]),
            ("two", {"checkpoint": True}, TypeError, ["checkpoint: ", "integer", "True"]),
            ("two", {"checkpoint": "aut"}, ValueError, ["checkpoint: ", "did you mean 'auto'"]),
            ("two", {"tbptt": 3, "checkpoint": 3}, ValueError, ["checkpoint: ", "either", "both"]),
            *(
                (kind, {name: 3}, ValueError, [f"{name}: ", "None", why, "got 3"])
                for name in ("tbptt", "checkpoint")
                for kind, why in (
                    ("backwards", "all of time at once"),
                    ("both", "all of time at once"),
                    ("vectors", "takes no sequences"),
                )
            ),
        )
    ]
)
def test_compile(kind, call, error, fragments):
    refused(call, error, fragments, kind)


# ---- Jacobians


@table(
    [
        (kind, lambda m, given=given: m.state_jacobian(*given), error, fragments)
        for kind, given, error, fragments in (
            ("two", (X, "gru1", [7]), ValueError, ["lags: ", "at most 6", "got 7"]),
            ("two", (X, "gru1", [1, -1]), ValueError, ["lags: ", "at least 0", "got -1"]),
            ("two", (X, "gru1", [1.0]), TypeError, ["lags: ", "integer", "1.0"]),
            ("two", (X, "gru1", 3), TypeError, ["lags: ", "3"]),
            ("two", (X, "gru2", [1]), ValueError, ["layer: ", "gru1, lstm1", "'gru2'", "did you"]),
            ("two", (X, 0, [1]), TypeError, ["layer: ", "name", "int"]),
            ("two", (X[0], "gru1", [1]), ValueError, ["x: ", "(n, time, 4)", "(6, 4)"]),
            ("two", (X * np.nan, "gru1", [1]), ValueError, ["x: ", "finite", "nan"]),
            ("both", (X, "bidirectional1", [1]), ValueError, ["layer: ", "one direction"]),
            ("dense", (X, "dense1", [1]), ValueError, ["layer: ", "no recurrent layer"]),
            ("embedding", (TOKENS, "embedding1", [1]), ValueError, ["layer: ", "rnn1"]),
        )
    ]
)
def test_state_jacobian(kind, call, error, fragments):
    refused(call, error, fragments, kind)


# ---- describing layers

RECURRENT = [vg.RNN, vg.LSTM, vg.GRU]


def belongs():
    layer = vg.RNN(3)
    vg.Sequential([layer], input_shape=(None, 2))
    return layer


def sequential(*layers, input_shape=(None, 4)):
    return lambda: vg.Sequential([layer() for layer in layers], input_shape=input_shape)


def assert_refused(make, error, fragments):
    with pytest.raises(error) as caught:
        make()
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert caught.type is error


@pytest.mark.parametrize("cls", RECURRENT)
@pytest.mark.parametrize(
    ("options", "error", "fragments"),
    [
        ({"units": 0}, ValueError, ["units: ", "at least 1", "got 0"]),
        ({"units": 2.0}, TypeError, ["units: ", "integer", "2.0"]),
        ({"activation": "softmax"}, ValueError, ["activation: ", "single units", "'softmax'"]),
        ({"activation": "tahn"}, ValueError, ["activation: ", "did you mean 'tanh'"]),
        ({"activation": 3}, TypeError, ["activation: ", "int"]),
        ({"return_sequences": 1}, TypeError, ["return_sequences: ", "True or False", "1"]),
        ({"go_backwards": "yes"}, TypeError, ["go_backwards: ", "True or False", "'yes'"]),
        ({"stateful": None}, TypeError, ["stateful: ", "True or False", "None"]),
        ({"use_bias": 0}, TypeError, ["use_bias: ", "True or False", "0"]),
        (
            {"initial_state": "learnt"},
            ValueError,
            ["initial_state: ", "zeros, learned", "did you mean 'learned'"],
        ),
        ({"initial_state": np.zeros(3)}, TypeError, ["initial_state: ", "ndarray"]),
        (
            {"initial_state": "learned", "stateful": True},
            ValueError,
            ["initial_state: ", "stateful", "'learned'"],
        ),
        ({"weight_initializer": "zero"}, ValueError, ["weight_initializer: ", "'zero'"]),
        ({"recurrent_initializer": "eye"}, ValueError, ["recurrent_initializer: ", "'eye'"]),
        ({"bias_initializer": 0}, TypeError, ["bias_initializer: ", "0"]),
        ({"name": "a.b"}, ValueError, ["name: ", "'a.b'"]),
        ({"peephole": True}, TypeError, ["'peephole'"]),
        ({"dropouts": 0.5}, TypeError, ["'dropouts'", "num_layers, dropout"]),
        ({"dropout": 0.5}, ValueError, ["dropout: ", "num_layers", "0.5"]),
        ({"num_layers": 2, "dropout": 1}, ValueError, ["dropout: ", "below 1"]),
        ({"num_layers": 0}, ValueError, ["num_layers: ", "at least 1", "0"]),
        ({"num_layers": 2.0}, TypeError, ["num_layers: ", "integer", "2.0"]),
    ],
    ids=str,
)
def test_options_of_every_cell(options, error, fragments, cls):
    assert_refused(lambda: cls(**{"units": 3, **options}), error, fragments)


@pytest.mark.parametrize(
    ("cls", "options", "error", "fragments"),
    [
        *(
            (cls, {"recurrent_activation": value}, error, ["recurrent_activation: ", *fragments])
            for cls in (vg.LSTM, vg.GRU)
            for value, error, fragments in (
                ("softmax", ValueError, ["single units"]),
                ("hardsigmoid", ValueError, ["did you mean 'hard_sigmoid'"]),
                (0, TypeError, ["int"]),
            )
        ),
        (vg.LSTM, {"peepholes": 1}, TypeError, ["peepholes: ", "True or False", "1"]),
        (vg.LSTM, {"unit_forget_bias": 1.0}, TypeError, ["unit_forget_bias: ", "1.0"]),
        (vg.GRU, {"reset_after": None}, TypeError, ["reset_after: ", "True or False", "None"]),
        (vg.RNN, {"recurrent_activation": "sigmoid"}, TypeError, ["'recurrent_activation'"]),
        (vg.LSTM, {"reset_after": True}, TypeError, ["'reset_after'"]),
        (vg.GRU, {"peepholes": True}, TypeError, ["'peepholes'"]),
    ],
)
def test_options_of_one_cell(cls, options, error, fragments):
    assert_refused(lambda: cls(3, **options), error, fragments)


@pytest.mark.parametrize(
    ("make", "error", "fragments"),
    [
        (lambda: vg.Embedding(0, 3), ValueError, ["num_embeddings: ", "at least 1", "got 0"]),
        (lambda: vg.Embedding(3, 1.5), TypeError, ["embedding_dim: ", "integer", "1.5"]),
        (lambda: vg.Embedding(3, 2, weight_initializer="norm"), ValueError, ["weight_initializer"]),
        (lambda: vg.Bidirectional(vg.Dense(3)), TypeError, ["layer: ", "LSTM", "Dense"]),
        (lambda: vg.Bidirectional(vg.LSTM), TypeError, ["layer: ", "LSTM", "the class LSTM"]),
        (
            lambda: vg.Bidirectional(vg.Bidirectional(vg.RNN(3))),
            TypeError,
            ["layer: ", "Bidirectional"],
        ),
        (
            lambda: vg.Bidirectional(vg.RNN(3, go_backwards=True)),
            ValueError,
            ["layer: ", "go_backwards=False", "True"],
        ),
        (
            lambda: vg.Bidirectional(belongs()),
            ValueError,
            ["layer: ", "rnn1", "belongs to a model"],
        ),
        (
            sequential(lambda: vg.Dense(4), lambda: vg.Embedding(5, 3)),
            ValueError,
            ["layers: ", "embedding1", "first"],
        ),
        (
            sequential(lambda: vg.Embedding(5, 3)),
            ValueError,
            ["embedding1: ", "(time,)", "(None, 4)"],
        ),
        (
            sequential(lambda: vg.RNN(3), input_shape=4),
            ValueError,
            ["rnn1: ", "(time, features)", "(4,)"],
        ),
        (
            sequential(lambda: vg.RNN(3), input_shape=(None,)),
            ValueError,
            ["rnn1: ", "(time, features)", "(None,)"],
        ),
        (
            sequential(lambda: vg.RNN(3), lambda: vg.LSTM(2)),
            ValueError,
            ["lstm1: ", "(time, features)", "(3,)", "return_sequences=True"],
        ),
        (
            sequential(lambda: vg.Bidirectional(vg.RNN(3)), lambda: vg.Bidirectional(vg.GRU(2))),
            ValueError,
            ["bidirectional2: ", "(6,)", "return_sequences=True"],
        ),
        (sequential(lambda: vg.Dense(3), input_shape=(None,)), ValueError, ["dense1: ", "(None,)"]),
        (
            sequential(lambda: vg.RNN(3), input_shape=(5, None)),
            TypeError,
            ["input_shape: ", "integer", "None"],
        ),
        (
            sequential(lambda: vg.RNN(3), input_shape=(0, 4)),
            ValueError,
            ["input_shape: ", "at least 1", "got 0"],
        ),
        (
            sequential(lambda: vg.RNN(3), input_shape=(None, 2, 4)),
            ValueError,
            ["rnn1: ", "(time, features)", "(None, 2, 4)"],
        ),
    ],
)
def test_layers(make, error, fragments):
    assert_refused(make, error, fragments)


@pytest.mark.parametrize("block", [vg.Bidirectional, lambda layer: vg.Residual([layer])])
def test_one_layer_in_two_places(block):
    """A layer that is in a block is in no other block, and not beside it, before a model is made too."""
    layer = vg.RNN(3, return_sequences=True, name="inner")
    layers = [layer, block(layer)]
    expected = ["inner already belongs to a block"]
    assert_refused(
        lambda: vg.Sequential(layers, input_shape=(None, 3)), ValueError, ["layers: ", *expected]
    )
    assert_refused(lambda: vg.Bidirectional(layer), ValueError, ["layer: ", *expected])
    assert_refused(lambda: vg.Residual([layer]), ValueError, ["layers: ", *expected])
    assert_refused(
        lambda: vg.Residual([vg.RNN(3)], shortcut=[layer]), ValueError, ["shortcut: ", *expected]
    )
    vg.Sequential(layers[1:], input_shape=(None, 3))


def test_a_layer_is_free_again_where_no_block_came_of_it():
    layer = vg.RNN(3, return_sequences=True)
    with pytest.raises(ValueError, match="gate: "):
        vg.Residual([layer], gate=float("nan"))
    assert layer.name is None
    vg.Residual([layer])  # nobody keeps it
    vg.Sequential([layer], input_shape=(None, 3))


@pytest.mark.parametrize("loss", ["binary_crossentropy", "categorical_crossentropy"])
def test_losses_of_probabilities_want_an_output_of_probabilities(loss):
    """Of both directions as of one."""
    for layer in (vg.RNN(3, "relu"), vg.Bidirectional(vg.RNN(3, "relu"))):
        m = vg.Sequential([layer], input_shape=(None, 4), seed=0)
        assert_refused(lambda m=m: m.compile(loss), ValueError, ["loss: ", loss, "'relu'"])


def test_layers_of_a_refused_model_can_be_used_again():
    layers = [vg.Bidirectional(vg.RNN(3)), vg.LSTM(2)]
    with pytest.raises(ValueError, match="lstm1"):
        vg.Sequential(layers, input_shape=(None, 4))
    assert [layer.name for layer in layers] == [None, None]
    vg.Sequential(layers[:1], input_shape=(None, 4))
    vg.Sequential(layers[1:], input_shape=(None, 4))
