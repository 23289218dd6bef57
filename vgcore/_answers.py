"""Errors that answer words of other libraries, and slips of the keyboard, with vgcore's own words.

An AttributeError of what is not there, a TypeError of a keyword that nothing takes, a ValueError of a name
that is unknown: each ends with what `vgcore.foreign` says. Until a call has failed only a ``try`` is run.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import re
import sys
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from vgcore.foreign import ATTRIBUTES, FIELDS, INPUTS, KEYWORDS, MEMBERS, NAMES, SURPLUS

Kind = TypeVar("Kind", bound=type)


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def _said(answer: str | None) -> str:
    """The end of a message."""
    if answer is None:
        return ""
    renamed = re.fullmatch(r"[\w.]+|'\w+'.*", answer)
    return f"; vgcore calls it {answer}" if renamed else f"; {answer}"


@functools.lru_cache(maxsize=1024)  # getattr with a default asks in vain, and often for the same
def _near(word: str, options: tuple[str, ...]) -> str:
    """The end of a message where a word may be a slip of the keyboard."""
    near = difflib.get_close_matches(word, options, n=2, cutoff=0.75)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def name(argument: str, value: str) -> str:
    """What to say of an unknown name that is given as an argument; nothing, if it is nobody's."""
    known = NAMES.get(argument.rpartition("_")[2], {})
    plain = _plain(value)
    return _said(known.get(plain) or known.get(plain.removesuffix("loss")))


def field(value: str, options: Iterable[str]) -> str:
    """What to say of a field that a record or picture does not have: what it calls the same thing there."""
    known = list(options)
    for names in FIELDS:
        meant = [name for name in names if name in known]
        if value.lower() in names and meant:
            return f"; did you mean {' or '.join(map(repr, meant[:2]))}?"
    return ""


def no_name(argument: str, value: Any) -> str:
    """What to say of an object where a name is expected: a loss of PyTorch, or a number of inputs."""
    if argument.endswith("activation") and isinstance(value, int) and not isinstance(value, bool):
        return _said(INPUTS)
    return name(argument, getattr(value, "__name__", type(value).__name__))


def attributes(module: str, later: Mapping[str, str] | None = None) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module, which is asked for what is not there.

    ``later``: what is imported when it is asked for, by name: "module", or "module:name in it".
    """
    places = later or {}

    def missing(word: str) -> Any:
        if word in places:
            return _imported(sys.modules[module], word, places[word])
        answer = None if word.startswith("_") else ATTRIBUTES.get(_plain(word))
        room = sys.modules[module]
        if answer is not None and sys._getframe(1).f_code.co_name == "_handle_fromlist":
            # An AttributeError would be lost: "from vgcore import Linear" makes an error of its own
            raise ImportError(
                f"cannot import name {word!r} from {module!r}{_said(answer)}", name=module
            )
        hint = _said(answer) or _near(word, tuple(vars(room).get("__all__", ())))
        raise AttributeError(
            f"module {module!r} has no attribute {word!r}{hint}", name=word, obj=room
        )

    return missing


def _imported(room: Any, word: str, place: str) -> Any:
    """Import what a room hands on, and leave it there."""
    source, _, name = place.partition(":")
    found: Any = importlib.import_module(source)
    found = getattr(found, name) if name else found
    setattr(room, word, found)
    return found


def member(owner: Any, word: str) -> str:
    """What to say of an attribute that an object does not have; nothing, if it is nobody's."""
    for kind in type(owner).__mro__:
        answer = MEMBERS.get(kind.__name__, {}).get(word)
        if answer is not None and (not answer.isidentifier() or answer in _public(owner)):
            return _said(answer)
    return ""


def _public(owner: object) -> tuple[str, ...]:
    """Names of an object's attributes that are not the house's own."""
    names = (*dir(type(owner)), *vars(owner))
    return tuple(each for each in names if not each.startswith("_"))


def refuse_member(self: Any, word: str) -> Any:
    """The ``__getattr__`` of objects, which is asked for what is not there."""
    hint = ""
    if not word.startswith("_") and not hasattr(type(self), word):
        hint = member(self, word) or _near(word, _public(self))
    if not hint:
        return object.__getattribute__(self, word)  # raises as it did
    raise AttributeError(
        f"{type(self).__name__!r} object has no attribute {word!r}{hint}", name=word, obj=self
    )


def keyword(callee: str, word: str, parameters: Iterable[str]) -> str:
    """What to say of a keyword that a callable does not take."""
    options = tuple(parameters)
    for answer in (KEYWORDS.get(f"{callee}.{word}"), KEYWORDS.get(word)):
        if answer is not None and (not answer.isidentifier() or answer in options):
            return _said(answer)
    return _near(word, options)


def refuse_keywords(callee: Callable[..., Any], given: Iterable[str]) -> None:
    """TypeError if a call failed for a keyword that is no parameter's, and there is more to say of it."""
    parameters = inspect.signature(callee).parameters
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return
    called = callee.__qualname__.removesuffix(".__init__").rpartition(".")[2]
    for word in given:
        if word not in parameters and (hint := keyword(called, word, parameters)):
            raise TypeError(
                f"{called}() got an unexpected keyword argument {word!r}{hint}"
            ) from None


class Answering(ABCMeta):
    """Its classes' constructors answer keywords that are not their own."""

    if not TYPE_CHECKING:  # for whom a class is called as its constructor is

        def __call__(cls, *arguments, **options):
            """Make an object."""
            try:
                return super().__call__(*arguments, **options)
            except TypeError:
                refuse_keywords(cls, options)
                raise

    @property
    def __signature__(cls) -> inspect.Signature:
        """The constructor's, which `help` shows."""
        whole = inspect.signature(cls.__init__)  # type: ignore[misc]
        return whole.replace(parameters=[*whole.parameters.values()][1:])


def answering(function: Any) -> Any:
    """The function, which answers keywords that are not its own; its signature is as it was."""

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except TypeError as error:
            refuse_keywords(function, options)
            answer = SURPLUS.get(function.__qualname__)
            if answer is not None and " positional arguments " in str(error):
                raise TypeError(f"{error}{_said(answer)}") from None
            raise

    return called


def answering_methods(*names: str) -> Callable[[Kind], Kind]:
    """Decorate a class: its methods of these names answer keywords that are not their own."""

    def decorate(kind: Kind) -> Kind:
        for each in names:
            setattr(kind, each, answering(vars(kind)[each]))
        return kind

    return decorate
