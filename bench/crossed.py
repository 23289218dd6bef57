"""Thresholds set on some programs and judged on others, from measurements that are kept.

Every rule's number is kept with its threshold, so what another threshold would have said is known without
any training. Programs that differ in depth or base alone are on the same side; so are all seeds of a program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from programs import Program
from store import Store
from verdicts import Verdicts, judged, rows_of
from vgcore.diagnosis import judge
from vgcore.diagnosis.finding import Finding, Measured
from vgcore.diagnosis.symptoms import SYMPTOMS

FOLDS = 5
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of a threshold; more is laxer
ALARM = 2.0  # right causes that a false alarm weighs as much as
ROUNDS = 2

Factors = Mapping[str, float]


def illnesses(row: Mapping[str, Any], factors: Factors) -> list[str]:
    """Symptoms of a run, heaviest first, were the thresholds so many times as lax."""
    found, near = set(), {}
    for name, numbers in row["measured"].items():
        many = [Measured(name, value, threshold, above) for value, threshold, above in numbers]
        if not many:
            continue
        factor = factors.get(name, 1.0)
        closeness = max(each.closeness for each in many) / factor
        beyond = any(each.beyond for each in many) if closeness == 0 else closeness > 1
        near[name] = closeness
        if beyond and SYMPTOMS[name].ill and _harms(name, closeness, row):
            found.add(name)
    if not found and row["learned"] < judge.UNDERWAY:
        nearest = max(judge.NEAR, key=lambda name: near.get(name, 0.0))
        if near.get(nearest, 0.0) * judge._WITHIN > 1:
            found.add(nearest)
    return list(_ordered(frozenset(found)))


def _harms(name: str, closeness: float, row: Mapping[str, Any]) -> bool:
    """As `judge` has it; of what counts in networks that learn, too, that is known which was told."""
    if row["learns"] is None:
        return name in row["certain"] or closeness >= judge._CLEAR
    return not row["learns"] or not SYMPTOMS[name].harmless_where_learning or name in row["ill"]


@cache
def _ordered(names: frozenset[str]) -> tuple[str, ...]:
    findings = [
        Finding(name, "", "", Measured("", 0, 0), weight=SYMPTOMS[name].weight)
        for name in SYMPTOMS
        if name in names
    ]
    return tuple(finding.symptom for finding in judge.ordered(findings))


class Runs:
    """The runs of some programs, as they were measured."""

    def __init__(self, programs: Sequence[Program], seeds: int, store: Store) -> None:
        self.programs = [
            (program, *(rows_of(program, form, seeds, store) for form in ("faulty", "healthy")))
            for program in programs
        ]

    def judged(self, factors: Factors) -> Verdicts:
        """With other thresholds."""
        whole = Verdicts()
        for program, *forms in self.programs:
            faulty, healthy = ([illnesses(row, factors) for row in rows] for rows in forms)
            whole += judged(program, faulty, healthy)
        return whole

    def worth(self, factors: Factors) -> float:
        """Share of the faulty runs whose right cause comes first, less what false alarms weigh."""
        found = self.judged(factors)
        right = found.first / max(found.faulty, 1)
        return right - ALARM * found.alarms / max(found.healthy, 1)


def fitted(runs: Runs) -> dict[str, float]:
    """Factors that are best on some runs, one symptom after the other; 1 where none is better."""
    factors: dict[str, float] = {}
    best = runs.worth(factors)
    for _ in range(ROUNDS):
        for name in SYMPTOMS:
            for factor in FACTORS:
                worth = runs.worth({**factors, name: factor})
                if worth > best + 1e-9:
                    best, factors[name] = worth, factor
    return factors


def folds(programs: Sequence[Program]) -> list[list[Program]]:
    """Programs in as many parts, of each table as many; those of a family together."""
    families: dict[tuple[str, str], list[Program]] = {}
    for program in programs:
        families.setdefault((program.table, program.family), []).append(program)
    parts: list[list[Program]] = [[] for _ in range(FOLDS)]
    order = np.random.default_rng(0).permutation(len(families))
    named = sorted(families)
    for place, index in enumerate(sorted(order, key=lambda i: (named[i][0], order[i]))):
        parts[place % FOLDS] += families[named[index]]
    return [part for part in parts if part]


def cross_validated(
    programs: Sequence[Program], seeds: int, store: Store
) -> tuple[Verdicts, dict[str, list[float]]]:
    """Verdicts on programs with thresholds that were set on the others, and the factors that were chosen."""
    whole, chosen = Verdicts(), {}
    parts = folds(programs)
    for part in parts:
        others = [program for other in parts if other is not part for program in other]
        factors = fitted(Runs(others, seeds, store))
        whole += Runs(part, seeds, store).judged(factors)
        for name, factor in factors.items():
            chosen.setdefault(name, []).append(factor)
    return whole, chosen
