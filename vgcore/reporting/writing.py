"""What `vgcore.report` does: check what it is given, gather what the page says, write it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from vgcore import _files, _json, _validate, page
from vgcore._files import Path
from vgcore.diagnosis import Diagnosis
from vgcore.flow import GradientFlow
from vgcore.model import Sequential
from vgcore.model.history import History
from vgcore.reporting import flows, making, packing, verdict


def write(path: Path, model: Any, flow: Any, diagnosis: Any) -> None:
    """See `vgcore.report`."""
    name = _validate.path("path", path)
    named = _checked(model, flow, diagnosis)
    template = page.template("vgcore.reporting", "report.html", short=verdict.short)
    _files.check_writable(name)
    history = None if model is None else model.history
    data = {
        "flows": flows.packed(named) if named else None,
        "history": None if history is None else _course(history),
    }
    text = template.render(
        title=_title(model, named),
        written=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        verdict=None if diagnosis is None else verdict.told(diagnosis),
        model=None if model is None else making.of_model(model),
        machine=making.of_machine(),
        runs=[flows.told(each) for each in data["flows"]["runs"]] if data["flows"] else [],
        precision=packing.PRECISION,
        data=_json.strict(data),
        script=page.script(*page.DRAWING, *page.EXPLORING),
        style=page.style("page.css"),
    )
    _files.replace(name, lambda file: file.write(text.encode()))


def _checked(model: Any, flow: Any, diagnosis: Any) -> dict[str, GradientFlow]:
    """The records by name; TypeError or ValueError where an argument is none that it may be."""
    if model is None and flow is None and diagnosis is None:
        raise ValueError("report: expected model=, flow= or diagnosis=, got none of them")
    if model is not None and not isinstance(model, Sequential):
        raise TypeError(f"model: expected a Sequential or None, got {_validate.kind(model)}")
    if diagnosis is not None and not isinstance(diagnosis, Diagnosis):
        raise TypeError(f"diagnosis: expected a Diagnosis or None, got {_validate.kind(diagnosis)}")
    if flow is None:
        return {}
    if isinstance(flow, GradientFlow):
        flow = {"": flow}
    elif not isinstance(flow, Mapping):
        expected = "a GradientFlow, a dict of names to them, or None"
        raise TypeError(f"flow: expected {expected}, got {_validate.kind(flow)}")
    elif not flow:
        raise ValueError("flow: expected at least one GradientFlow, got an empty dict")
    for name, each in flow.items():
        argument = f"flow[{name!r}]" if name != "" else "flow"
        if not isinstance(name, str):
            raise TypeError(f"flow: expected names (str), got {name!r} ({type(name).__name__})")
        if name.encode(errors="ignore").decode() != name:
            raise ValueError(f"flow: expected names that UTF-8 can hold, got {name!r}")
        if not isinstance(each, GradientFlow):
            raise TypeError(f"{argument}: expected a GradientFlow, got {_validate.kind(each)}")
        if not len(each):
            raise ValueError(f"{argument}: expected a record of at least one step, got none")
    return dict(flow)


def _title(model: Sequential | None, named: Mapping[str, GradientFlow]) -> str:
    runs = [name for name in named if name]
    if runs:
        return f"Report of {', '.join(runs)}"
    return "Report of a network" if model is not None else "Report of a run"


def _course(history: History) -> dict[str, Any] | None:
    """What was measured of each epoch in single numbers."""
    held = {
        name: packing.numbers(values)
        for name, values in history.items()
        if all(np.ndim(each) == 0 for each in values)
    }
    return {"epochs": history.epoch, "values": held} if history.epoch else None
