"""What a user may get wrong: the exception, what its message holds, and that nothing has changed.

A message names the argument, what was expected and what came.
"""

import json

import numpy as np
import pytest

import vgcore as vg

X, Y = np.random.default_rng(0).normal(size=(8, 4)), np.arange(8, dtype=np.int64) % 3
NAN, INF = X.copy(), X.copy()
NAN[1, 2], INF[7, 3] = np.nan, -np.inf
RAGGED = [[1.0, 2.0], [3.0]]


def model(loss="sparse_categorical_crossentropy", output="softmax", units=3, **options):
    """A trained model, so that there is something to spoil."""
    made = vg.Sequential(
        [vg.Dense(5, "tanh"), vg.Dense(units, output)], input_shape=4, seed=0, **options
    )
    made.compile(loss, vg.Adam())
    y = Y if loss.startswith("sparse") else np.full((8, units), 0.5)
    made.fit(X, y)
    return made


def snapshot(m):
    """Parameters, the optimizer's state, the step, the generator and all settings."""
    vectors = {name: vector.tobytes() for name, vector in m.session.vectors().items()}
    return vectors, json.dumps(m.session.description())


def refused(call, error, fragments, m):
    before = snapshot(m)
    with pytest.raises(error) as caught:
        call(m)
    assert snapshot(m) == before
    for fragment in fragments:
        assert fragment in str(caught.value)
    assert caught.type is error  # and not one that only derives from it


def table(cases):
    """Parametrize with (call, exception type, fragments of the message)."""
    return pytest.mark.parametrize(("call", "error", "fragments"), cases)


# ---- data

X_CASES = [
    (None, TypeError, ["x: ", "real numbers", "object"]),
    ("text", TypeError, ["x: ", "real numbers", "<U4"]),
    (X.astype(str), TypeError, ["x: ", "real numbers", "<U32"]),
    (X.astype(object), TypeError, ["x: ", "real numbers", "object"]),
    (X + 1j, TypeError, ["x: ", "real numbers", "complex128"]),
    (X.astype("M8[s]"), TypeError, ["x: ", "real numbers", "datetime64"]),
    (1.0, ValueError, ["x: ", "(n, 4)", "()"]),
    (X[0], ValueError, ["x: ", "(n, 4)", "(4,)", "x[np.newaxis]"]),
    (X[:, :3], ValueError, ["x: ", "(n, 4)", "(8, 3)"]),
    (X.T, ValueError, ["x: ", "(n, 4)", "(4, 8)"]),
    (X[..., np.newaxis], ValueError, ["x: ", "(n, 4)", "(8, 4, 1)"]),
    (X[:0], ValueError, ["x: ", "at least one sample", "(0, 4)"]),
    ([], ValueError, ["x: ", "(n, 4)", "(0,)"]),
    (NAN, ValueError, ["x: ", "finite float32", "nan", "x[1, 2]"]),
    (INF, ValueError, ["x: ", "finite float32", "-inf", "x[7, 3]"]),
    (X * 1e300, ValueError, ["x: ", "finite float32", "inf", "x[0, 0]"]),
    (RAGGED, ValueError, ["x: "]),
]


@pytest.mark.parametrize(
    "method",
    ["fit", "train_on_batch", "gradients", "gradient_flow", "evaluate", "predict"],
)
@pytest.mark.parametrize(("x", "error", "fragments"), X_CASES)
def test_inputs(x, error, fragments, method):
    y = () if method == "predict" else (Y,)
    refused(lambda m: getattr(m, method)(x, *y), error, fragments, model())


SPARSE_CASES = [
    (Y.astype(float), TypeError, ["y: ", "integer class labels", "float64"]),
    (Y == 1, TypeError, ["y: ", "integer class labels", "bool"]),
    (np.eye(3)[Y], TypeError, ["y: ", "integer class labels", "float64"]),
    (Y.astype(str), TypeError, ["y: ", "integer class labels", "<U"]),
    (None, TypeError, ["y: ", "integer class labels", "None"]),
    ([], TypeError, ["y: ", "integer class labels", "float64"]),
    (np.eye(3, dtype=int)[Y], ValueError, ["y: ", "(8,)", "(8, 3)"]),
    (Y[:7], ValueError, ["y: ", "(8,)", "(7,)"]),
    (np.append(Y, 0), ValueError, ["y: ", "(8,)", "(9,)"]),
    (1, ValueError, ["y: ", "(8,)", "()"]),
    (Y + 1, ValueError, ["y: ", "0 .. 2", "3 units", "got 3"]),
    (Y - 1, ValueError, ["y: ", "0 .. 2", "got -1"]),
    (np.where(Y == 1, 10**12, Y), ValueError, ["y: ", "0 .. 2", "got 1000000000000"]),
    (np.where(Y == 1, np.iinfo(np.int64).min, Y), ValueError, ["y: ", "got -9223372036854775808"]),
    (Y.astype(np.uint64) + np.uint64(2**63), ValueError, ["y: ", "0 .. 2", "got "]),
    (RAGGED, ValueError, ["y: "]),
]
UNITS = np.full((8, 3), 0.5)
DENSE_CASES = [
    (None, TypeError, ["y: ", "real numbers", "None"]),
    (UNITS + 0j, TypeError, ["y: ", "real numbers", "complex128"]),
    (UNITS.astype(str), TypeError, ["y: ", "real numbers", "<U"]),
    (UNITS[:, :2], ValueError, ["y: ", "(n, 3)", "(8, 2)"]),
    (UNITS[:7], ValueError, ["y: ", "(8)", "got 7"]),
    (UNITS[:0], ValueError, ["y: ", "at least one sample", "(0, 3)"]),
    (UNITS * np.nan, ValueError, ["y: ", "finite", "nan", "y[0, 0]"]),
    (UNITS * np.inf, ValueError, ["y: ", "finite", "inf", "y[0, 0]"]),
]
RANGE_CASES = [
    (UNITS + 0.6, ValueError, ["y: ", "[0, 1]", "1.1"]),
    (UNITS - 0.6, ValueError, ["y: ", "[0, 1]", "-0.1"]),
    (np.where(Y[:, np.newaxis] == 1, -1, UNITS), ValueError, ["y: ", "[0, 1]", "-1"]),
]
CATEGORICAL_CASES = [(Y, ValueError, ["y: ", "(8, 3)", "(8,)", "sparse_categorical_crossentropy"])]


@pytest.mark.parametrize(
    ("loss", "y", "error", "fragments"),
    [
        pytest.param(loss, *(case.values if hasattr(case, "values") else case),
                     marks=getattr(case, "marks", ()))
        for loss, cases in {
            "sparse_categorical_crossentropy": SPARSE_CASES,
            "categorical_crossentropy": DENSE_CASES + RANGE_CASES + CATEGORICAL_CASES,
            "binary_crossentropy": DENSE_CASES + RANGE_CASES,
            "mse": DENSE_CASES,
        }.items()
        for case in cases
    ],
)  # fmt: skip
def test_targets(loss, y, error, fragments):
    m = model(loss)
    for method in ("fit", "train_on_batch", "gradients", "gradient_flow", "evaluate"):
        refused(lambda m, method=method: getattr(m, method)(X, y), error, fragments, m)


# ---- fit


def used_tracker():
    flow = vg.GradientFlow()
    model().fit(X, Y, track=flow)
    return flow


COUNTS = [
    (0, ValueError, ["at least 1", "got 0"]),
    (-3, ValueError, ["at least 1", "got -3"]),
    (True, TypeError, ["integer", "True", "bool"]),
    (2.0, TypeError, ["integer", "2.0", "float"]),
    (np.nan, TypeError, ["integer", "nan", "float"]),
    ("8", TypeError, ["integer", "'8'", "str"]),
    (None, TypeError, ["integer", "None"]),
]


@pytest.mark.parametrize("argument", ["epochs", "batch_size"])
@pytest.mark.parametrize(("value", "error", "fragments"), COUNTS)
def test_counts_of_fit(argument, value, error, fragments):
    fragments = [f"{argument}: ", *fragments]
    refused(lambda m: m.fit(X, Y, **{argument: value}), error, fragments, model())


@table(
    [
        (
            lambda m: m.fit(X, Y, validation_data=X),
            TypeError,
            ["validation_data: ", "pair (x, y)", "array"],
        ),
        (
            lambda m: m.fit(X, Y, validation_data=(X, Y[:7])),
            ValueError,
            ["validation_data", "(7,)"],
        ),
        (
            lambda m: m.fit(X, Y, validation_data=(X, Y + 1)),
            ValueError,
            ["validation_data", "got 3"],
        ),
        (
            lambda m: m.fit(X, Y, validation_data=(X[:, 1:], Y)),
            ValueError,
            ["validation_data", "(n, 4)", "(8, 3)"],
        ),
        (lambda m: m.fit(X, Y, validation_data=(NAN, Y)), ValueError, ["validation_data", "nan"]),
        (
            lambda m: m.fit(X, Y, validation_data=(X,)),
            TypeError,
            ["validation_data: ", "(x, y)", "got 1 items"],
        ),
        (lambda m: m.fit(X, Y, track="flow"), TypeError, ["track: ", "GradientFlow", "str"]),
        (lambda m: m.fit(X, Y, track=vg.GradientFlow), TypeError, ["track: ", "GradientFlow"]),
        (
            lambda m: m.fit(X, Y, track=used_tracker()),
            ValueError,
            ["track: ", "of this model", "another"],
        ),
        (lambda m: m.fit(X, Y, callbacks=[3]), TypeError, ["callbacks[0]: ", "int"]),
    ]
)
def test_arguments_of_fit(call, error, fragments):
    refused(call, error, fragments, model())


def test_a_tracker_is_not_bound_by_a_fit_that_is_refused():
    flow, m = vg.GradientFlow(), model()
    with pytest.raises(ValueError, match="batch_size"):
        m.fit(X, Y, batch_size=0, track=flow)
    model().fit(X, Y, track=flow)
    assert len(flow) == 1


def test_there_must_be_a_loss():
    m = vg.Sequential([vg.Dense(3)], input_shape=4, seed=0)
    for method in ("fit", "train_on_batch", "gradients", "gradient_flow", "evaluate"):
        with pytest.raises(RuntimeError, match=r"no loss yet: call compile\("):
            getattr(m, method)(X, Y)


# ---- describing a model


def sequential(*layers, input_shape=4, **options):
    return lambda m: vg.Sequential(list(layers), input_shape=input_shape, **options)


@table(
    [
        (
            lambda m: vg.Sequential([], input_shape=4),
            ValueError,
            ["layers: ", "at least one", "none"],
        ),
        (lambda m: vg.Sequential(None, input_shape=4), TypeError, ["layers: ", "NoneType"]),
        (lambda m: vg.Sequential(vg.Dense(3), input_shape=4), TypeError, ["layers: ", "Dense"]),
        (sequential(3), TypeError, ["layers: ", "expected layers", "3", "int"]),
        (sequential("dense"), TypeError, ["layers: ", "expected layers", "dense", "str"]),
        (sequential(vg.Dense), TypeError, ["layers: ", "expected layers", "Dense"]),
        (sequential(*[vg.Dense(3)] * 2), ValueError, ["layers: ", "once", "twice"]),
        (
            sequential(vg.Dense(3, name="a"), vg.Dense(3, name="a")),
            ValueError,
            ["layers: ", "distinct names", "a"],
        ),
        (
            sequential(vg.Dense(3), vg.Dense(3, name="dense1")),
            ValueError,
            ["layers: ", "'dense1'"],
        ),
        (
            lambda m: vg.Sequential([m.layers[0]], input_shape=4),
            ValueError,
            ["layers: ", "dense1", "belongs to a model"],
        ),
        (sequential(vg.Dense(3), input_shape=0), ValueError, ["input_shape: ", "at least 1", "0"]),
        (sequential(vg.Dense(3), input_shape=-4), ValueError, ["input_shape: ", "-4"]),
        (sequential(vg.Dense(3), input_shape=True), TypeError, ["input_shape: ", "True", "bool"]),
        (sequential(vg.Dense(3), input_shape=4.0), TypeError, ["input_shape: ", "4.0", "float"]),
        (sequential(vg.Dense(3), input_shape="4"), TypeError, ["input_shape: ", "'4'", "str"]),
        (sequential(vg.Dense(3), input_shape=(4, 0)), ValueError, ["input_shape: ", "at least 1"]),
        (sequential(vg.Dense(3), input_shape=(2, 2, 2)), ValueError, ["(features,)", "(2, 2, 2)"]),
        (sequential(vg.Dense(3), input_shape=()), ValueError, ["input_shape: ", "()"]),
        (sequential(vg.Dense(3), input_shape=[4]), TypeError, ["input_shape: ", "tuple", "[4]"]),
        (
            sequential(vg.Dense(3), dtype="float16"),
            ValueError,
            ["dtype: ", "float32 or float64", "'float16'"],
        ),
        (sequential(vg.Dense(3), dtype=int), ValueError, ["dtype: ", "float32 or float64", "int"]),
        (
            sequential(vg.Dense(3), dtype="float23"),
            ValueError,
            ["dtype: ", "float32 or float64", "'float23'"],
        ),
        (sequential(vg.Dense(3), dtype=64), ValueError, ["dtype: ", "float32 or float64", "64"]),
        (
            sequential(vg.Dense(3), dtype=">f4"),
            ValueError,
            ["dtype: ", "float32 or float64", ">f4"],
        ),
        (
            sequential(vg.Dense(3), dtype=None),
            ValueError,
            ["dtype: ", "float32 or float64", "None"],
        ),
        *(
            (sequential(vg.Dense(3), seed=seed), error, ["seed: ", repr(seed)])
            for seed, error in ((-1, ValueError), ("a", TypeError), (1.5, TypeError))
        ),
    ]
)
def test_models(call, error, fragments):
    refused(call, error, fragments, model())


@pytest.mark.parametrize(
    "build",
    [
        lambda layer: vg.Sequential([layer], input_shape=0),
        lambda layer: vg.Sequential([layer], input_shape=4, dtype="float16"),
        lambda layer: vg.Sequential([layer, vg.Dense(3, name="dense1")], input_shape=4),
        lambda layer: vg.Sequential(
            [layer, vg.Dense(3, weight_initializer=lambda shape, rng, dtype: np.ones(2))],
            input_shape=4,
        ),
    ],
    ids=["input_shape", "dtype", "names", "initializer"],
)
def test_layers_of_a_refused_model_can_be_used_again(build):
    layer = vg.Dense(3)
    with pytest.raises(ValueError, match=r"expected|given"):
        build(layer)
    assert layer.name is None
    vg.Sequential([vg.Dense(2), layer], input_shape=4)


@pytest.mark.parametrize(("value", "error", "fragments"), COUNTS)
def test_units(value, error, fragments):
    refused(lambda m: vg.Dense(value), error, ["units: ", *fragments], model())


@table(
    [
        (
            lambda m: vg.Dense(3, "sigmiod"),
            ValueError,
            ["activation: ", "tanh", "'sigmiod'", "did you mean 'sigmoid'"],
        ),
        (lambda m: vg.Dense(3, "ReLU"), ValueError, ["activation: ", "did you mean 'relu'"]),
        (lambda m: vg.Dense(3, "blue cheese"), ValueError, ["activation: ", "'blue cheese'"]),
        (lambda m: vg.Dense(3, 7), TypeError, ["activation: ", "name", "int"]),
        (lambda m: vg.Dense(3, vg.elu), TypeError, ["activation: ", "name", "function"]),
        (
            lambda m: vg.Dense(3, weight_initializer="xavier"),
            ValueError,
            ["weight_initializer: ", "xavier_uniform", "'xavier'", "did you mean 'xavier_"],
        ),
        (
            lambda m: vg.Dense(3, bias_initializer="zeroes"),
            ValueError,
            ["bias_initializer: ", "did you mean 'zeros'"],
        ),
        (lambda m: vg.Dense(3, weight_initializer=0.1), TypeError, ["weight_initializer: ", "0.1"]),
        (lambda m: vg.Dense(3, name="a.b"), ValueError, ["name: ", "'a.b'"]),
        (lambda m: vg.Dense(3, name=""), ValueError, ["name: ", "non-empty"]),
        (lambda m: vg.Dense(3, name=3), TypeError, ["name: ", "str", "3"]),
        (lambda m: vg.leaky_relu(-0.1), ValueError, ["alpha: ", "at least 0", "-0.1"]),
        (lambda m: vg.leaky_relu("a"), TypeError, ["alpha: ", "number", "'a'"]),
        (lambda m: vg.elu(0), ValueError, ["alpha: ", "above 0", "got 0"]),
        (lambda m: vg.elu(np.nan), ValueError, ["alpha: ", "finite", "nan"]),
    ]
)
def test_layers(call, error, fragments):
    refused(call, error, fragments, model())


@table(
    [
        (
            lambda m: m.compile("mean_square_error"),
            ValueError,
            ["loss: ", "binary_crossentropy", "did you mean 'mean_squared_error'"],
        ),
        (
            lambda m: m.compile("crossentropy"),
            ValueError,
            ["loss: ", "vgcore calls it 'sparse_categorical", "'categorical_crossentropy'"],
        ),
        (lambda m: m.compile(None), TypeError, ["loss: ", "name", "NoneType"]),
        (
            lambda m: m.compile("mse", "adm"),
            ValueError,
            ["optimizer: ", "sgd, momentum", "'adm'", "did you mean 'adam'"],
        ),
        (lambda m: m.compile("mse", 0.1), TypeError, ["optimizer: ", "Optimizer", "0.1"]),
        (lambda m: m.compile("mse", vg.SGD), TypeError, ["optimizer: ", "SGD"]),
        (
            lambda m: m.compile("mse", reduction="sum"),
            ValueError,
            ["reduction: ", "mean, batchmean", "'sum'"],
        ),
        (
            lambda m: m.compile("mse", clip_norm=1, clip_value=1),
            ValueError,
            ["clip_value: ", "either clip_norm or clip_value", "both"],
        ),
        *(
            (
                lambda m, argument=argument, value=value: m.compile("mse", **{argument: value}),
                error,
                [f"{argument}: ", *fragments],
            )
            for argument in ("clip_norm", "clip_value")
            for value, error, fragments in (
                (0, ValueError, ["above 0", "got 0"]),
                (-1.5, ValueError, ["above 0", "got -1.5"]),
                (np.nan, ValueError, ["finite", "got nan"]),
                (np.inf, ValueError, ["finite", "got inf"]),
                (True, TypeError, ["number", "True", "bool"]),
                ("1", TypeError, ["number", "'1'", "str"]),
            )
        ),
    ]
)
def test_compile(call, error, fragments):
    refused(call, error, fragments, model())


@pytest.mark.parametrize(
    ("loss", "output"),
    [
        ("binary_crossentropy", "relu"),
        ("binary_crossentropy", "tanh"),
        ("categorical_crossentropy", "sigmoid"),
        ("sparse_categorical_crossentropy", "relu"),
    ],
)
def test_losses_of_probabilities_want_an_output_of_probabilities(loss, output):
    m = model("mse", output)
    refused(lambda m: m.compile(loss), ValueError, ["loss: ", loss, "softmax", repr(output)], m)


@pytest.mark.parametrize("optimizer", [vg.SGD, vg.Adam])
@pytest.mark.parametrize(
    ("argument", "value", "error", "fragments"),
    [
        ("learning_rate", -1e-9, ValueError, ["at least 0", "got -1e-09"]),
        ("learning_rate", -1, ValueError, ["at least 0", "got -1"]),
        ("learning_rate", np.nan, ValueError, ["finite", "nan"]),
        ("learning_rate", np.inf, ValueError, ["finite", "inf"]),
        ("learning_rate", True, TypeError, ["number", "True", "bool"]),
        ("learning_rate", "0.1", TypeError, ["number", "'0.1'", "str"]),
        ("learning_rate", [0.1], TypeError, ["number", "[0.1]", "list"]),
        ("learning_rate", 0.1j, TypeError, ["number", "0.1j", "complex"]),
        ("weight_decay", -0.1, ValueError, ["at least 0", "-0.1"]),
        ("weight_decay", None, TypeError, ["number", "None"]),
    ],
)
def test_settings_of_optimizers(optimizer, argument, value, error, fragments):
    with pytest.raises(error) as caught:
        optimizer(**{argument: value})
    assert all(fragment in str(caught.value) for fragment in (f"{argument}: ", *fragments))


@table(
    [
        (lambda m: vg.SGD(momentum=1), ValueError, ["momentum: ", "below 1", "got 1"]),
        (lambda m: vg.SGD(momentum=-0.1), ValueError, ["momentum: ", "at least 0", "-0.1"]),
        (lambda m: vg.SGD(nesterov=True), ValueError, ["nesterov: ", "momentum above 0"]),
        (lambda m: vg.SGD(momentum=0.9, nesterov="no"), TypeError, ["nesterov: ", "'no'"]),
        (lambda m: vg.Adam(beta1=1), ValueError, ["beta1: ", "below 1", "got 1"]),
        (lambda m: vg.Adam(beta2=-1), ValueError, ["beta2: ", "at least 0", "-1"]),
        (lambda m: vg.Adam(epsilon=0), ValueError, ["epsilon: ", "above 0", "got 0"]),
    ]
)
def test_settings_of_one_optimizer(call, error, fragments):
    refused(call, error, fragments, model())


@pytest.mark.parametrize(
    ("value", "error"),
    [(np.nan, ValueError), (-0.1, ValueError), ("fast", TypeError), (None, TypeError)],
)
def test_learning_rates_that_are_assigned_are_checked(value, error):
    m = model()
    weights = m.state_dict()["dense1.weight"]

    def train():
        m.optimizer.learning_rate = value
        m.train_on_batch(X, Y)

    with pytest.raises(error, match="learning_rate: "):
        train()
    assert (m.state_dict()["dense1.weight"] == weights).all()


# ---- trackers, threads, parameters


@pytest.mark.parametrize(("value", "error", "fragments"), COUNTS)
def test_every(value, error, fragments):
    refused(lambda m: vg.GradientFlow(every=value), error, ["every: ", *fragments], model())


@pytest.mark.parametrize(("value", "error", "fragments"), COUNTS)
def test_threads(value, error, fragments):
    before = vg.get_num_threads()
    refused(lambda m: vg.set_num_threads(value), error, ["n: ", *fragments], model())
    assert vg.get_num_threads() == before


@table(
    [
        (lambda m: vg.GradientFlow(steps=[3, -1]), ValueError, ["steps: ", "at least 0", "-1"]),
        (lambda m: vg.GradientFlow(steps=[1.5]), TypeError, ["steps: ", "integer", "1.5"]),
        (lambda m: vg.GradientFlow(steps=[True]), TypeError, ["steps: ", "integer", "True"]),
        (lambda m: vg.GradientFlow(2, steps=[1]), ValueError, ["steps: ", "either every or steps"]),
        (lambda m: vg.GradientFlow(steps=5), TypeError, ["steps: ", "5"]),
        (lambda m: vg.GradientFlow(steps=[2**64]), ValueError, ["steps: "]),
        (lambda m: vg.GradientFlow().detla, AttributeError, ["GradientFlow", "'detla'"]),
        (lambda m: m.summary(0), ValueError, ["batch_size: ", "at least 1", "got 0"]),
        (lambda m: m.summary(1.5), TypeError, ["batch_size: ", "integer", "1.5"]),
        (lambda m: vg.Dense(3).weight, AttributeError, ["Dense", "weight", "model"]),
    ]
)
def test_trackers_and_summaries(call, error, fragments):
    refused(call, error, fragments, model())


def assign(name, value):
    return lambda m: setattr(m.layers[0], name, value)


@table(
    [
        (assign("weight", X[:5].T), ValueError, ["dense1.weight: ", "(5, 4)", "(4, 5)"]),
        (assign("bias", 1.0), ValueError, ["dense1.bias: ", "(5,)", "()"]),
        (assign("bias", X[0]), ValueError, ["dense1.bias: ", "(5,)", "(4,)"]),
        *(
            (assign("bias", value), error, ["dense1.bias: ", *fragments])
            for value, error, fragments in (
                ([1, 2, 3, 4, 1e300], ValueError, ["finite"]),
                ([np.nan, 2, 3, 4, -1e300], ValueError, ["finite", "bias[4]"]),
                (list("12345"), TypeError, ["real numbers", "<U1"]),
                ([1, 2, 3, 4, 5j], TypeError, ["real numbers", "complex"]),
            )
        ),
    ]
)
def test_assigned_parameters(call, error, fragments):
    refused(call, error, fragments, model())


def test_assigned_parameters_may_be_what_a_network_is_left_in():
    m = model()
    m.layers[0].bias = [1, np.nan, np.inf, -np.inf, 5]
    np.testing.assert_array_equal(m.state_dict()["dense1.bias"], [1, np.nan, np.inf, -np.inf, 5])


def test_shapes_of_more_than_three_sizes_are_refused():
    with pytest.raises(ValueError, match=r"input_shape: expected .*height, width.*\(2, 3, 4, 5\)"):
        vg.Sequential([vg.Flatten(), vg.Dense(3)], input_shape=(2, 3, 4, 5))
