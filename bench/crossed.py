"""Thresholds set on some programs and judged on others, from measurements that are kept.

Every rule's number is kept with its threshold, so what another threshold would have said is known without
any training. Programs that differ in depth or base alone are on the same side; so are all seeds of a program.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Numbers:
    """What was measured of a run, as far as a threshold in reach would make it an illness.

    Attributes
    ----------
    closeness : dict of str to float
        By symptom: how many times its threshold is passed; infinite where that has no number.
    nearest : str
        What counts where nothing else does and a network fails, by the thresholds as they are; or empty.
    learns : bool or None
    told : frozenset of str
        Symptoms that were told, and counted as harmful.
    certain, possible : frozenset of str
        Those of them that are certain, and those that are no more than possible.
    """

    closeness: dict[str, float]
    nearest: str
    learns: bool | None
    told: frozenset[str]
    certain: frozenset[str]
    possible: frozenset[str]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Numbers:
        """Of a row of the store."""
        closeness: dict[str, float] = {}
        ways = {"": judge.MOST_OF_THE_WAY}
        for name, numbers in row["measured"].items():
            many = [Measured(name, *each) for each in numbers]
            found = max((each.closeness for each in many), default=0.0)
            beyond = any(each.beyond for each in many)
            closeness[name] = math.inf if beyond and found == 0 else found
            if many:
                ways[name] = SYMPTOMS[name].way(many[0])
        reach = {
            name: value
            for name, value in closeness.items()
            if SYMPTOMS[name].ill and value > min(FACTORS)
        }
        fails = row["learned"] < judge.UNDERWAY
        nearest = max(ways, key=lambda name: ways[name]) if fails else ""
        told = (frozenset(row[name]) for name in ("ill", "certain", "possible"))
        return cls(reach, nearest, row["learns"], *told)

    def illnesses(self, factors: Factors) -> tuple[str, ...]:
        """Symptoms, heaviest first, were the thresholds so many times as lax."""
        found = []
        for name, value in self.closeness.items():
            passed = value / factors.get(name, 1.0)
            if passed > 1 and self._harms(name, passed):
                found.append(name)
        if not found and self.nearest:
            found.append(self.nearest)
        return _ordered(frozenset(found), self.possible)

    def _harms(self, name: str, passed: float) -> bool:
        """As `judge` has it; of what counts in networks that learn, too, that is known which was told."""
        if self.learns is None:
            return name in self.certain or passed >= judge.CLEAR
        return not self.learns or SYMPTOMS[name].where_learning == "ill" or name in self.told


@cache
def _ordered(names: frozenset[str], possible: frozenset[str]) -> tuple[str, ...]:
    findings = [
        Finding(
            name,
            "",
            "",
            Measured("", 0, 0),
            "possible" if name in possible else "likely",
            weight=SYMPTOMS[name].weight,
        )
        for name in SYMPTOMS
        if name in names
    ]
    return tuple(finding.symptom for finding in judge.ordered(findings))


class Runs:
    """The runs of some programs, as they were measured."""

    def __init__(self, programs: Sequence[Program], seeds: int, store: Store) -> None:
        self.programs = [
            (
                program,
                *(
                    [Numbers.of(row) for row in rows_of(program, form, seeds, store)]
                    for form in ("faulty", "healthy")
                ),
            )
            for program in programs
        ]

    def judged(self, factors: Factors) -> Verdicts:
        """With other thresholds."""
        whole = Verdicts()
        for program, *forms in self.programs:
            faulty, healthy = ([run.illnesses(factors) for run in runs] for runs in forms)
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
