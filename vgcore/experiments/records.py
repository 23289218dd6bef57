"""What a run came to, as data and as a page: what `vgcore run` writes and the documentation is made of."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vgcore import _files, _json, page
from vgcore.experiments.base import CLAIM_COLUMNS, About, Result
from vgcore.flow import GradientFlow
from vgcore.reporting.making import of_machine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 110


def record(
    name: str, about: About, result: Result, options: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    """All of a run but its records and its picture, as JSON can hold it.

    Parameters
    ----------
    name : str
    about : About
    result : Result
    options : Mapping
        What ``run`` was called with.
    seconds : float
        That it took.

    Returns
    -------
    dict
        experiment, shows, source, options, seconds, verdict; claims, each with the fields of `Claim`; tables,
        notes; measured: the result's own numbers; machine.
    """
    given = {key: str(each) if isinstance(each, Path) else each for key, each in options.items()}
    whole = {
        "experiment": name,
        **about._asdict(),
        "options": given,
        "seconds": round(seconds, 2),
        "verdict": result.verdict,
        "claims": [claim._asdict() for claim in result.claims()],
        "tables": [table._asdict() for table in result.tables()],
        "notes": result.notes(),
        "measured": _numbers(result),
        "machine": of_machine(),
    }
    kept: dict[str, Any] = _json.strict(whole)
    return kept


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write a record."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    _files.replace(path, lambda file: file.write(text.encode()))


def write_page(path: Path, record: Mapping[str, Any], picture: bytes) -> None:
    """Write a record and its picture, a PNG, as one page of HTML; ImportError without jinja2."""
    text = page.template(__name__.rpartition(".")[0], "experiment.html").render(
        record,
        columns=CLAIM_COLUMNS,
        picture=base64.b64encode(picture).decode(),
        style=page.style("page.css"),
    )
    _files.replace(path, lambda file: file.write(text.encode()))


def png(figure: Figure, dpi: int = _DPI) -> bytes:
    """A result's picture as a file holds it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi, metadata={"Software": None})
    return file.getvalue()


def _numbers(value: Any) -> Any:
    """Dataclasses as mappings, arrays as lists; what is no number or text is left out."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, str | bool | int | float | np.generic) or value is None:
        return value
    if isinstance(value, Mapping):
        held = {str(key): _numbers(each) for key, each in value.items()}
    elif is_dataclass(value):
        held = {
            field.name: _numbers(getattr(value, field.name))
            for field in fields(value)
            if not isinstance(getattr(value, field.name), GradientFlow)
        }
    elif isinstance(value, tuple | list):
        return [_numbers(each) for each in value]
    else:
        return None
    return {key: each for key, each in held.items() if each is not None}
