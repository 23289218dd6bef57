"""How a diagnosis reads, in a terminal and in a notebook."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from html import escape
from statistics import median
from typing import TYPE_CHECKING

from vgcore import _html
from vgcore.diagnosis.finding import Finding, in_digits
from vgcore.diagnosis.score import ROOM
from vgcore.diagnosis.table import spread

if TYPE_CHECKING:
    from vgcore.diagnosis.diagnosis import Diagnosis
    from vgcore.diagnosis.table import Trials, Tried

_WIDTH = 100
_SHOWN_NUMBERS = 6
_SHOWN_CURES = 8
_TRIED = "Cures that were tried"
_LONGEST = 60  # of what a row of cures is called


def verdict(diagnosis: Diagnosis) -> str:
    """The whole in one sentence."""
    ill = diagnosis.illnesses
    learned = _learned(diagnosis)
    little = any(finding.symptom == "learns_little" for finding in diagnosis.findings)
    outcome = diagnosis.outcome
    if not ill and outcome is not None and outcome.unsure:
        return f"No illness was found, but a copy did not learn what it has, perhaps by heart: {learned}."
    few = outcome is not None and outcome.chance + ROOM < outcome.score
    if not ill and outcome is not None and not outcome.learns_something and few:
        return f"No illness was found, but so few samples tell little of how well it learns: {learned}."
    if not ill and outcome is not None and not outcome.learns_something:
        neither = math.isnan(outcome.learned) and not math.isnan(outcome.reference)
        both = ", not by a plain network either" if neither else ""
        return f"No illness was found, but nothing is learned{both}: {learned}."
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
    score, chance = _score(outcome.score), _score(outcome.chance)
    reference = "" if math.isnan(outcome.reference) else _score(outcome.reference)
    if not math.isnan(outcome.score):
        plain = f", a plain network: {reference}" if reference else ""
        return f"it reaches {score} {outcome.measure} (chance: {chance}{plain})"
    beside = f", where a plain network reaches {reference} {outcome.measure} (chance: {chance})"
    return f"its outputs are not finite{beside if reference else ''}"


def _score(value: float) -> str:
    return f"{value:.2f}" if value > -10 else "less than -10"


def plain(diagnosis: Diagnosis) -> str:
    """The whole, as a terminal shows it."""
    return "\n".join(_lines(diagnosis))


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    for said in (verdict(diagnosis), *diagnosis.notes):
        yield from textwrap.wrap(said, _WIDTH)
    roots = [finding for finding in diagnosis.findings if not finding.follows_from]
    for number, finding in enumerate(roots, 1):
        yield ""
        yield from _of(
            finding, f"{number}. " if finding.ill else "-  ", diagnosis.followers(finding)
        )
    if diagnosis.healthy:
        yield ""
        yield "What was measured, nearest to its threshold first:"
        yield from (f"   {each}" for each in _nearest(diagnosis))
    if diagnosis.cures is not None:
        yield ""
        yield from _table(diagnosis.cures, diagnosis)
    if diagnosis.not_looked_at:
        yield ""
        yield from textwrap.wrap(_unseen(diagnosis.not_looked_at), _WIDTH)


def _nearest(diagnosis: Diagnosis) -> list[str]:
    """Some numbers with their thresholds; of a number with two, the nearer."""
    nearest: dict[str, str] = {}
    told = [finding.measured for finding in diagnosis.findings]
    for each in diagnosis.nearest:
        harmless = ", but it learns" if each.beyond and each not in told else ""
        nearest.setdefault(each.what, f"{each}{harmless}")
    return [*nearest.values()][:_SHOWN_NUMBERS]


def _unseen(names: tuple[str, ...]) -> str:
    """Which symptoms were not looked at, or how many if they are many."""
    if len(names) > _SHOWN_NUMBERS:
        what = "the network, its data or arrays from inside"
        return f"{len(names)} symptoms were not looked at, for want of {what}: diagnosis.not_looked_at."
    listed = ", ".join(name.replace("_", " ") for name in names)
    return f"Not looked at, for want of data or a record: {listed}."


def _of(finding: Finding, mark: str, followers: list[Finding]) -> Iterator[str]:
    yield f"{mark}{_headed(finding)}"
    indent = " " * len(mark)
    yield from textwrap.wrap(
        finding.sentence, _WIDTH, initial_indent=indent, subsequent_indent=indent
    )
    yield f"{indent}{finding.measured}"
    for said in _said(finding, followers):
        yield from textwrap.wrap(said, _WIDTH, initial_indent=indent, subsequent_indent=indent)


def _headed(finding: Finding) -> str:
    sure = "" if finding.certainty == "likely" else f" ({finding.certainty})"
    return f"{'' if finding.ill else 'Worth knowing: '}{finding.title}{sure}"


def _said(finding: Finding, followers: list[Finding]) -> Iterator[str]:
    """What there is to say of a finding beyond its sentence and number."""
    if finding.why_sentence:
        yield f"Why: {finding.why_sentence}"
    if followers:
        told = [
            f"{each.title} ({each.measured.what}: {in_digits(each.measured.value)})"
            for each in followers
        ]
        yield f"What follows from it: {'; '.join(told)}."
    names = [each.name for each in finding.suggestions] or finding.may_help
    if names:
        yield f"What may help: {'; '.join(names)}."
    if finding.read:
        yield f"Read: {finding.read}"


def _tried(trials: Trials, best: Tried | None) -> Iterator[tuple[str, str, str]]:
    """Name, scores and mark of the best of the cures that were tried, and of what to compare them with."""
    compared = [row for row in trials if trials.compared(row)]
    shown = [row for row in compared if row.kind == "change" and row is not best][:_SHOWN_CURES]
    shown += [row for row in compared if row.kind in ("reference", "none") and row is not best]
    for row in shown if best is None else [best, *shown]:
        yield _cut(row.name), _spread(row.score, row.low, row.high), trials.mark(row, best)
    drawn = [row.score for row in compared if row.kind == "random"]
    if drawn:
        name = f"{len(drawn)} random change{'s' if len(drawn) > 1 else ''}"
        yield name, _spread(median(drawn), min(drawn), max(drawn)), ""


def _table(trials: Trials, diagnosis: Diagnosis) -> Iterator[str]:
    """The same, as a terminal shows it."""
    rows = [*_tried(trials, diagnosis.best)]
    widths = [max(len(row[place]) for row in rows) for place in range(2)]
    yield from textwrap.wrap(f"{_TRIED}: {_how(trials)}", _WIDTH)
    for name, scores, mark in rows:
        yield f"   {name:<{widths[0]}}  {scores:<{widths[1]}}  {mark}".rstrip()
    yield from textwrap.wrap(conclusion(trials, diagnosis), _WIDTH)
    yield _all(trials)


def _all(trials: Trials) -> str:
    return f"All {len(trials)} rows: diagnosis.cures"


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _how(trials: Trials) -> str:
    """What the scores of a table are."""
    seeds = max(len(row.results) for row in trials)
    steps = f"{trials.steps:,} steps"
    many = f"; median of {seeds} starts (least to most)" if seeds > 1 else ""
    chance = f" (chance: {trials.chance:.2f})" if math.isfinite(trials.chance) else ""
    return f"{trials.measure}{chance} after {steps}{many}"


def conclusion(trials: Trials, diagnosis: Diagnosis) -> str:
    """What follows from a table."""
    best = diagnosis.best
    if best is None:
        learns = any(trials.learns(row) for row in trials if row.kind in ("change", "random"))
        return f"No change {'made it better' if learns else 'did better than chance'} by more than luck."
    if best is not trials.none:
        return (
            "The best is the simplest of those that do as well: diagnosis.best.apply() is the network, "
            "diagnosis.best.code() its lines."
        )
    if any(finding.certainty == "certain" for finding in diagnosis.illnesses):
        return (
            "No change is needed, but a new start: drawn anew (diagnosis.best.apply()) and trained for as "
            "many steps it does as well as with any of them."
        )
    return "Without a change it does as well as with any, if it is trained for as many steps: train on."


def _spread(middle: float, low: float, high: float) -> str:
    return spread(middle, low, high, "{:.3f}".format)


def html(diagnosis: Diagnosis) -> str:
    """The whole, as a notebook shows it."""
    parts = [f"<p><b>{escape(verdict(diagnosis))}</b></p>"]
    parts += [f"<p>{escape(note)}</p>" for note in diagnosis.notes]
    parts += [
        _item(finding, diagnosis.followers(finding))
        for finding in diagnosis.findings
        if not finding.follows_from
    ]
    if diagnosis.healthy:
        numbers = "".join(f"<li>{escape(each)}</li>" for each in _nearest(diagnosis))
        parts.append(f"<details><summary>What was measured</summary><ul>{numbers}</ul></details>")
    if diagnosis.cures is not None:
        trials = diagnosis.cures
        foot = f"{conclusion(trials, diagnosis)} {_all(trials)}"
        rows = _tried(trials, diagnosis.best)
        parts.append(_html.table(f"{_TRIED}: {_how(trials)}", ("change", "score", ""), rows, foot))
    if diagnosis.not_looked_at:
        parts.append(f"<p>{escape(_unseen(diagnosis.not_looked_at))}</p>")
    return f"<div>{''.join(parts)}</div>"


def _item(finding: Finding, followers: list[Finding]) -> str:
    lines = [escape(finding.sentence), f"<i>{escape(str(finding.measured))}</i>"]
    lines += [escape(said) for said in _said(finding, followers)]
    opened = " open" if finding.ill else ""
    return f"<details{opened}><summary>{escape(_headed(finding))}</summary>{'<br>'.join(lines)}</details>"
