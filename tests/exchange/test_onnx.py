"""Models as ONNX files and back: what onnxruntime and ONNX's own evaluator make of them; what is refused."""

import builtins

import numpy as np
import pytest

import vgcore as vg

onnx = pytest.importorskip("onnx")

from onnx_runs import drawn, evaluate, run, samples  # noqa: E402

IMAGE, SEQUENCE, VECTOR = (4, 9, 8), (None, 4), (5,)
ACTIVATIONS = (
    "identity", "sigmoid", "tanh", "relu", "leaky_relu", "relu6", "elu", "selu", "gelu", "gelu_tanh", "silu",
    "mish", "hard_swish", "softplus", "softsign", "hard_sigmoid", "softmax", "softmin",
)  # fmt: skip
CELLS = (vg.RNN, vg.LSTM, vg.GRU)
OPTIONS = (
    {}, {"use_bias": False}, {"num_layers": 2, "dropout": 0.1}, {"go_backwards": True},
    {"initial_state": "learned"},
)  # fmt: skip
CASES = {
    **{name: ([vg.Dense(4, name), vg.Activation(name)], VECTOR) for name in ACTIVATIONS},
    "slopes": ([vg.Dense(4, vg.leaky_relu(0.3)), vg.Dense(4, vg.elu(0.5)), vg.PReLU()], VECTOR),
    "Dense at timesteps": ([vg.Dense(3, "relu"), vg.Dense(2, "softmax", use_bias=False)], SEQUENCE),
    "Conv2d": ([vg.Conv2d(6, (3, 2), "relu", stride=2, padding=(1, 0), groups=2)], IMAGE),
    "Conv2d same": ([vg.Conv2d(6, (4, 3), padding="same", dilation=(2, 1)), vg.PReLU()], IMAGE),
    "Conv1d": ([vg.Conv1d(5, 3, padding="same"), vg.Conv1d(5, 4, "tanh", padding="same")], (9, 4)),
    "images": (
        [
            vg.Conv2d(4, 3), vg.BatchNorm("tanh", momentum=0.2, epsilon=0.01),
            vg.MaxPool(3, stride=1, padding=1), vg.AvgPool(2, padding=1), vg.Flatten(), vg.Dense(3),
        ],
        IMAGE,
    ),
    "pools": (
        [
            vg.AvgPool(3, stride=1, padding=1, count_include_pad=False), vg.MaxPool(2, stride=1, dilation=2),
            vg.AvgPool(2, stride=1, dilation=2), vg.GlobalMaxPool(),
        ],
        IMAGE,
    ),
    "norms of images": (
        [
            vg.LayerNorm(), vg.GroupNorm(2, "relu"), vg.RMSNorm(scale=False), vg.PReLU(shared=True),
            vg.InstanceNorm(), vg.Activation("softmax"), vg.GlobalAvgPool(),
        ],
        IMAGE,
    ),
    "norms of sequences": (
        [
            vg.BatchNorm(), vg.GroupNorm(2), vg.LayerNorm("tanh", scale=False), vg.InstanceNorm(scale=True),
            vg.PReLU(), vg.RMSNorm(epsilon=0.1), vg.MaxPool(2), vg.Activation("softmax"), vg.GlobalAvgPool(),
        ],
        (8, 4),
    ),
    "norms of vectors": ([vg.GroupNorm(5), vg.RMSNorm("relu"), vg.BatchNorm(scale=False)], VECTOR),
    "Reshape": (
        [vg.Dense(24), vg.Reshape((2, 3, 4)), vg.Conv2d(2, 3), vg.Reshape((2, 2)), vg.Flatten()], VECTOR,
    ),
    "while training": (
        [
            vg.Dropout(0.2), vg.GaussianNoise(0.1), vg.AlphaDropout(0.1), vg.Dropout(0.1, across_time=True),
            vg.Dense(2),
        ],
        SEQUENCE,
    ),
    "branches": (
        [
            vg.Parallel([vg.Dense(3), [vg.GRU(3, return_sequences=True), vg.LayerNorm()], vg.Dense(3)]),
            vg.Residual([vg.LSTM(3, return_sequences=True)], gate=0.3), vg.RNN(2),
        ],
        SEQUENCE,
    ),
    "blocks": (
        [
            vg.Residual([vg.Conv2d(4, 3, padding=1), vg.BatchNorm()], activation="relu", gate=0.5),
            vg.Parallel([vg.Conv2d(2, 1), [vg.Conv2d(3, 1, "silu"), vg.LayerNorm()]], merge="concat"),
            vg.Residual([vg.Conv2d(5, 1), vg.Residual([vg.BatchNorm()])], shortcut=[vg.Conv2d(5, 1)]),
        ],
        IMAGE,
    ),
    **{
        f"{cell.__name__} {more}": ([cell(5, return_sequences=True, **more), cell(3, **more)], SEQUENCE)
        for cell in CELLS
        for more in OPTIONS
    },
    **{
        f"Bidirectional {cell.__name__} {more}": (
            [vg.Bidirectional(cell(5, return_sequences=True, **more)), vg.Bidirectional(cell(3, **more))],
            SEQUENCE,
        )
        for cell in CELLS
        for more in OPTIONS
        if "go_backwards" not in more
    },
    "peepholes": ([vg.LSTM(5, peepholes=True, return_sequences=True), vg.Dense(2)], SEQUENCE),
    "GRU reset before": ([vg.GRU(5, reset_after=False), vg.Dense(2)], SEQUENCE),
}  # fmt: skip
BEYOND_REFERENCE = {  # whose cells have no other activations, and whose GlobalMaxPool is of images alone
    "GlobalMaxPool of sequences": ([vg.Dense(3), vg.GlobalMaxPool()], (8, 4)),
    **{f"RNN {name}": ([vg.RNN(5, name)], SEQUENCE) for name in ("relu", "softsign", "softplus")},
    **{
        f"{cell.__name__} {name}": (
            [cell(5, activation, recurrent_activation="hard_sigmoid")],
            SEQUENCE,
        )
        for name, activation in (("slope", vg.leaky_relu(0.2)), ("elu", vg.elu(0.5)))
        for cell in (vg.LSTM, vg.GRU)
    },
}
SINGLE = {  # of float64, what is single precision in a file or in the evaluator
    "leaky_relu": 1e-8, "selu": 1e-6, "gelu": 1e-6, "gelu_tanh": 1e-6, "hard_swish": 1e-6,
    "hard_sigmoid": 1e-6, "slopes": 1e-6, "images": 1e-7, "norms of images": 1e-6, "norms of sequences": 1e-6,
    "norms of vectors": 1e-6, "blocks": 1e-6,
}  # fmt: skip


@pytest.mark.parity
@pytest.mark.parametrize("case", {**CASES, **BEYOND_REFERENCE, "celu": 0})
def test_onnxruntime_computes_the_same(case, tmp_path):
    layers, shape = {**CASES, **BEYOND_REFERENCE, "celu": ([vg.Dense(4, "celu")], VECTOR)}[case]
    model = drawn(layers, shape)
    vg.exchange.to_onnx(model, tmp_path / "model.onnx")
    x = samples(shape)
    found = run(tmp_path / "model.onnx", x)
    assert found is not None and found.dtype == "float32"
    np.testing.assert_allclose(found, model.predict(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parity
def test_onnxruntime_in_double_precision_where_it_has_it(tmp_path):
    ran = []
    for case, (layers, shape) in CASES.items():
        model = drawn(layers, shape, "float64")
        vg.exchange.to_onnx(model, tmp_path / "model.onnx")
        x = samples(shape, "float64")
        found = run(tmp_path / "model.onnx", x)
        if found is not None:
            ran.append(case)
            assert found.dtype == "float64"
            close = SINGLE.get(case, 1e-12)
            np.testing.assert_allclose(found, model.predict(x), atol=close, err_msg=case)
    assert {"sigmoid", "tanh", "relu", "silu", "softmax", "Dense at timesteps"} <= set(ran)


@pytest.mark.parametrize("case", CASES)
def test_the_reference_computes_the_same_in_double_precision(case, tmp_path):
    layers, shape = CASES[case]
    model = drawn(layers, shape, "float64")
    vg.exchange.to_onnx(model, tmp_path / "model.onnx")
    x = samples(shape, "float64")
    found = evaluate(tmp_path / "model.onnx", x)
    close = SINGLE.get(case, 1e-12)
    np.testing.assert_allclose(found, model.predict(x), atol=close, rtol=close)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", {**CASES, **BEYOND_REFERENCE})
def test_there_and_back(case, dtype, tmp_path):
    layers, shape = {**CASES, **BEYOND_REFERENCE}[case]
    model = drawn(layers, shape, dtype)
    vg.exchange.to_onnx(model, tmp_path / "model.onnx")
    again = vg.exchange.from_onnx(tmp_path / "model.onnx")
    assert again.dtype == dtype
    assert again.input_shape == model.input_shape
    x = samples(shape, dtype)
    close = 1e-6 if dtype == "float32" else 1e-14  # a norm without a weight comes back with ones
    np.testing.assert_allclose(again.predict(x), model.predict(x), atol=close)


def test_layers_and_options_come_back(tmp_path):
    layers = [
        vg.Conv1d(5, 3, "relu", padding=1, name="first"),
        vg.BatchNorm("tanh", momentum=0.2, epsilon=0.01),
        vg.Dropout(0.25),
        vg.Bidirectional(vg.LSTM(4, return_sequences=True, peepholes=True)),
        vg.GRU(3, recurrent_activation="hard_sigmoid", reset_after=False),
        vg.LayerNorm(),
        vg.Dense(2, "softmax"),
    ]
    model = drawn(layers, (9, 4))
    vg.exchange.to_onnx(model, tmp_path / "model.onnx")
    assert repr(vg.exchange.from_onnx(tmp_path / "model.onnx")) == repr(model)


def test_embedding(tmp_path):
    model = drawn([vg.Embedding(5, 3), vg.GRU(4)], (None,))
    vg.exchange.to_onnx(model, tmp_path / "model.onnx")
    x = np.random.default_rng(0).integers(0, 5, (3, 7))
    np.testing.assert_allclose(evaluate(tmp_path / "model.onnx", x), model.predict(x), atol=1e-5)
    again = vg.exchange.from_onnx(tmp_path / "model.onnx")
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_the_file_says_what_it_is(tmp_path):
    vg.exchange.to_onnx(drawn([vg.LSTM(3), vg.Dense(2)], SEQUENCE), tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 21)]
    assert [each.name for each in model.graph.input] == ["input"]
    assert [each.name for each in model.graph.output] == ["output"]
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_param or each.dim_value for each in sizes] == ["samples", "timesteps", 4]
    assert {"lstm1.W", "dense1.weight"} <= {each.name for each in model.graph.initializer}


REFUSED = {
    "Highway": ([vg.Highway()], VECTOR, "float32", r"^highway1 \(Highway\): in ONNX it has no counterpart"),
    "snake": ([vg.Dense(3, "snake")], VECTOR, "float32", r"^dense1 \(Dense\): in ONNX .*snake"),
    "formula": ([vg.Activation(vg.activations.formula("z * z"))], VECTOR, "float32", "formula"),
    "cell": ([vg.LSTM(3, "gelu")], SEQUENCE, "float32", "no cell has the activation"),
    "stateful": ([vg.GRU(3, stateful=True)], SEQUENCE, "float32", "stateful=True"),
    "celu": ([vg.Dense(3, "celu")], VECTOR, "float64", "Celu is of float32 alone"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_counterpart_is_named(case, tmp_path):
    layers, shape, dtype, message = REFUSED[case]
    with pytest.raises(NotImplementedError, match=message):
        vg.exchange.to_onnx(drawn(layers, shape, dtype), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_bad_input(tmp_path, monkeypatch):
    model = drawn([vg.Dense(2)], VECTOR)
    with pytest.raises(TypeError, match=r"^model: expected a vgcore\.Sequential, got int"):
        vg.exchange.to_onnx(3, tmp_path / "model.onnx")
    with pytest.raises(TypeError, match=r"^path: expected a path"):
        vg.exchange.to_onnx(model, 3)
    with pytest.raises(FileNotFoundError):
        vg.exchange.to_onnx(model, tmp_path / "nowhere" / "model.onnx")
    with pytest.raises(TypeError, match=r"^path: expected a path"):
        vg.exchange.from_onnx(3)
    with pytest.raises(FileNotFoundError):
        vg.exchange.from_onnx(tmp_path / "nowhere.onnx")
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match=r"^path: expected an ONNX file, got '.*text'"):
        vg.exchange.from_onnx(tmp_path / "text")
    original = builtins.__import__

    def without(name, *arguments, **options):
        if name == "onnx":
            raise ModuleNotFoundError(name, name=name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"^to_onnx needs onnx: .*onnx"):
        vg.exchange.to_onnx(model, tmp_path / "model.onnx")
    with pytest.raises(ModuleNotFoundError, match=r"^from_onnx needs onnx: .*onnx"):
        vg.exchange.from_onnx(tmp_path / "model.onnx")


def test_what_loads_models_says_who_reads_onnx(tmp_path):
    vg.exchange.to_onnx(drawn([vg.Dense(2)], VECTOR), tmp_path / "model.onnx")
    with pytest.raises(
        ValueError, match=r"got .*an ONNX file, which vgcore.exchange.from_onnx reads"
    ):
        vg.load(tmp_path / "model.onnx")
