"""A diagnosis as the page tells it."""

from __future__ import annotations

import math
from typing import Any

from vgcore.diagnosis import Diagnosis, text
from vgcore.diagnosis.finding import Factor, Finding, Where
from vgcore.diagnosis.table import Trials, spread

_SHORT = 6  # cures that stand before the rest is folded
_MOST_LISTED = 12  # units, samples and the like
_PARTS = ("total", "weights", "slopes", "norms", "skips")
_CERTAIN = {
    "certain": "certain: no training can help as it is",
    "likely": "likely",
    "possible": "possible, not sure",
}


def told(diagnosis: Diagnosis) -> dict[str, Any]:
    """What the template shows of it."""
    titles = {finding.symptom: finding.title for finding in diagnosis.findings}
    best = diagnosis.best
    return {
        "sentence": diagnosis.verdict,
        "healthy": diagnosis.healthy,
        "findings": [
            {
                **_finding(each, titles),
                "followers": [_finding(one, titles) for one in diagnosis.followers(each)],
            }
            for each in diagnosis.findings
            if not each.follows_from
        ],
        "numbers": diagnosis.nearest,
        "cures": None if diagnosis.cures is None else _cures(diagnosis.cures, diagnosis),
        "best": None if best is None else {"name": best.name, "code": best.code()},
        "notes": diagnosis.notes,
        "not_looked_at": [name.replace("_", " ") for name in diagnosis.not_looked_at],
    }


def _finding(finding: Finding, titles: dict[str, str]) -> dict[str, Any]:
    return {
        "finding": finding,
        "certainty": _CERTAIN[finding.certainty],
        "follows_from": titles.get(finding.follows_from, finding.follows_from.replace("_", " ")),
        "where": where(finding.where),
        "parts": [part for part in _PARTS if _tells(finding.why, part)],
        "why": _bars(finding.why),
    }


def where(place: Where) -> list[tuple[str, str]]:
    """Where something was found, as pairs of what and which."""
    ranges = [("timesteps", place.timesteps), ("steps", place.steps)]
    listed = [("samples", place.samples), ("inputs", place.inputs), ("outputs", place.outputs)]
    found = [("layers", ", ".join(place.layers))] if place.layers else []
    found += [(f"units of {layer}", _some(units)) for layer, units in place.units.items() if units]
    found += [(what, _range(pair)) for what, pair in ranges if pair is not None]
    found += [(what, _some(which)) for what, which in listed if which]
    moments = {"start": "at the start", "now": "now"}
    return [*found, ("when", moments[place.moment])] if place.moment else found


def _range(pair: tuple[int, int]) -> str:
    first, last = pair
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def _some(places: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, places[:_MOST_LISTED]))
    more = len(places) - _MOST_LISTED
    return f"{shown} and {more:,} more" if more > 0 else shown


def _tells(why: tuple[Factor, ...], part: str) -> bool:
    return part == "total" or any(getattr(factor, part) != 1 for factor in why)


def _bars(why: tuple[Factor, ...]) -> list[dict[str, Any]]:
    """Factors with the ends of their bars, in percent: on a log scale around 1, which is the middle."""
    sizes = [abs(_log(getattr(factor, part))) for factor in why for part in _PARTS]
    reach = max([size for size in sizes if math.isfinite(size)], default=1.0) or 1.0
    return [
        {
            "place": factor.place,
            "bars": {part: _bar(getattr(factor, part), reach) for part in _PARTS},
        }
        for factor in why
    ]


def _bar(value: float, reach: float) -> dict[str, Any]:
    size = _log(value)
    end = 50 if math.isnan(size) else 50 + 50 * max(-1.0, min(size / reach, 1.0))
    return {"value": short(value), "from": f"{min(end, 50):.1f}", "to": f"{max(end, 50):.1f}"}


def _log(value: float) -> float:
    return math.nan if math.isnan(value) else math.log10(value) if value > 0 else -math.inf


def _cures(trials: Trials, diagnosis: Diagnosis) -> dict[str, Any]:
    """The table of cures: a few rows, those that help to compare with them, and all."""
    best = diagnosis.best
    rows = [
        {
            **each,
            **{
                name: spread(each[name], each[f"{name}_low"], each[f"{name}_high"], short)
                for name in ("score", "loss")
            },
            "best": tried is best,
            "said": _said(each["kind"], trials.mark(tried, best)),
        }
        for tried, each in zip(trials, trials.to_rows(), strict=True)
    ]
    shown = [row for row in rows if row["kind"] != "random"]
    always = [row for row in shown if row["best"] or row["kind"] in ("none", "reference")]
    few = [row for row in shown if row not in always][: max(_SHORT - len(always), 0)]
    return {
        "short": [row for row in shown if row in always or row in few],
        "rows": rows,
        "notes": trials.notes,
        "not_tried": trials.not_tried,
        "measure": trials.measure,
        "conclusion": text.conclusion(trials, diagnosis),
    }


def _said(kind: str, mark: str) -> list[str]:
    """What there is to say of a row of cures."""
    kinds = {"random": "drawn by chance", "none": "to compare with", "reference": "to compare with"}
    return [each for each in (mark, kinds.get(kind, "")) if each]


def short(value: float) -> str:
    """A number in three digits."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    return f"{value:.3g}".replace("-", "−")
