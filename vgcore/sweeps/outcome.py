"""One run, where it runs: what came of it, or how it failed, in a form that any executor can send."""

from __future__ import annotations

import json
import numbers
import platform
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from vgcore import _validate
from vgcore._core.simd import level
from vgcore._version import __version__
from vgcore.flow import GradientFlow
from vgcore.sweeps.grid import COLUMNS


class Outcome(NamedTuple):
    """What came of a run: ``traceback`` is None of one that is done."""

    result: dict[str, float]
    flows: dict[str, GradientFlow]
    traceback: str | None
    seconds: float = 0.0
    host: str | None = None
    cpu_level: str | None = None
    versions: Mapping[str, str] = {}

    @classmethod
    def failed(cls, error: BaseException) -> Outcome:
        """Of a run that never came back."""
        return cls({}, {}, "".join(traceback.format_exception(error)))


def call(train: Callable[..., Any], config: str, seed: int, attempt: int, *data: Any) -> Outcome:
    """Do a run. What it raises comes back as text, for not every exception can be sent.

    ``attempt`` tells calls apart for executors that remember what a call gave.
    """
    begin = time.monotonic()
    result: dict[str, float] = {}
    flows: dict[str, GradientFlow] = {}
    failure = None
    try:
        result, flows = _sorted(train(json.loads(config), seed, *data), json.loads(config))
    except (Exception, SystemExit) as error:
        own = error.__traceback__ and error.__traceback__.tb_next
        failure = "".join(traceback.format_exception(type(error), error, own))
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "vgcore": __version__,
    }
    return Outcome(
        result, flows, failure, time.monotonic() - begin, platform.node(), level, versions
    )


def _sorted(
    given: Any, config: Mapping[str, Any]
) -> tuple[dict[str, float], dict[str, GradientFlow]]:
    """The numbers and the records that came back."""
    if not isinstance(given, Mapping):
        raise TypeError(
            f"train: expected it to return a dict of numbers, got {_validate.kind(given)}"
        )
    result, flows = {}, {}
    for name, value in given.items():
        if not isinstance(name, str):
            raise TypeError(f"train: expected it to return a dict with names, got {name!r}")
        if name in config or name in COLUMNS:
            raise ValueError(
                f"train: expected names that neither the grid nor the table has, got {name!r}"
            )
        if isinstance(value, GradientFlow):
            flows[name] = value
        else:
            result[name] = _number(name, value)
    return result, flows


def _number(name: str, value: Any) -> float:
    """A number of whatever library, as JSON has it."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()
    if isinstance(value, numbers.Integral):  # True, too
        return value if isinstance(value, bool) else int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    hint = "; its last is one" if isinstance(value, list | tuple) else ""
    raise TypeError(
        f"train: expected it to return numbers and flows, got {_validate.kind(value)} for {name!r}{hint}"
    )
