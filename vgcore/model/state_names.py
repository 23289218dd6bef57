"""Names of parameters in the states of other models, PyTorch's above all, as this model's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Shapes = Mapping[str, tuple[int, ...]]
Groups = dict[tuple[str, int], dict[str, str]]

_STACKED = re.compile(r"(.+)_l(\d+)(_reverse)?")  # PyTorch's weight_ih_l0, weight_ih_l1_reverse
_COUNT = "num_batches_tracked"  # of batch norms; only a momentum of None reads it
_BLOCK = re.compile(r"(residual|parallel)\d+\.")  # blocks that nobody named


class Translated(NamedTuple):
    """Names of a state: of this model's parameters, who they are there; and why others are nobody's."""

    names: dict[str, str]
    unexpected: list[Any]
    hint: str


def translate(given: Mapping[Any, Any], shapes: Shapes) -> Translated:
    """Find the parameters, whose ``shapes`` are by this model's names, in a state.

    A state has this model's names, or PyTorch's: of recurrent layers, and of modules in modules, whose dots
    may be underscores here and whose sums may be blocks that nobody named. Where no layer of it is called as
    one of this model, but parameters and shapes are the same layer by layer, layers go by their order.
    """
    flat = _flattened(shapes)
    keys = [key for key in given if key in shapes or _last(key) != _COUNT]
    names = {key: key for key in keys if key in shapes}
    for key in keys:  # what is called exactly so goes first
        name = _ours(key, shapes, flat)
        names.setdefault(key if name in names else name, key)
    layers = {name.rpartition(".")[0] for name in shapes}
    hint = ""
    if keys and all(isinstance(key, str) for key in keys) and not layers & set(map(_layer, names)):
        hint, ordered = _by_order(given, _groups(_counted(keys)), shapes)
        names = ordered or names
    unexpected = [key for name, key in names.items() if name not in shapes]
    return Translated({n: key for n, key in names.items() if n in shapes}, unexpected, hint)


def _last(key: Any) -> Any:
    return key.rpartition(".")[2] if isinstance(key, str) else key


def _layer(name: Any) -> Any:
    return name.rpartition(".")[0] if isinstance(name, str) else name


def _flattened(shapes: Shapes) -> dict[str, str]:
    """The model's names by what is left of them without dots, where that says which."""
    found: dict[str, list[str]] = {}
    for name in shapes:
        found.setdefault(_flat(_BLOCK.sub("", name)), []).append(name)
    return {flat: names[0] for flat, names in found.items() if len(names) == 1}


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _ours(key: Any, shapes: Shapes, flat: Mapping[str, str]) -> Any:
    """The model's name for a parameter of a layer that is called the same."""
    if key in shapes or not isinstance(key, str):
        return key
    candidates = [key]
    stacked = _STACKED.fullmatch(_last(key))
    if stacked is not None:
        name, number, reverse = stacked[1], int(stacked[2]), stacked[3] or ""
        candidates = [f"{_layer(key)}.{number}.{name}{reverse}"]
        if number == 0:
            candidates.append(f"{_layer(key)}.{name}{reverse}")
    same = [each for each in candidates if each in shapes]
    return next(iter(same + [flat[_flat(each)] for each in candidates if _flat(each) in flat]), key)


def _counted(keys: list[str]) -> list[str]:
    """Layers that differ by their numbers alone, by these: a file may have sorted "10" in front of "2"."""
    if len({re.sub(r"\d+", "0", _layer(key)) for key in keys}) > 1:
        return keys
    return sorted(keys, key=lambda key: [int(number) for number in re.findall(r"\d+", _layer(key))])


def _groups(keys: Iterable[str]) -> Groups:
    """The parameters of each layer, in order; PyTorch numbers those of one stack of recurrent layers."""
    groups: Groups = {}
    for key in keys:
        stacked = _STACKED.fullmatch(_last(key))
        number = int(stacked[2]) if stacked else 0
        name = f"{stacked[1]}{stacked[3] or ''}" if stacked else _last(key)
        groups.setdefault((_layer(key), number), {})[name] = key
    return groups


def _by_order(
    given: Mapping[Any, Any], theirs: Groups, shapes: Shapes
) -> tuple[str, dict[str, str] | None]:
    """Names by the order of layers, or why there are none."""
    ours = _groups(shapes)
    rename = "; rename them: {" + f"{next(iter(shapes))!r}: state[{next(iter(given))!r}], ..." + "}"
    if len(ours) != len(theirs):
        return (
            f"; it has {len(theirs)} layers with parameters and the model {len(ours)}{rename}",
            None,
        )
    names = {}
    for ((layer, _), mine), ((other, _), its) in zip(ours.items(), theirs.items(), strict=True):
        expected = {name: shapes[key] for name, key in mine.items()}
        came = {name: _shape(given[key]) for name, key in its.items()}
        if came != expected:
            return (
                f"; by order {other or 'its layer'!r} would be {layer!r}, which has {_listed(expected)}, but "
                f"it has {_listed(came)}{rename}"
            ), None
        names.update({mine[name]: its[name] for name in mine})
    return "", names


def _shape(value: Any) -> tuple[int, ...] | None:
    shape = getattr(value, "shape", None)
    return None if shape is None else tuple(shape)


def _listed(shapes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
