"""A model of a PyTorch module."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import _extras, _validate
from vgcore.exchange import branches
from vgcore.layers.base import Layer, Shape
from vgcore.model import Sequential, making

if TYPE_CHECKING:
    from torch import nn

# PyTorch's axes of inputs that have so many here: of tokens and vectors, of sequences, of images
_AXES = {1: ("nf", "nt", "tn"), 2: ("ntf", "nft", "tnf"), 3: ("nfhw",)}


def from_torch(module: nn.Module, input_shape: int | Shape, dtype: Any = None) -> Sequential:
    """A model with the layers, options, weights and running statistics of a PyTorch module.

    Its outputs are those of ``module.eval()``, its gradients those of ``module.train()``. The module is
    traced by ``torch.fx`` and left as it is; parameters are copied.

    Parameters
    ----------
    module : torch.nn.Module
        Layers one after the other, in `torch.nn.Sequential` or by a ``forward`` of its own, and sums and
        concatenations of branches that begin at one value. The page "With PyTorch" lists what has a
        counterpart.
    input_shape : int or tuple
        Of one sample, as of `vgcore.Sequential`. Sequences are (time, features) here whatever their order
        there: a module that reads (n, channels, time) or (time, n, features) becomes a model that reads and
        gives (n, time, features).
    dtype : {"float32", "float64"}, optional
        By default that of the module's parameters.

    Returns
    -------
    Sequential
        Not compiled. Layers are called as in the module: "0", "fc"; "layer1_0", a block, of "layer1.0".
        Activations that follow a layer with weights, a norm or a sum are that layer's own. Its seed is
        ``torch.initial_seed()``.

    Raises
    ------
    NotImplementedError
        If something has no counterpart; the message begins with its path and says what it lacks.
    TypeError, ValueError
        If it is no module, or inputs of that shape do not fit.
    ImportError
        If PyTorch is not installed.

    Examples
    --------
    >>> from torch import nn  # doctest: +SKIP
    >>> net = nn.Sequential(nn.Linear(64, 30), nn.Tanh(), nn.Linear(30, 10))  # doctest: +SKIP
    >>> model = vg.exchange.from_torch(net, input_shape=64)  # doctest: +SKIP
    """
    with _extras.needing("torch", "from_torch needs"):
        import torch

        from vgcore.exchange.pytorch import tracing

    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module: expected a torch.nn.Module, got {_validate.kind(module)}")
    shape = making.shape(input_shape)
    real = _dtype(module, dtype)
    with tracing.training(module):
        layers, tensors = _read(_whole(module), shape)
        model = Sequential(layers, input_shape=shape, dtype=real, seed=torch.initial_seed())
    places = dict(branches.places(model.layers))
    state = {
        f"{places[id(layer)]}.{name}": tensor
        for layer, mine in tensors
        for name, tensor in mine.items()
    }
    model.load_state_dict(state)
    return model


def _dtype(module: nn.Module, dtype: Any) -> np.dtype[Any]:
    """What was asked for, or that of the parameters."""
    import torch

    if dtype is not None:
        return _validate.real_dtype("dtype", dtype)
    kinds = {each.dtype for each in module.parameters()} or {torch.get_default_dtype()}
    if kinds == {torch.float64}:
        return np.dtype(np.float64)
    if kinds == {torch.float32}:
        return np.dtype(np.float32)
    came = ", ".join(sorted(map(str, kinds)))
    raise ValueError(
        f"dtype: expected 'float32' or 'float64', for the module's parameters are {came}"
    )


def _whole(module: nn.Module) -> nn.Module:
    """A module whose layers have names: a single layer is the only one of another."""
    from torch import nn

    kind = type(module)
    if kind.__module__.startswith("torch.nn") and kind is not nn.Sequential:
        return nn.Sequential(OrderedDict([(kind.__name__.lower(), module)]))
    return module


def _read(module: nn.Module, shape: Shape) -> tuple[list[Layer], list[tuple[Layer, Any]]]:
    """The layers of a module, and each one's tensors: with the order of axes that all of it fits."""
    from vgcore.exchange.pytorch import tracing
    from vgcore.exchange.pytorch.graph import Reader
    from vgcore.exchange.pytorch.places import AxesError

    graph, start, end = tracing.traced(module)
    tracing.check_modes(module, graph)
    best: tuple[int, Exception | None] = (-1, None)
    for axes in _AXES[len(shape)]:
        reader = Reader(module, graph)
        try:
            return reader.read(start, end, axes, shape), reader.tensors
        except AxesError as error:
            if reader.done > best[0]:
                best = (reader.done, error)
    assert best[1] is not None
    raise NotImplementedError(str(best[1])) from None
