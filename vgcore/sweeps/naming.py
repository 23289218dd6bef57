"""What the function of a sweep is called: where it was defined, and what it carries along."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any

from vgcore.sweeps.grid import plain

_MOST_SPELLED = 80  # letters; of what is longer there is a digest


def name_of(train: Any, within: tuple[Any, ...] = ()) -> str:
    """The name, the same in every process; that of a function of a module says nothing of what it does.

    What others carry along is part of it: arguments of a partial, attributes of an object, what a function
    within another has of that. So is what a lambda does, for all have one name.

    Parameters
    ----------
    train : callable
    within : tuple
        The functions that carry it.
    """
    within = (*within, train)
    if isinstance(train, partial):
        arguments = {str(place): each for place, each in enumerate(train.args)} | train.keywords
        return name_of(train.func, within) + _told(arguments, within)
    if isinstance(train, MethodType):
        return _where(train) + _told(_attributes(train.__self__), within)
    if not hasattr(train, "__qualname__"):
        return _where(type(train)) + _told(_attributes(train), within)
    name = _where(train)
    if isinstance(train, FunctionType) and "<" in train.__qualname__:  # <locals>, <lambda>
        if train.__name__ == "<lambda>":
            name += f"#{_digest(_code(train.__code__))}"
        name += _told(_variables(train), within)
    return name


def _where(named: Any) -> str:
    """Module and name, wherever it was imported from."""
    module = named.__module__
    if module == "__main__":
        path = getattr(sys.modules["__main__"], "__file__", None)
        module = Path(path).stem if path else module
    return f"{module}.{named.__qualname__}"


def _variables(function: FunctionType) -> dict[str, Any]:
    """What a function has of the one around it, and what its parameters are if they are not given."""
    code, defaults = function.__code__, function.__defaults__ or ()
    parameters = code.co_varnames[: code.co_argcount]
    found = dict(zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True))
    found |= function.__kwdefaults__ or {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # it has no value yet
            continue
    return found


def _attributes(owner: Any) -> dict[str, Any]:
    if isinstance(owner, type):
        return {}
    names = dict.fromkeys(getattr(owner, "__dict__", ()))
    for kind in type(owner).__mro__:
        slots = vars(kind).get("__slots__", ())
        names |= dict.fromkeys([slots] if isinstance(slots, str) else slots)
    return {
        name: getattr(owner, name)
        for name in names
        if not name.startswith("__") and hasattr(owner, name)
    }


def _told(values: Mapping[str, Any], within: tuple[Any, ...]) -> str:
    """Names and values, in brackets; nothing if there are none."""
    told = [f"{name}={_spelled(value, within)}" for name, value in sorted(values.items())]
    return f"({', '.join(told)})" if told else ""


def _spelled(value: Any, within: tuple[Any, ...]) -> str:
    """A value as JSON, the name of a function or a class, or of anything else its kind."""
    if isinstance(value, FunctionType | partial) and not any(value is each for each in within):
        return name_of(value, within)
    if isinstance(value, type):
        return _where(value)
    try:
        spelled = json.dumps(plain("", value), sort_keys=True)
    except Exception:  # whatever its repr raises
        return type(value).__qualname__
    return spelled if len(spelled) <= _MOST_SPELLED else f"#{_digest(spelled)}"


def _code(code: CodeType) -> str:
    """What is done, without where it stands."""
    consts = [
        _code(each) if isinstance(each, CodeType) else _spelled(each, ()) for each in code.co_consts
    ]
    return json.dumps([code.co_code.hex(), code.co_names, consts])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
