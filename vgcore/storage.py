"""Models in files: one ``.npz`` without pickle, holding arrays and one JSON text."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import layers as layer_classes
from vgcore import optimizers

if TYPE_CHECKING:
    from vgcore.model import Sequential

Array = NDArray[Any]

_FORMAT = "vgcore model 1"


def load_arrays(argument: str, views: Mapping[str, Array], given: Mapping[str, ArrayLike]) -> None:
    """Copy ``given`` into ``views`` of the same names, after checking all of it."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{argument}: expected a dict of arrays, got {type(given).__name__}")
    missing = [name for name in views if name not in given]
    foreign = [name for name in given if name not in views]
    if missing or foreign:
        raise KeyError(
            f"{argument}: expected {', '.join(views)}; missing: {', '.join(missing) or 'none'}; "
            f"unexpected: {', '.join(map(str, foreign)) or 'none'}"
        )
    arrays = {name: np.asarray(given[name]) for name in views}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{argument}[{name!r}]: expected real numbers, got {array.dtype}")
        if array.shape != views[name].shape:
            raise ValueError(
                f"{argument}[{name!r}]: expected shape {views[name].shape}, got {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{argument}[{name!r}]: expected finite numbers, got NaN or infinity")
    for name, array in arrays.items():
        views[name][...] = array


def save(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write ``model`` to exactly ``path``."""
    description = {"format": _FORMAT, **model.description()}
    arrays = {
        f"{kind}/{name}": array
        for kind, vector in model.vectors().items()
        for name, array in model.layout.copies(vector).items()
    }
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=False, description=np.array(json.dumps(description)), **arrays)


def load(path: str | os.PathLike[str]) -> Sequential:
    """Read a model that `Sequential.save` wrote, with its optimizer's state.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is truncated or not a vgcore model.
    """
    from vgcore.model import Sequential

    where = os.fspath(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        description = json.loads(str(arrays.pop("description")))
        if description.pop("format") != _FORMAT:
            raise ValueError(f"it is not of format {_FORMAT!r}")
        model = Sequential(
            [
                getattr(layer_classes, layer.pop("class")).from_config(layer)
                for layer in description["layers"]
            ],
            input_shape=tuple(description["input_shape"]),
            dtype=description["dtype"],
        )
        compiled = description["compiled"]
        if compiled:
            model.compile(
                **{**compiled, "optimizer": optimizers.from_config(compiled["optimizer"])}
            )
        for kind, vector in model.vectors().items():
            mine = {
                name.removeprefix(f"{kind}/"): array
                for name, array in arrays.items()
                if name.startswith(f"{kind}/")
            }
            load_arrays(kind, model.layout.views(vector), mine)
        model.resume(description["step"], description["rng"])
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise ValueError(f"path: expected a vgcore model, got {where!r}: {error}") from error
    return model
