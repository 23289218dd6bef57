"""The networks of the playground: their controls, and the lines of Python that make them.

A network is made by running the very lines that "copy as Python" gives.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from vgcore import _validate, activations, initializers, layers, optimizers
from vgcore.diagnosis.writing import quoted
from vgcore.live.controls import Choice, Control, InvalidError, Slider, Switch, Text
from vgcore.live.tasks import SAMPLES, SEQUENCES, STILL, TASKS, Values
from vgcore.model import Sequential

ACTIVATIONS = (
    *("sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus"),
    *("softsign", "mish", "identity"),
)
STARTS = {
    "gaussian": "Gaussian, σw / √fan-in",
    "xavier_normal": "Xavier (Glorot)",
    "he_normal": "He (Kaiming)",
    "lecun_normal": "LeCun",
    "orthogonal": "orthogonal",
    "normal": "N(0, 1), whatever the fan-in",
}
NORMS = {"none": "none", "BatchNorm": "batch", "LayerNorm": "layer", "RMSNorm": "RMS"}
CELLS = {"RNN": "RNN", "LSTM": "LSTM", "GRU": "GRU"}
OPTIMIZERS = {
    **{"SGD": "SGD", "Momentum": "momentum", "Nesterov": "Nesterov", "AdaGrad": "AdaGrad"},
    **{"RMSProp": "RMSProp", "Adam": "Adam", "AdamW": "AdamW", "Lion": "Lion"},
}
_HAS_ACTIVATION = {"data": STILL}, {"cell": ["RNN"]}  # to choose; the other cells have their own
_FORGET_BIAS = 1.0  # of `vgcore.LSTM`
_MOST_BYTES = 2**30
_COPIES = 4  # of each parameter: itself, its gradient, two of the optimizer's

CONTROLS: tuple[Control, ...] = (
    Choice(
        "data", {name: task.title for name, task in TASKS.items()}, "spirals", group="Data", help=
        "What the network is to learn."
    ),
    Slider("noise", 0.0, 0.5, 0.05, step=0.01, group="Data",
           when={"data": [name for name in STILL if name != "digits"]}),
    Slider("length", 5, 500, 50, integer=True, log=True, label="length T", group="Data",
           when={"data": SEQUENCES}),
    Slider("seed", 0, 99, 0, integer=True, group="Data"),
    Choice("cell", CELLS, "RNN", group="Network", when={"data": SEQUENCES}),
    Slider("layers", 1, 5, 1, integer=True, label="recurrent layers", group="Network",
           when={"data": SEQUENCES}),
    Slider("depth", 1, 100, 10, integer=True, label="depth: hidden layers", group="Network",
           when={"data": STILL}),
    Slider("width", 2, 512, 30, integer=True, log=True, group="Network"),
    Choice("activation", [*ACTIVATIONS, "formula"], "tanh", group="Network", when=_HAS_ACTIVATION),
    Text("formula", "z * sigmoid(1.702 * z)", label="formula of z", longest=200, group="Network",
         when=[{**each, "activation": ["formula"]} for each in _HAS_ACTIVATION]),
    Choice("norm", NORMS, "none", label="normalisation", group="Network", when={"data": STILL}),
    Switch("skips", False, label="skip connections", group="Network", when={"data": STILL}),
    Choice("start", STARTS, "gaussian", label="start of the weights", group="Start"),
    Slider("sigma_w", 0.05, 12.0, 1.0, log=True, label="σw", group="Start", when={"start": ["gaussian"]}),
    Slider("sigma_b", 0.0, 1.0, 0.0, step=0.01, label="σb, of the biases", group="Start",
           when={"data": STILL}),
    Slider("forget_bias", -2.0, 5.0, _FORGET_BIAS, step=0.1, label="bias of the forget gate", group="Start",
           when={"data": SEQUENCES, "cell": ["LSTM"]}),
    Choice("optimizer", OPTIMIZERS, "SGD", group="Training"),
    Slider("rate", 1e-5, 10.0, 0.03, log=True, label="learning rate", group="Training"),
    Switch("clipped", False, label="clip the gradient's norm", group="Training"),
    Slider("clip", 1e-3, 100.0, 1.0, log=True, label="norm at most", group="Training",
           when={"clipped": [True]}),
    Slider("batch", 1, SAMPLES, 32, integer=True, log=True, label="batch size", group="Training"),
)  # fmt: skip


_NAMES = SimpleNamespace(  # what the lines call vg
    activations=activations,
    initializers=initializers,
    Sequential=Sequential,
    **{name: getattr(room, name) for room in (layers, optimizers) for name in room.__all__},
)


def code(values: Values) -> str:
    """The lines that make the compiled network of the values of controls."""
    task = TASKS[values["data"]]
    head = f"vg.Dense({task.outputs}{'' if task.numbers else ', ' + quoted('softmax')})"
    lines = [
        *_stack(values),
        f"model = vg.Sequential([*layers, {head}], input_shape=x.shape[1:], seed={values['seed']})",
        _compiling(values),
    ]
    if sets_biases(values):
        width, bias = values["width"], values["forget_bias"]
        lines.append("for layer in layers:")
        lines.append(f"    layer.bias_ih[{width}:{2 * width}] = {bias:.3g}")
    return "\n".join(lines)


def sets_biases(values: Values) -> bool:
    """Whether forget gates start otherwise than as their layer draws them, which is all that theory knows."""
    return _is_shown("forget_bias", values) and values["forget_bias"] != _FORGET_BIAS


def built(values: Values, x: Any) -> Sequential:
    """The network of the values of controls, for inputs like x.

    Raises
    ------
    InvalidError
        If there is no such network, or it would need too much memory.
    """
    _check_size(values, x)
    _check_batch(values, x)
    if _is_shown("formula", values):
        try:
            activations.formula(values["formula"])
        except (TypeError, ValueError) as error:
            told = str(error).removeprefix("text: ")  # the argument's name there
            raise InvalidError(f"formula: {told}", "formula") from None
    names = {"vg": _NAMES, "x": x}
    exec(code(values), names)
    model: Sequential = names["model"]
    return model


def _stack(values: Values) -> list[str]:
    """The lines that make the hidden layers."""
    start, lines = quoted(values["start"]), []
    if values["start"] == "gaussian":
        start = "start"
        lines.append(
            f'start = vg.initializers.VarianceScaling({values["sigma_w"]:.4g}, "fan_in", "normal")'
        )
    function = _function(values)
    options = [f"weight_initializer={start}"]
    if TASKS[values["data"]].in_time:
        options.append(f"recurrent_initializer={start}")
        given = [str(values["width"]), *([function] if values["cell"] == "RNN" else [])]
        return [*lines, *_walks(values, ", ".join([*given, *options]))]
    if values["sigma_b"]:
        options.append(f"bias_initializer=vg.initializers.Normal(std={values['sigma_b']:.3g})")
    normed = values["norm"] != "none"
    given = [str(values["width"]), *([] if normed else [function]), *options]
    layer = f"vg.Dense({', '.join(given)})"
    if normed:
        layer += f", vg.{values['norm']}({function})"
    return [*lines, *_dense(values, layer, normed)]


def _dense(values: Values, layer: str, several: bool) -> list[str]:
    depth = values["depth"]
    if values["skips"]:
        return [
            f"blocks = [vg.Residual([{layer}]) for _ in range({depth - 1})]",
            f"layers = [{layer}, *blocks]",
        ]
    if several:
        return [f"layers = [layer for _ in range({depth}) for layer in ({layer})]"]
    return [f"layers = [{layer} for _ in range({depth})]"]


def _walks(values: Values, given: str) -> list[str]:
    cell, count = f"vg.{values['cell']}", values["layers"]
    if TASKS[values["data"]].at_each:
        return [f"layers = [{cell}({given}, return_sequences=True) for _ in range({count})]"]
    if count == 1:
        return [f"layers = [{cell}({given})]"]
    below = f"[{cell}({given}, return_sequences=True) for _ in range({count - 1})]"
    return [f"below = {below}", f"layers = [*below, {cell}({given})]"]


def _compiling(values: Values) -> str:
    """The line that compiles."""
    task = TASKS[values["data"]]
    optimizer = f"vg.{values['optimizer']}({values['rate']:.4g})"
    clip = f", clip_norm={values['clip']:.4g}" if values["clipped"] else ""
    return f'model.compile("{task.loss}", {optimizer}{clip}, on_nonfinite="ignore")'


def _function(values: Values) -> str:
    if not _is_shown("formula", values):
        return quoted(values["activation"])
    return f"vg.activations.formula({quoted(values['formula'])})"


def _is_shown(name: str, values: Values) -> bool:
    """Whether a control counts with the values of all."""
    [control] = (each for each in CONTROLS if each.name == name)
    return control.is_shown(values)


def _check_size(values: Values, x: Any) -> None:
    """Refuse what memory may not hold: parameters, and what one minibatch leaves inside."""
    width, batch = values["width"], min(values["batch"], len(x))
    if TASKS[values["data"]].in_time:
        gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[values["cell"]]
        count, inside, name = values["layers"], 2 * gates * x.shape[1], "width"
        parameters = 2 * gates * width**2 * count
    else:
        count, inside, name = values["depth"], 4, "depth"
        parameters = width**2 * count
    needed = 4 * (_COPIES * parameters + inside * batch * width * count)
    if needed > _MOST_BYTES:
        raise InvalidError(
            f"{name}: expected a network that fits into {_validate.size(_MOST_BYTES)}, got one of "
            f"about {_validate.size(needed)}; make it narrower, shallower, or its batch smaller",
            name,
        )


def _check_batch(values: Values, x: Any) -> None:
    """Refuse minibatches, the last of an epoch included, whose statistics would be of one sample."""
    batch = min(values["batch"], len(x))
    last = len(x) % batch or batch
    if last == 1 and values["norm"] == "BatchNorm" and not TASKS[values["data"]].in_time:
        behind = (
            "" if batch == 1 else f", which of {len(x)} samples leaves 1 for the last minibatch"
        )
        raise InvalidError(
            f"batch: expected minibatches of at least 2 samples, for batch normalisation takes statistics "
            f"over them; got {batch}{behind}",
            "batch",
        )
