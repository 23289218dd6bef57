"""`vgcore.report`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from vgcore._files import Path
from vgcore.flow import GradientFlow
from vgcore.model import Sequential

if TYPE_CHECKING:
    from vgcore.diagnosis import Diagnosis


def report(
    path: Path,
    *,
    model: Sequential | None = None,
    flow: GradientFlow | Mapping[str, GradientFlow] | None = None,
    diagnosis: Diagnosis | None = None,
) -> None:
    """Write a report: one HTML page that needs no network, no server and no other file.

    It says what was found first, shows the record in pictures that can be explored, and ends with what the
    run was made of and how to repeat it. Long records are thinned so that extremes stay; the page says how.

    Parameters
    ----------
    path : path-like
        Of the file, which is replaced as a whole if it is there.
    model : Sequential, optional
        Whose layers, settings, last training and lines are told.
    flow : GradientFlow or dict of str to GradientFlow, optional
        What is drawn: one record, or several by name, one over the other.
    diagnosis : Diagnosis, optional
        As `Sequential.diagnose` or `GradientFlow.diagnose` gives it.

    Raises
    ------
    TypeError, ValueError
        If nothing of the three is given, something else, or a flow with no record.
    OSError
        If ``path`` cannot be written; nothing is done then.
    ModuleNotFoundError
        If jinja2 is not installed.

    Examples
    --------
    >>> import vgcore as vg
    >>> flow = vg.GradientFlow()
    >>> flow.declare(["first", "last"])
    >>> flow.add(0, loss=2.3, delta=[1e-7, 0.4])
    >>> vg.report("run.html", flow=flow, diagnosis=flow.diagnose())  # doctest: +SKIP
    """
    from vgcore.reporting import (
        writing,  # it brings the diagnosis along, which takes time to import
    )

    writing.write(path, model, flow, diagnosis)
