"""ONNX files that PyTorch wrote, graphs as TensorFlow's exporter writes them, and what is refused."""

import numpy as np
import pytest

import vgcore as vg

onnx = pytest.importorskip("onnx")
helper = onnx.helper

from onnx_runs import run  # noqa: E402


def modules(torch):
    nn = torch.nn

    class Outputs(nn.Module):
        def __init__(self, cell, last=False):
            super().__init__()
            self.cell, self.last = cell, last

        def forward(self, x):
            outputs = self.cell(x)[0]
            return outputs[:, -1] if self.last else outputs

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU())

        def forward(self, x):
            return torch.relu(x + self.body(x))

    return {
        "images": (
            nn.Sequential(
                nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3)
            ),
            (2, 8, 8),
        ),
        "pool": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (2, 8, 8)),
        "sequences": (
            nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(24, 3)), (2, 8),
        ),
        "units": (
            nn.Sequential(
                *(nn.Linear(5, 5), nn.SiLU(), nn.Linear(5, 5), nn.GELU(), nn.Hardswish(), nn.Hardsigmoid()),
                *(nn.ELU(0.5), nn.LeakyReLU(0.2), nn.ReLU6(), nn.Softplus(), nn.PReLU(), nn.Softmax(-1)),
            ),
            (5,),
        ),
        "rows": (nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2)), (5, 3)),
        "groups": (nn.Sequential(nn.Conv2d(2, 4, 3), nn.InstanceNorm2d(4)), (2, 8, 8)),
        "block": (nn.Sequential(nn.Conv2d(2, 3, 1), Block(), nn.Flatten(), nn.Linear(48, 2)), (2, 4, 4)),
        "LSTM": (Outputs(nn.LSTM(3, 4, batch_first=True), last=True), (5, 3)),
        "GRU": (Outputs(nn.GRU(3, 4, num_layers=2, batch_first=True), last=True), (5, 3)),
        "RNN": (Outputs(nn.RNN(3, 4, nonlinearity="relu", batch_first=True)), (5, 3)),
        "both": (Outputs(nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)), (5, 3)),
    }  # fmt: skip


NAMES = (
    "images", "pool", "sequences", "units", "rows", "groups", "block", "LSTM", "GRU", "RNN", "both",
)  # fmt: skip


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("opset", [11, 17, 20])
@pytest.mark.parametrize("name", NAMES)
def test_files_that_pytorch_wrote(name, opset, tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module, shape = modules(torch)[name]
    module.eval()
    axes = {"x": {0: "n"}}
    options = {"input_names": ["x"], "dynamic_axes": axes, "opset_version": opset, "dynamo": False}
    try:
        torch.onnx.export(module, (torch.zeros(2, *shape),), tmp_path / "model.onnx", **options)
    except (TypeError, ModuleNotFoundError) as error:
        pytest.skip(f"this PyTorch has another exporter: {error}")
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    model = _read(name, opset, tmp_path / "model.onnx")
    if model is None:
        return
    turned = x.transpose(0, 2, 1) if name == "sequences" else x
    np.testing.assert_allclose(model.predict(turned).reshape(expected.shape), expected, atol=1e-5)
    if name in ("LSTM", "GRU", "RNN"):
        assert {type(each).__name__ for each in model.layers} == {name}
    if name == "block":
        assert "Residual" in {type(each).__name__ for each in model.layers}


def _read(name, opset, path):
    """Before opset 17 PyTorch takes a LayerNorm apart, before 14 a Hardswish: into what vgcore has not."""
    if (name, opset) in (("rows", 11), ("units", 11)):
        with pytest.raises(NotImplementedError, match=r"vgcore|branches"):
            vg.exchange.from_onnx(path)
        return None
    return vg.exchange.from_onnx(path)


def written(nodes, arrays, sizes, path, opset=13, rank=None):
    kind, value = onnx.TensorProto.FLOAT, helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(*each[:3], **(each[3] if len(each) > 3 else {})) for each in nodes],
        "other",
        [value("x", kind, sizes)],
        [value("y", kind, [None] * (rank or len(sizes)))],
        [onnx.numpy_helper.from_array(np.asarray(a), name) for name, a in arrays.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def draw(*shape):
    return np.random.default_rng(len(shape)).normal(size=shape).astype("float32")


@pytest.mark.parity
def test_channels_last_around_convolutions_and_in_front_of_a_flatten(tmp_path):
    nodes = [
        ("Transpose", ["x"], ["a"], {"perm": [0, 3, 1, 2]}),
        ("Conv", ["a", "w"], ["b"], {"auto_pad": "SAME_UPPER", "kernel_shape": [3, 3]}),
        ("Add", ["b", "c"], ["d"]),
        ("Transpose", ["b"], ["e"], {"perm": [0, 2, 3, 1]}),
        ("Reshape", ["e", "s"], ["f"]),
        ("MatMul", ["f", "m"], ["g"]),
        ("Add", ["g", "v"], ["h"]),
        ("Softmax", ["h"], ["y"], {"axis": -1}),
    ]
    del nodes[2]
    arrays = {
        "w": draw(3, 2, 3, 3), "s": np.array([-1, 60]), "m": draw(60, 4), "v": draw(4),
    }  # fmt: skip
    path = written(nodes, arrays, ["n", 5, 4, 2], tmp_path / "model.onnx", rank=2)
    model = vg.exchange.from_onnx(path)
    assert model.input_shape == (2, 5, 4)
    x = draw(3, 5, 4, 2)
    np.testing.assert_allclose(model.predict(x.transpose(0, 3, 1, 2)), run(path, x), atol=1e-5)


@pytest.mark.parity
def test_time_first(tmp_path):
    nodes = [
        ("GRU", ["x", "w", "r"], ["a", ""], {"hidden_size": 3, "direction": "reverse"}),
        ("Squeeze", ["a", "one"], ["y"]),
    ]
    arrays = {"w": draw(1, 9, 2), "r": draw(1, 9, 3), "one": np.array([1])}
    path = written(nodes, arrays, ["t", "n", 2], tmp_path / "model.onnx")
    model = vg.exchange.from_onnx(path)
    assert model.input_shape == (None, 2)
    assert not model.layers[0].reset_after
    x = draw(5, 4, 2)
    found = model.predict(x.transpose(1, 0, 2)).transpose(1, 0, 2)
    np.testing.assert_allclose(found, run(path, x), atol=1e-5)


CELL = {"w": draw(1, 12, 2), "r": draw(1, 12, 3)}
LSTM = ("LSTM", ["x", "w", "r"], ["", "y"])
DENSE = {"w": draw(2, 2)}
REFUSED = {
    "operator": ([("Sin", ["x"], ["y"])], {}, (3, 2), r"^y \(Sin\): vgcore has no counterpart"),
    "weights of its input": ([("MatMul", ["x", "x"], ["y"])], {}, (2, 2), "lead|parameters|branches"),
    "transA": ([("Gemm", ["x", "w"], ["y"], {"transA": 1})], DENSE, (2, 2), "without factors"),
    "alpha": ([("Gemm", ["x", "w"], ["y"], {"alpha": 2.0})], DENSE, (3, 2), "without factors"),
    "axis": ([("Flatten", ["x"], ["y"], {"axis": 0})], {}, (3, 2, 4), "axis=1"),
    "clip": ([("Clip", ["x"], ["y"], {"min": -1.0, "max": 1.0})], {}, (3, 2), "from 0 to 6", 6),
    "softmax": ([("Softmax", ["x"], ["y"], {"axis": 1})], {}, (3, 2, 4), "softmax over the features"),
    "padding": (
        [("Conv", ["x", "w"], ["y"], {"pads": [0, 0, 1, 1]})], {"w": draw(2, 2, 3, 3)}, (3, 2, 6, 6),
        "both sides",
    ),
    "ceil": (
        [("MaxPool", ["x"], ["y"], {"kernel_shape": [2, 2], "ceil_mode": 1})], {}, (3, 2, 6, 6), "ceil_mode",
    ),
    "clipped cell": ([(*LSTM, {"hidden_size": 3, "clip": 1.0})], CELL, (4, 3, 2), "no clip"),
    "cell": (
        [(*LSTM, {"hidden_size": 3, "activations": ["Sigmoid", "Tanh", "Relu"]})], CELL, (4, 3, 2),
        "one activation",
    ),
    "affine": (
        [(*LSTM, {"hidden_size": 3, "activations": ["Affine", "Tanh", "Tanh"]})], CELL, (4, 3, 2), "Affine",
    ),
    "lengths": (
        [("LSTM", ["x", "w", "r", "", "n"], ["", "y"], {"hidden_size": 3})],
        {**CELL, "n": np.array([4, 4, 4], np.int32)}, (4, 3, 2), "lengths of sequences",
    ),
    "product": (
        [("Sigmoid", ["x"], ["a"]), ("Tanh", ["x"], ["b"]), ("Mul", ["a", "b"], ["y"])], {}, (3, 2),
        "branches are added",
    ),
    "axes": ([("Relu", ["x"], ["y"])], {}, (3, 2, 4, 4, 4), "5 axes"),
    "image": ([("Flatten", ["t"], ["y"]), ], {}, (3, 2, 4, 4), "in another order"),
}  # fmt: skip
REFUSED["image"] = (
    [("Transpose", ["x"], ["t"], {"perm": [0, 2, 3, 1]}), ("Flatten", ["t"], ["y"])],
    *REFUSED["image"][1:],
)


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_counterpart_is_named(case, tmp_path):
    nodes, arrays, sizes, message, *opset = REFUSED[case]
    path = written(nodes, arrays, ["n", *sizes[1:]], tmp_path / "model.onnx", *opset)
    with pytest.raises(NotImplementedError, match=message):
        vg.exchange.from_onnx(path)


def test_open_sizes_are_asked_for(tmp_path):
    nodes = [("Conv", ["x", "w"], ["y"])]
    path = written(nodes, {"w": draw(3, 2, 3, 3)}, ["n", 2, "h", "w_"], tmp_path / "model.onnx")
    with pytest.raises(ValueError, match=r"^input_shape: expected one where the file leaves"):
        vg.exchange.from_onnx(path)
    model = vg.exchange.from_onnx(path, input_shape=(2, 7, 6))
    assert model.predict(draw(3, 2, 7, 6)).shape == (3, 3, 5, 4)
    with pytest.raises(TypeError, match=r"^input_shape: expected an integer or a tuple"):
        vg.exchange.from_onnx(path, input_shape="x")
