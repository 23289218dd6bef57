"""What others make of an ONNX file: onnxruntime, and the reference evaluator of ONNX itself."""

import numpy as np
import pytest

import vgcore as vg


def drawn(layers, shape, dtype="float32"):
    """A model whose parameters are all drawn, biases and statistics too."""
    model = vg.Sequential([each.copy() for each in layers], input_shape=shape, dtype=dtype, seed=0)
    rng = np.random.default_rng(1)
    state = {name: rng.normal(0, 0.4, each.shape) for name, each in model.state_dict().items()}
    model.load_state_dict(
        {
            name: np.abs(each) + 0.5 if "running_var" in name else each
            for name, each in state.items()
        }
    )
    return model


def samples(shape, dtype="float32", rows=4, times=6):
    rng = np.random.default_rng(2)
    return rng.normal(size=(rows, *(size or times for size in shape))).astype(dtype)


def run(path, x):
    """By onnxruntime, on the CPU; None where it has no kernels of this dtype."""
    runtime = pytest.importorskip("onnxruntime")
    runtime.set_default_logger_severity(4)
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: x})[0]
    except Exception as error:
        if "NOT_IMPLEMENTED" in str(error) or "does not support double" in str(error):
            return None
        raise


def evaluate(path, x):
    """By the reference evaluator, which ships with onnx."""
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(str(path)).run(None, {"input": x})[0]
