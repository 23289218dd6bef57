"""Changes of layers: activations, starts, norms, skips, cells, width and depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vgcore import initializers
from vgcore.diagnosis.changes.base import Given, change
from vgcore.diagnosis.changes.stacks import (
    WEIGHTED,
    activated_by,
    hidden_rewritten,
    output_at,
    rewritten,
)
from vgcore.diagnosis.recipe import Recipe
from vgcore.initializers import Initializer
from vgcore.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    LayerNorm,
    Parallel,
    Residual,
)
from vgcore.layers.base import Layer
from vgcore.layers.normalisation import Normalisation
from vgcore.layers.recurrent import Recurrent

_RECTIFIERS = (
    "relu",
    "leaky_relu",
    "relu6",
    "elu",
    "celu",
    "gelu",
    "gelu_tanh",
    "silu",
    "mish",
    "hard_swish",
)
_LEAST_UNITS, _LEAST_FILTERS = 32, 16
_MOST_DENSE = 2  # hidden Dense layers in a row that "shallower" leaves


def _start_of(activation: str) -> str:
    """The start that keeps the signal's size behind an activation."""
    if activation in _RECTIFIERS:
        return "he_normal"
    return "lecun_normal" if activation == "selu" else "xavier_uniform"


def _with_activation(recipe: Recipe, name: str) -> Recipe:
    """Hidden layers with another activation, and the start it asks for."""

    def edit(layer: Layer, rest: Sequence[Layer]) -> Layer | None:
        if isinstance(layer, RNN) and name in ("relu", "tanh"):
            start = "identity" if name == "relu" else "orthogonal"
            return layer.copy(activation=name, recurrent_initializer=start)
        if isinstance(layer, LSTM | GRU) and name == "tanh":
            return layer.copy(activation=name, recurrent_activation="sigmoid")
        if isinstance(layer, WEIGHTED):
            linear = layer.activation.name == "identity" and activated_by(rest)
            function = None if linear else name
            return type(layer)(
                **{
                    **layer.given(),
                    "activation": function,
                    "weight_initializer": _he(name) if linear else _start_of(name),
                }
            )
        if isinstance(layer, Activation | Normalisation | Residual):
            return None if layer.activation.name == "identity" else layer.copy(activation=name)
        return None

    return recipe.of_layers(hidden_rewritten(recipe.layers, edit), fresh=True)


def _he(name: str) -> Initializer:
    """The start of a linear layer whose activation comes behind it."""
    return initializers.get(_start_of(name), name)


@change("relu, He starts", family="activation")
def relu(recipe: Recipe, data: Given) -> Recipe | None:
    """ReLU in hidden layers with He starts (He et al. 2015, arXiv 1502.01852); of RNNs with the identity
    (Le, Jaitly and Hinton 2015, arXiv 1504.00941).
    """
    return _with_activation(recipe, "relu")


@change("leaky relu, He starts", family="activation")
def leaky_relu(recipe: Recipe, data: Given) -> Recipe | None:
    """Leaky ReLU in hidden layers with He starts: no unit is dead (Maas, Hannun and Ng 2013)."""
    return _with_activation(recipe, "leaky_relu")


@change("elu, He starts", family="activation")
def elu(recipe: Recipe, data: Given) -> Recipe | None:
    """ELU in hidden layers with He starts (Clevert et al. 2016, arXiv 1511.07289)."""
    return _with_activation(recipe, "elu")


@change("selu, LeCun starts", family="activation")
def selu(recipe: Recipe, data: Given) -> Recipe | None:
    """SELU in hidden layers with LeCun starts (Klambauer et al. 2017, arXiv 1706.02515)."""
    return _with_activation(recipe, "selu")


@change("tanh, Xavier starts", family="activation")
def tanh(recipe: Recipe, data: Given) -> Recipe | None:
    """Tanh in hidden layers with Xavier starts (Glorot and Bengio 2010); in cells, with sigmoid gates."""
    return _with_activation(recipe, "tanh")


@change("starts that suit the activations")
def start(recipe: Recipe, data: Given) -> Recipe | None:
    """He starts of rectifiers, LeCun's of selu, Xavier's of others, biases of 0, recurrent weights that are
    orthogonal.
    """

    def edit(layer: Layer, rest: Sequence[Layer]) -> Layer | None:
        if isinstance(layer, WEIGHTED):
            name = layer.activation.name
            if name == "identity":
                name = next(
                    (
                        each.activation.name
                        for each in rest[:2]
                        if isinstance(each, Activation | Normalisation)
                    ),
                    name,
                )
            return layer.copy(
                weight_initializer=_he(name) if name in _RECTIFIERS else _start_of(name),
                bias_initializer="zeros",
            )
        if isinstance(layer, Recurrent):
            plain = {"weight_initializer": "xavier_uniform", "bias_initializer": "zeros"}
            keep = isinstance(layer, RNN) and layer.activation.name in _RECTIFIERS
            return layer.copy(recurrent_initializer="identity" if keep else "orthogonal", **plain)
        return None

    return recipe.of_layers(rewritten(recipe.layers, edit), fresh=True)


def _normed(recipe: Recipe, norm: type[BatchNorm] | type[LayerNorm]) -> Recipe | None:
    """A norm between each hidden layer and its activation; behind recurrent layers that give sequences."""

    def edit(layer: Layer, rest: Sequence[Layer]) -> Layer | list[Layer] | None:
        if rest and isinstance(rest[0], Normalisation):
            return None
        if isinstance(layer, WEIGHTED):
            if layer.activation.name == "softmax":
                return None
            return [layer.copy(activation=None), norm(layer.activation)]
        if isinstance(layer, Recurrent) and norm is LayerNorm and rest:
            return [layer, norm()]
        return None

    return recipe.of_layers(hidden_rewritten(recipe.layers, edit))


@change("batch norm", family="norm")
def batchnorm(recipe: Recipe, data: Given) -> Recipe | None:
    """Batch normalisation in front of each hidden activation (Ioffe and Szegedy 2015, arXiv 1502.03167).

    A last minibatch that is smaller is left out, for it may be one of a single sample.
    """
    batch = recipe.fitting["batch_size"]
    if min(batch, len(data.x)) < 2:
        return None
    made = _normed(recipe, BatchNorm)
    if made is None or repr(made.layers) == repr(recipe.layers):
        return None
    if len(data.x) < batch:
        return made
    return replace(made, fitting={**made.fitting, "drop_last": True})


@change("layer norm", family="norm")
def layernorm(recipe: Recipe, data: Given) -> Recipe | None:
    """Layer normalisation in front of each hidden activation, behind recurrent layers (Ba, Kiros and Hinton
    2016, arXiv 1607.06450).
    """
    return _normed(recipe, LayerNorm)


@change("skip connections")
def skip(recipe: Recipe, data: Given) -> Recipe | None:
    """A skip around each two hidden layers that keep the shape; each block starts as the identity (He et al.
    2016, arXiv 1512.03385; ReZero: Bachlechner et al. 2021, arXiv 2003.04887).
    """
    if recipe.names_layers:
        return None
    shapes = recipe.build(0).session.shapes
    made: list[Layer] = []
    block: list[Layer] = []
    end, weighted = output_at(recipe.layers), 0

    def close() -> None:
        nonlocal weighted
        anonymous = [layer.copy() for layer in block]
        for layer in anonymous:
            layer.name = None
        made.extend([Residual(anonymous, gate=0.0)] if weighted == 2 else anonymous)
        block.clear()
        weighted = 0

    for place, layer in enumerate(recipe.layers):
        counts = isinstance(layer, (*WEIGHTED, Recurrent))
        fits = place < end and shapes[place] == shapes[place + 1]
        if not fits or (counts and weighted == 2):
            close()
        if not fits or not (counts or block):
            made.append(layer.copy())
            continue
        block.append(layer)
        weighted += counts
    close()
    skips = any(isinstance(layer, Residual) and layer.gate_start == 0.0 for layer in made)
    return recipe.of_layers(made, fresh=True) if skips else None


def _with_cell(recipe: Recipe, cell: type[LSTM] | type[GRU]) -> Recipe | None:
    def edit(layer: Layer, rest: Sequence[Layer]) -> Layer | None:
        if not isinstance(layer, Recurrent) or isinstance(layer, cell):
            return None
        given = {name: getattr(layer, name) for name in Recurrent.arguments}
        return cell(**{**given, "activation": "tanh", "name": layer.name})

    return _if_recurrent(recipe, rewritten(recipe.layers, edit))


@change("LSTM cells", family="cell")
def lstm(recipe: Recipe, data: Given) -> Recipe | None:
    """LSTMs in place of other recurrent layers (Hochreiter and Schmidhuber 1997)."""
    return _with_cell(recipe, LSTM)


@change("GRU cells", family="cell")
def gru(recipe: Recipe, data: Given) -> Recipe | None:
    """GRUs in place of other recurrent layers (Cho et al. 2014, arXiv 1406.1078)."""
    return _with_cell(recipe, GRU)


@change("orthogonal recurrent starts")
def orthogonal(recipe: Recipe, data: Given) -> Recipe | None:
    """Recurrent weights that start orthogonal (Saxe, McClelland and Ganguli 2014, arXiv 1312.6120)."""

    def edit(layer: Layer, rest: Sequence[Layer]) -> Layer | None:
        if not isinstance(layer, Recurrent):
            return None
        return layer.copy(recurrent_initializer="orthogonal")

    return _if_recurrent(recipe, rewritten(recipe.layers, edit))


@change("forget gates that start open")
def forget_bias(recipe: Recipe, data: Given) -> Recipe | None:
    """Biases of the forget gates that start at 1 (Jozefowicz, Zaremba and Sutskever 2015)."""

    def edit(layer: Layer, rest: Sequence[Layer]) -> Layer | None:
        if not isinstance(layer, LSTM):
            return None
        return layer.copy(unit_forget_bias=True, bias_initializer="zeros")

    if not any("LSTM(" in repr(layer) for layer in recipe.layers):
        return None
    return recipe.of_layers(rewritten(recipe.layers, edit), fresh=True)


def _if_recurrent(recipe: Recipe, layers: list[Layer]) -> Recipe | None:
    """Drawn anew if there is a recurrent layer; None without one."""
    found = any(isinstance(part, Recurrent) for layer in layers for part in layer.parts())
    return recipe.of_layers(layers, fresh=True) if found else None


@change("layers that are not stateful")
def stateless(recipe: Recipe, data: Given) -> Recipe | None:
    """Sequences that begin from zeros each, for shuffled rows do not go on from each other."""

    def edit(layer: Layer, rest: Sequence[Layer]) -> Layer | None:
        return layer.copy(stateful=False) if isinstance(layer, Recurrent) else None

    return recipe.of_layers(rewritten(recipe.layers, edit))


@change("less dropout")
def less_dropout(recipe: Recipe, data: Given) -> Recipe | None:
    """A quarter of each dropout rate."""

    def edit(layer: Layer, rest: Sequence[Layer]) -> Layer | None:
        if isinstance(layer, Dropout):
            return layer.copy(rate=layer.rate / 4)
        if isinstance(layer, Recurrent) and (layer.dropout or layer.recurrent_dropout):
            return layer.copy(
                dropout=layer.dropout / 4, recurrent_dropout=layer.recurrent_dropout / 4
            )
        return None

    return recipe.of_layers(rewritten(recipe.layers, edit))


@change("wider hidden layers", family="size")
def wider(recipe: Recipe, data: Given) -> Recipe | None:
    """At least 32 units (16 filters) in each hidden layer, where no block asks for as many as there are."""

    def edit(layer: Layer, rest: Sequence[Layer]) -> Layer | None:
        if isinstance(layer, Dense | Recurrent) and layer.units < _LEAST_UNITS:
            return layer.copy(units=_LEAST_UNITS)
        if isinstance(layer, Conv1d | Conv2d) and layer.filters < _LEAST_FILTERS:
            return layer.copy(filters=_LEAST_FILTERS) if layer.groups == 1 else None
        return None

    if any(isinstance(layer, Residual | Parallel) for layer in recipe.layers):
        return None
    end = output_at(recipe.layers)
    widened = [
        edit(layer, ()) if place < end else None for place, layer in enumerate(recipe.layers)
    ]
    layers = [
        layer.copy() if found is None else found
        for layer, found in zip(recipe.layers, widened, strict=True)
    ]
    return recipe.of_layers(layers)


@change("fewer layers", family="size")
def shallower(recipe: Recipe, data: Given) -> Recipe | None:
    """Two of hidden Dense layers in a row, one of a stack of recurrent ones; what stands behind a layer
    goes with it.
    """
    if recipe.names_layers:
        return None
    made: list[Layer] = []
    end, run, dropping = output_at(recipe.layers), 0, False
    for place, layer in enumerate(recipe.layers):
        if place >= end or not isinstance(layer, (Dense, Activation, Normalisation, Dropout)):
            run, dropping = 0, False
        elif isinstance(layer, Dense):
            run += 1
            dropping = run > _MOST_DENSE
        if dropping:
            continue
        if isinstance(layer, Recurrent) and layer.num_layers > 1:
            layer = layer.copy(num_layers=1, dropout=0.0)
        made.append(layer.copy())
    for layer in made if len(made) < len(recipe.layers) else ():
        layer.name = None
    return recipe.of_layers(made, fresh=len(made) < len(recipe.layers))
