"""How a diagnosis reads, in a terminal and in a notebook."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from html import escape
from statistics import median
from typing import TYPE_CHECKING

from vgcore.diagnosis.finding import Finding

if TYPE_CHECKING:
    from vgcore.diagnosis.diagnosis import Diagnosis
    from vgcore.diagnosis.table import Trials, Tried

_WIDTH = 100
_SHOWN_NUMBERS = 6
_SHOWN_CURES = 8


def verdict(diagnosis: Diagnosis) -> str:
    """The whole in one sentence."""
    ill = diagnosis.illnesses
    learned = _learned(diagnosis)
    little = any(finding.symptom == "learns_little" for finding in diagnosis.findings)
    outcome = diagnosis.outcome
    if not ill and outcome is not None and not outcome.learns_something:
        return (
            f"No illness was found, but nothing is learned, by a plain network neither: {learned}."
        )
    if not ill and little:
        return f"No illness was found, but it learns less than it could: {learned}."
    if not ill and outcome is None:
        return "No symptom of an illness was found in what is recorded."
    if not ill:
        return f"Healthy: no symptom of an illness{', and ' + learned if learned else ''}."
    first = ill[0].title
    others = sum(not each.follows_from for each in ill[1:])
    more = f", and {others} more" if others else ""
    sure = {"certain": "", "likely": "", "possible": "Perhaps: "}[ill[0].certainty]
    return f"{sure}{first}{more}{'; ' + learned if learned else ''}."


def _learned(diagnosis: Diagnosis) -> str:
    """How well it learns, in a clause; empty where that is not known."""
    outcome = diagnosis.outcome
    if outcome is None:
        return ""
    plain = (
        f", a plain network {_score(outcome.reference)}"
        if outcome.reference == outcome.reference
        else ""
    )
    return f"it reaches {_score(outcome.score)} {outcome.measure} (chance {_score(outcome.chance)}{plain})"


def _score(value: float) -> str:
    return "nan" if value != value else f"{max(value, -9.99):.2f}"


def plain(diagnosis: Diagnosis) -> str:
    """The whole, as a terminal shows it."""
    return "\n".join(_lines(diagnosis))


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    yield from textwrap.wrap(verdict(diagnosis), _WIDTH)
    roots = [finding for finding in diagnosis.findings if not finding.follows_from]
    for number, finding in enumerate(roots, 1):
        yield ""
        yield from _of(
            finding, f"{number}. " if finding.ill else "-  ", diagnosis.followers(finding)
        )
    if diagnosis.healthy:
        yield ""
        yield "What was measured, nearest to its threshold first:"
        for each in diagnosis.nearest[:_SHOWN_NUMBERS]:
            yield f"   {each}"
    if diagnosis.cures is not None:
        yield ""
        yield from _tried(diagnosis.cures, diagnosis.best)
    if diagnosis.not_looked_at:
        yield ""
        yield from textwrap.wrap(_unseen(diagnosis.not_looked_at), _WIDTH)


def _unseen(names: tuple[str, ...]) -> str:
    """Which symptoms were not looked at, or how many if they are many."""
    if len(names) > _SHOWN_NUMBERS:
        what = "the network, its data or arrays from inside"
        return f"{len(names)} symptoms were not looked at, for want of {what}: diagnosis.not_looked_at."
    listed = ", ".join(name.replace("_", " ") for name in names)
    return f"Not looked at, for want of data or a record: {listed}."


def _of(finding: Finding, mark: str, followers: list[Finding]) -> Iterator[str]:
    sure = "" if finding.certainty == "likely" else f" ({finding.certainty})"
    note = "" if finding.ill else "Worth knowing: "
    yield f"{mark}{note}{finding.title}{sure}"
    indent = " " * len(mark)
    yield from textwrap.wrap(
        finding.sentence, _WIDTH, initial_indent=indent, subsequent_indent=indent
    )
    yield f"{indent}{finding.measured}"
    for said in _said(finding, followers):
        yield from textwrap.wrap(said, _WIDTH, initial_indent=indent, subsequent_indent=indent)


def _said(finding: Finding, followers: list[Finding]) -> Iterator[str]:
    """What there is to say of a finding beyond its sentence and number."""
    if finding.why_sentence:
        yield f"Why: {finding.why_sentence}"
    if followers:
        yield f"What follows from it: {'; '.join(str(each.measured) for each in followers)}."
    names = [each.name for each in finding.suggestions] or finding.may_help
    if names:
        yield f"What may help: {'; '.join(names)}."
    if finding.read:
        yield f"Read: {finding.read}"


def _tried(trials: Trials, best: Tried | None) -> Iterator[str]:
    """The best of the cures that were tried, beside no change, random changes and a plain network."""
    shown = [row for row in trials if row.kind == "change"][:_SHOWN_CURES]
    if best is not None and best is not trials.none and best not in shown:
        shown.insert(0, best)
    shown += [row for row in trials if row.kind in ("reference", "none")]
    names = [row.name for row in shown]
    width = max(map(len, names))
    seeds = max(len(row.results) for row in trials)
    yield (
        f"Cures that were tried: score of rows that were held out, after {trials.none.steps:,} steps; "
        f"median of {seeds} (least to most)"
    )
    for row in shown:
        mark = "*" if row is best else "=" if trials.equal(row) else " "
        yield f"  {mark} {row.name:<{width}}  {_spread(row.score, row.low, row.high)}"
    drawn = [row.score for row in trials if row.kind == "random"]
    if drawn:
        name = f"{len(drawn)} random changes"
        yield f"    {name:<{width}}  {_spread(median(drawn), min(drawn), max(drawn))}"
    yield f"  *: the simplest of the best, =: as good. All {len(trials)} rows: diagnosis.cures"
    if best is None:
        yield "  No change did better than none, given the seeds."
    elif best is trials.none:
        yield "  As it is it does as well as any of them, if it is trained for as many steps: train on."
    else:
        yield "  The best as a network: diagnosis.best.apply(); its lines: diagnosis.best.code()"


def _spread(middle: float, low: float, high: float) -> str:
    told = [f"{each:.3f}" if math.isfinite(each) else "diverged" for each in (middle, low, high)]
    return f"{told[0]} ({told[1]} to {told[2]})"


def html(diagnosis: Diagnosis) -> str:
    """The whole, as a notebook shows it."""
    parts = [f"<p><b>{escape(verdict(diagnosis))}</b></p>"]
    parts += [
        _item(finding, diagnosis.followers(finding))
        for finding in diagnosis.findings
        if not finding.follows_from
    ]
    if diagnosis.healthy:
        nearest = diagnosis.nearest[:_SHOWN_NUMBERS]
        rows = "".join(f"<li>{escape(str(each))}</li>" for each in nearest)
        parts.append(f"<details><summary>What was measured</summary><ul>{rows}</ul></details>")
    if diagnosis.cures is not None:
        parts.append(diagnosis.cures._repr_html_())
    return f"<div>{''.join(parts)}</div>"


def _item(finding: Finding, followers: list[Finding]) -> str:
    sure = "" if finding.certainty == "likely" else f" ({finding.certainty})"
    lines = [escape(finding.sentence), f"<i>{escape(str(finding.measured))}</i>"]
    lines += [escape(said) for said in _said(finding, followers)]
    opened = " open" if finding.ill else ""
    return f"<details{opened}><summary>{escape(finding.title + sure)}</summary>{'<br>'.join(lines)}</details>"
