"""Models in files without pickle, ``.npz`` or ``.safetensors``, that hold arrays and one JSON text."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from vgcore import _answers, _npz, _safetensors, _validate, losses, optimizers, treatment
from vgcore._files import Path
from vgcore.layers.base import Layer, make, name_layers
from vgcore.model import generators, making, state_names, states
from vgcore.model.parameters import Layout
from vgcore.model.session import lay_out

if TYPE_CHECKING:
    from vgcore.model.sequential import Sequential
    from vgcore.model.session import Session

Array = NDArray[Any]

_FORMAT = "vgcore model 1"
_DEEPEST = 100  # of lists and dicts within each other: about 45 blocks


class LoadedState(NamedTuple):
    """What `Sequential.load_state_dict` has found no match for.

    Attributes
    ----------
    missing_keys : list of str
        The model's parameters that were not given, and are as they were.
    unexpected_keys : list of str
        Names that were given and are of none of the model's parameters.
    """

    missing_keys: list[str]
    unexpected_keys: list[Any]


def state(session: Session) -> dict[str, Array]:
    """See `Sequential.state_dict`."""
    with session.turn:
        return session.layout.copies(session.values)


def load_state(session: Session, given: Mapping[str, ArrayLike], strict: bool) -> LoadedState:
    """See `Sequential.load_state_dict`."""
    layout = session.layout
    _validate.boolean("strict", strict)
    if not isinstance(given, Mapping):
        hint = "; give its state_dict()" if hasattr(given, "state_dict") else ""
        raise TypeError(f"state: expected a dict of arrays, got {type(given).__name__}{hint}")
    with session.turn:
        shapes = layout.shapes
        found = state_names.translate(given, shapes)
        missing = [name for name in shapes if name not in found.names]
        if strict and (missing or found.unexpected):
            raise KeyError(f"{_mismatch('state', shapes, missing, found.unexpected)}{found.hint}")
        arrays = {name: given[key] for name, key in found.names.items()}
        asked = {name: shapes[name] for name in arrays}
        checked = _checked("state", arrays, asked, session.dtype, layout.not_negative)
        _copy(checked, layout.views(session.values))
    return LoadedState(missing, found.unexpected)


def _mismatch(
    argument: str, expected: Iterable[str], missing: list[str], foreign: list[Any]
) -> str:
    return (
        f"{argument}: expected {', '.join(expected)}; missing: {', '.join(missing) or 'none'}; "
        f"unexpected: {', '.join(map(str, foreign)) or 'none'}"
    )


def _checked(
    argument: str,
    given: Mapping[str, ArrayLike],
    shapes: Mapping[str, tuple[int, ...]],
    dtype: DTypeLike,
    not_negative: Container[str] = (),
) -> dict[str, Array]:
    """The given arrays as ``dtype``, if they have the names, the shapes and the signs they should."""
    missing = [name for name in shapes if name not in given]
    foreign = [name for name in given if name not in shapes]
    if missing or foreign:
        raise KeyError(_mismatch(argument, shapes, missing, foreign))
    checked = {}
    for name, shape in shapes.items():
        label = f"{argument}[{name!r}]"
        array = _validate.array(label, given[name])
        if array.shape != shape:
            raise ValueError(f"{label}: expected shape {shape}, got {array.shape}")
        negative = name not in not_negative
        checked[name] = _validate.state(label, array, dtype, negative=negative)
    return checked


def _copy(arrays: Mapping[str, Array], views: Mapping[str, Array]) -> None:
    for name, array in arrays.items():
        views[name][...] = array


def pack(session: Session) -> dict[str, Array]:
    """All of a network as arrays."""
    with session.turn:
        description = describe(session)
        arrays = {
            f"{kind}/{name}": array
            for kind, vector in session.vectors().items()
            for name, array in session.layout.copies(vector).items()
        }
        arrays.update(
            (f"carried/{name}", array.copy()) for name, array in states.by_name(session).items()
        )
    text = json.dumps(description, default=lambda value: value.tolist())
    return {"description": np.array(text), **arrays}


def describe(session: Session) -> dict[str, Any]:
    """What a network is made of, as a file has it; ValueError if none can."""
    _check_optimizer(session)
    description = {"format": _FORMAT, **session.description()}
    _check_depth(description)
    return description


def _check_optimizer(session: Session) -> None:
    """ValueError if the optimizer could not be made again of what is written of it."""
    if session.chosen is None:
        return
    optimizer = session.chosen.optimizer
    try:
        same = optimizers.from_config(optimizer.config()) == optimizer
    except (TypeError, ValueError):
        same = False
    if not same:
        raise ValueError(
            "optimizer: expected one of vgcore's own, with a schedule of vgcore's own, to save or copy "
            f"a model, got {optimizer!r}"
        )


def unpack(arrays: Mapping[str, Array]) -> Sequential:
    """The model that `pack` described; ValueError, KeyError, ... if it described none.

    Nothing is made of the description before the arrays have borne it out: it may ask for any size.
    """
    from vgcore.model.sequential import Sequential

    description = _description(arrays)
    layers = [make(layer) for layer in description["layers"]]
    input_shape = making.shape(tuple(description["input_shape"]))
    dtype = np.dtype(_validate.one_of("dtype", description["dtype"], ("float32", "float64")))
    name_layers(layers)
    layout = Layout(layers, lay_out(layers, input_shape)[1])
    vectors = {"parameters": _vector("parameters", arrays, layout, dtype, layout.not_negative)}
    compiled = description["compiled"]
    if compiled:
        arguments = treatment.arguments(compiled)
        arguments["loss"] = losses.named(compiled["loss"])
        arguments["optimizer"] = optimizer = optimizers.from_config(compiled["optimizer"])
        for kind in optimizer.states:
            not_negative = layout.names if kind in optimizer.squares else ()
            vectors[kind] = _vector(kind, arrays, layout, dtype, not_negative)
    carried = _carried(arrays, description.get("carried"), layers, dtype)

    model = Sequential(layers, input_shape=input_shape, dtype=dtype)
    if compiled:
        model.compile(**arguments)
    session = model.session
    for kind, vector in session.vectors().items():
        _copy(vectors[kind], layout.views(vector))
    session.carried = carried
    _resume(session, description)
    return model


def _description(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """What a model is made of; ValueError that says what it is, if the arrays are not of a model."""
    if "description" not in arrays:
        if {"layers", "step", "delta"} <= arrays.keys():
            raise ValueError("it is a flow; use GradientFlow.load")
        raise ValueError(f"it is an .npz file of other arrays ({_npz.some(arrays)})")
    try:
        description = json.loads(str(arrays["description"]))
    except ValueError as error:
        raise ValueError("its description is no JSON text") from error
    if not isinstance(description, dict) or description.get("format") != _FORMAT:
        raise ValueError(f"it is not of format {_FORMAT!r}")
    _check_depth(description)
    return description


def _check_depth(description: dict[str, Any]) -> None:
    """ValueError if blocks, or schedules, are nested deeper than can be made again in little time."""
    level: list[Any] = [description]
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
    if level:
        raise ValueError(
            "layers: expected blocks and schedules that are nested less deeply, to save or copy a model"
        )


def _vector(
    kind: str,
    arrays: Mapping[str, Array],
    layout: Layout,
    dtype: DTypeLike,
    not_negative: Container[str],
) -> dict[str, Array]:
    """The arrays of one of the flat vectors."""
    return _checked(kind, _below(kind, arrays), layout.shapes, dtype, not_negative)


def _below(kind: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The arrays of a kind, by the rest of their names."""
    prefix = f"{kind}/"
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _carried(
    arrays: Mapping[str, Array], extent: Any, layers: list[Layer], dtype: DTypeLike
) -> states.Carried | None:
    """What stateful layers go on from: ``extent`` is the rows and the timesteps of a minibatch, or None."""
    given = _below("carried", arrays)
    if extent is None:
        _checked("carried", given, {}, dtype)
        return None
    rows, times = (_validate.integer("carried", size, minimum=1) for size in extent)
    kept = [each for each in states.listed(layers) if each.carried]
    if not kept:
        raise ValueError("carried: expected None, for no layer is stateful")
    shapes = {each.name: (rows, each.units) for each in kept}
    checked = _checked("carried", given, shapes, dtype)
    flat = [
        np.array(checked[each.name]) if each.carried else None for each in states.listed(layers)
    ]
    return states.Carried(rows, times, flat)


def _resume(session: Session, description: Mapping[str, Any]) -> None:
    """Go on from a saved description: the steps done, what the schedule of learning rates has seen, and
    what random numbers come from.
    """
    if session.chosen is not None:
        session.chosen.course.resume(description["plateau"])
    session.seed = _validate.integer("seed", description["seed"], minimum=0, maximum=2**64 - 1)
    session.step = _validate.integer("step", description["step"], minimum=0, maximum=2**62)
    session.rng = generators.restore(description["rng"])


def save(session: Session, path: Path) -> None:
    """See `Sequential.save`."""
    path = _validate.path("path", path)
    kind = _safetensors if path.endswith(_safetensors.SUFFIX) else _npz
    kind.write(path, pack(session))


@_answers.answering
def load(path: Path) -> Sequential:
    """Read a model that `Sequential.save` wrote, with its optimizer's state and what its layers carry.

    Parameters
    ----------
    path : str, bytes or os.PathLike
        An ``.npz`` or a safetensors file; which one its content tells.

    Raises
    ------
    FileNotFoundError, OSError
        If there is no such file, or it cannot be read.
    ValueError
        If the file is truncated or not a vgcore model.
    TypeError
        If ``path`` is no path.
    ModuleNotFoundError
        If it is a safetensors file, and safetensors is not installed.
    """
    name = _validate.path("path", path)
    with _npz.refusing(name, "a vgcore model"):
        kind = _safetensors if _safetensors.is_one(name) else _npz
        return unpack(kind.read(name))
