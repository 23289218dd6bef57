"""Lets threadpoolctl limit the engine's threads and list them, wherever somebody else imports it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from vgcore._version import __version__

_NAME = "threadpoolctl"


def control(
    prefix: str, symbol: str, *, get: Callable[[], int], set_: Callable[[int], None]
) -> None:
    """Register a library with threadpoolctl: now, or when it is imported.

    So a limit that is set before the engine's first call counts as well.

    Parameters
    ----------
    prefix, symbol : str
        How the library's file name begins, and what it exports that no other does.
    get, set_ : callable
        Tell and limit the number of threads.
    """

    def register(threadpoolctl: ModuleType) -> None:
        if hasattr(threadpoolctl, "register"):  # since 3.2
            threadpoolctl.register(_controller(threadpoolctl, prefix, symbol, get, set_))

    if _NAME in sys.modules:
        register(sys.modules[_NAME])
    else:
        sys.meta_path.insert(0, _AfterImport(register))


def _controller(
    threadpoolctl: ModuleType,
    prefix: str,
    symbol: str,
    get: Callable[[], int],
    set_: Callable[[int], None],
) -> type:
    """A class of threadpoolctl's for the engine's threads."""

    def set_num_threads(self: Any, n: int) -> None:
        set_(n)

    members = {
        "user_api": "vgcore",
        "internal_api": "vgcore",
        "filename_prefixes": (prefix,),
        "check_symbols": (symbol,),
        "get_num_threads": lambda self: get(),
        "set_num_threads": set_num_threads,
        "get_version": lambda self: __version__,
    }
    return type("VgcoreController", (threadpoolctl.LibController,), members)


class _AfterImport:
    """Calls a function with threadpoolctl when somebody has imported it."""

    def __init__(self, function: Callable[[ModuleType], None]) -> None:
        self._function = function

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that others find, whose loader calls the function in the end."""
        if name != _NAME:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            sys.meta_path.remove(self)
            self._function(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
