"""Records in files: what is written, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _npz, _validate
from vgcore._files import Path
from vgcore.flow import choice
from vgcore.flow.choice import Choice
from vgcore.flow.record import PARTS, Declaration, Part, Walk

Arrays = dict[str, NDArray[Any]]

_MOST_COUNTED = 2.0**62
_LOWEST, _HIGHEST = -1074, 1023  # of a double, subnormals included


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Write what a `GradientFlow` is made of, `GradientFlow.__getstate__`, to exactly ``path``."""
    declared: Declaration = state["declared"]
    arrays: dict[str, Any] = {
        "layers": np.array(declared.layers, np.str_),
        **_of_choice("", Choice(state["every"], state["steps"])),
        **{_key(name): rows for name, rows in state["columns"].items()},
        **{f"gates/{name}": np.array(w.gates, np.str_) for name, w in declared.walks.items()},
    }
    for part, chosen in state["chosen"].items():
        arrays.update(_of_choice(f"{part}/", chosen) if chosen else {})
    for part, told in state["parts"].items():
        arrays.update({f"{part}/{_key(name)}": rows for name, rows in _of_part(told).items()})
    _npz.write(path, arrays)


def read(path: Path) -> dict[str, Any]:
    """What `write` wrote, as `GradientFlow.__setstate__` takes it; ValueError where it is anything else."""
    name = _validate.path("path", path)
    with _npz.refusing(name, "a GradientFlow record"):
        arrays = _npz.read(name)
        wanted = _choice("", arrays) or Choice(1)
        chosen = {part: _choice(f"{part}/", arrays) or Choice() for part in PARTS}
        declared = _declaration(arrays)
        return {
            "every": wanted.every,
            "steps": wanted.steps,
            "chosen": chosen,
            "declared": declared,
            "parts": {
                part: _part(part, arrays, declared) for part in PARTS if f"{part}/place" in arrays
            },
            "columns": _columns(arrays, declared),
        }


def _key(name: str | tuple[str, str]) -> str:
    """What an array of the record is called in a file."""
    return name if isinstance(name, str) else "/".join(name)


def _of_choice(prefix: str, chosen: Choice) -> Arrays:
    """Which steps a record, or a part of it, is to be of."""
    listed = {} if chosen.steps is None else {f"{prefix}steps": chosen.steps}
    return {f"{prefix}every": np.array([chosen.every]), **listed}


def _choice(prefix: str, arrays: Arrays) -> Choice | None:
    """The same from a file, whose arrays it takes; None where it does not say, as one of earlier days."""
    chosen = None
    for name in (f"{prefix}every", f"{prefix}steps"):
        if name not in arrays:
            continue
        array = arrays.pop(name)
        one = name.endswith("every")
        if array.ndim != 1 or array.dtype.kind != "i" or (one and array.size != 1):
            raise ValueError(f"{name}: expected integers, got {array.dtype} {array.shape}")
        if one:
            chosen = Choice(_validate.integer(name, int(array[0]), minimum=1))
        else:
            chosen = choice.steps_of(name, array.tolist())
    return chosen


def _declaration(arrays: Arrays) -> Declaration:
    """What a file's record is of; ValueError that says what it is, if it holds none."""
    if "description" in arrays:
        raise ValueError("it is a model; use vgcore.load")
    if not {"layers", "step", "delta"} <= arrays.keys():
        raise ValueError(f"it is an .npz file of other arrays ({_npz.some(arrays)})")
    walks = {
        key.removeprefix("gates/"): _texts(key, names)
        for key, names in arrays.items()
        if key.startswith("gates/")
    }
    return Declaration(
        _texts("layers", arrays["layers"]),
        {name: Walk(gates, f"time_cell/{name}" in arrays) for name, gates in walks.items()},
    )


def _texts(name: str, array: NDArray[Any]) -> tuple[str, ...]:
    """A file's list of names."""
    if array.ndim != 1 or array.dtype.kind != "U":
        raise ValueError(f"{name}: expected a list of names, got {array.dtype} {array.shape}")
    return tuple(map(str, array))


def _columns(arrays: Arrays, declared: Declaration) -> Arrays:
    """The columns of a record in a file, without its parts; ValueError where one is missing, too many, of
    another shape or of other numbers.
    """
    wanted = declared.empty().columns()
    known = {"layers", *map(_key, wanted), *(f"gates/{name}" for name in declared.walks)}
    if known ^ arrays.keys():
        raise ValueError(f"it lacks, or has too many of, {_npz.some(known ^ arrays.keys())}")
    columns: dict[Any, NDArray[Any]] = {}
    steps = arrays["step"].size
    times = {walk: arrays[f"time/{walk}"].shape[1:2] for walk in declared.walks}
    for name, empty in wanted.items():
        key = _key(name)
        array = arrays[key]
        shape: tuple[int | None, ...] = (steps, *empty.shape[1:])
        if isinstance(name, tuple):
            shape = (steps, *(times[name[1]] or (None,)), *empty.shape[2:])
        check_shape(key, array, shape)
        if array.dtype.kind != empty.dtype.kind:
            raise ValueError(f"{key}: expected {empty.dtype}, got {array.dtype}")
        columns[name] = array.astype(empty.dtype, copy=False) if steps else empty
    if (arrays["step"] < 0).any():
        raise ValueError("step: expected numbers of at least 0")
    return columns


def _of_part(part: Part) -> dict[Any, NDArray[Any]]:
    return {"place": part.place, **part.columns}


def _part(name: str, arrays: Arrays, declared: Declaration) -> Part:
    """A part of the record, whose arrays it takes; ValueError likewise."""
    taken: dict[Any, NDArray[Any]] = {}
    place = arrays[f"{name}/place"]
    for column, empty in _of_part(declared.empty_part(name)).items():
        key = f"{name}/{_key(column)}"
        array = arrays.pop(key)
        check_shape(key, array, (place.size, *(size or None for size in empty.shape[1:])))
        if array.dtype.kind != empty.dtype.kind:
            raise ValueError(f"{key}: expected {empty.dtype}, got {array.dtype}")
        taken[column] = array
    if place.size and not (
        place[0] >= 0 and (np.diff(place) > 0).all() and place[-1] < arrays["step"].size
    ):
        raise ValueError(f"{name}/place: expected places of steps, rising, got {place}")
    part = Part(taken.pop("place"), taken)
    if name == "distributions":
        _check_counts(part)
    else:
        _check_units(part)
    return part


def _check_units(part: Part) -> None:
    """ValueError unless a layer has as many units in each field."""
    widths: dict[str, int] = {}
    for (field, layer), array in part.columns.items():
        units = widths.setdefault(layer, array.shape[1])
        check_shape(f"units/{field}/{layer}", array, (len(part.place), units))


def _check_counts(part: Part) -> None:
    """ValueError unless distributions are of numbers that can be counted, and of a double's exponents."""
    for (field, what), array in part.columns.items():
        if what == "lowest" and (array.min(initial=0) < _LOWEST or array.max(initial=0) > _HIGHEST):
            raise ValueError(
                f"distributions/{field}/lowest: expected exponents from {_LOWEST} to {_HIGHEST}, got "
                f"{array.min()} to {array.max()}"
            )
        if what != "lowest" and array.sum(dtype=np.float64) > _MOST_COUNTED:
            raise ValueError(
                f"distributions/{field}/{what}: expected at most {_MOST_COUNTED:.3g} in all"
            )


def check_shape(name: str, array: NDArray[Any], shape: tuple[int | None, ...]) -> None:
    """ValueError unless it is of ``shape``, where None is any number T."""
    if array.ndim != len(shape) or any(
        size not in (None, came) for size, came in zip(shape, array.shape, strict=True)
    ):
        sizes = ", ".join("T" if size is None else str(size) for size in shape)
        raise ValueError(f"{name}: expected shape ({sizes}), got {array.shape}")
