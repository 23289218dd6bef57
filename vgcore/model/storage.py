"""Models in files: one ``.npz`` without pickle, holding arrays and one JSON text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vgcore import _npz, _validate, optimizers, treatment
from vgcore.layers.base import make

if TYPE_CHECKING:
    from vgcore.model.sequential import Sequential
    from vgcore.model.session import Session

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
    arrays = {name: _validate.array(f"{argument}[{name!r}]", given[name]) for name in views}
    for name, array in arrays.items():
        if array.shape != views[name].shape:
            raise ValueError(
                f"{argument}[{name!r}]: expected shape {views[name].shape}, got {array.shape}"
            )
        arrays[name] = _validate.finite(f"{argument}[{name!r}]", array, views[name].dtype)
    for name, array in arrays.items():
        views[name][...] = array


def load_state(session: Session, state: Mapping[str, ArrayLike]) -> None:
    """See `Sequential.load_state_dict`."""
    with session.turn:
        load_arrays("state", session.layout.views(session.values), state)


def pack(session: Session) -> dict[str, Array]:
    """All of a network as arrays."""
    description = {"format": _FORMAT, **session.description()}
    arrays = {
        f"{kind}/{name}": array
        for kind, vector in session.vectors().items()
        for name, array in session.layout.copies(vector).items()
    }
    text = json.dumps(description, default=lambda value: value.tolist())
    return {"description": np.array(text), **arrays}


def unpack(arrays: Mapping[str, Array]) -> Sequential:
    """The model that `pack` described; ValueError, KeyError, ... if it described none."""
    from vgcore.model.sequential import Sequential

    description = json.loads(str(arrays["description"]))
    if description.pop("format") != _FORMAT:
        raise ValueError(f"it is not of format {_FORMAT!r}")
    model = Sequential(
        [make(layer) for layer in description["layers"]],
        input_shape=tuple(description["input_shape"]),
        dtype=description["dtype"],
    )
    compiled = description["compiled"]
    if compiled:
        arguments = treatment.arguments(compiled)
        arguments["optimizer"] = optimizers.from_config(compiled["optimizer"])
        model.compile(**arguments)
    session = model.session
    for kind, vector in session.vectors().items():
        mine = {
            name.removeprefix(f"{kind}/"): array
            for name, array in arrays.items()
            if name.startswith(f"{kind}/")
        }
        load_arrays(kind, session.layout.views(vector), mine)
    _resume(session, description)
    return model


def _resume(session: Session, description: Mapping[str, Any]) -> None:
    """Go on from a saved description: the steps done, what the schedule of learning rates has seen, and
    what random numbers come from.
    """
    if session.chosen is not None:
        session.chosen.course.resume(description["plateau"])
    session.seed = description["seed"]
    session.step = _validate.integer("step", description["step"], minimum=0)
    state = description["rng"]
    bit_generator = getattr(np.random, state["bit_generator"])()
    bit_generator.state = state
    session.rng = np.random.Generator(bit_generator)


def save(session: Session, path: _npz.Path) -> None:
    """See `Sequential.save`."""
    with session.turn:
        arrays = pack(session)
    _npz.write(path, arrays)


def load(path: _npz.Path) -> Sequential:
    """Read a model that `Sequential.save` wrote, with its optimizer's state.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is truncated or not a vgcore model.
    """
    try:
        return unpack(_npz.read(path))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"path: expected a vgcore model, got {path!r}: {error}") from error
