"""Records that become one."""

from __future__ import annotations

from collections.abc import Iterable

from vgcore import _validate
from vgcore.flow.tracker import GradientFlow


def concat(flows: Iterable[GradientFlow]) -> GradientFlow:
    """Join records of the same layers, one after the other, into a new one.

    Parameters
    ----------
    flows : sequence of GradientFlow
        Their steps must rise from each to the next, as those of one training do; a step that was refused, or
        only looked at (`Sequential.gradient_flow`), may be followed by one of its number. Records of nothing
        are left out.

    Returns
    -------
    GradientFlow
        It shares nothing with them, and goes on with a model of the same layers.

    Raises
    ------
    TypeError, ValueError
        If there are none, one is no `GradientFlow`, layers differ, or steps do not rise.
    """
    if isinstance(flows, GradientFlow):
        raise TypeError("flows: expected a sequence of GradientFlow, got one")
    given = list(_validate.items("flows", flows, "a sequence of GradientFlow"))
    for place, flow in enumerate(given):
        if not isinstance(flow, GradientFlow):
            raise TypeError(
                f"flows[{place}]: expected a GradientFlow, got {flow!r} ({_validate.kind(flow)})"
            )
    if not given:
        raise ValueError("flows: expected at least one GradientFlow, got none")
    declared = next((place for place, flow in enumerate(given) if flow.layers), 0)
    first = next((place for place, flow in enumerate(given) if len(flow)), declared)
    for place, flow in enumerate(given[:first]):
        given[first].check_alike(flow, place)
    joined: GradientFlow = given[first].joined(given[first + 1 :], first + 1)
    return joined
