"""What `diagnose` says of a run, and whether that is right."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import curing
from outcomes import Outcomes, outcomes
from programs import Program
from store import Store
from vgcore.diagnosis.evidence import Evidence
from vgcore.diagnosis.finding import Measured
from vgcore.diagnosis.symptoms import SYMPTOMS

VERDICT = "verdict"
WITHIN = 0.02  # of the published fix's score
TOP = 3  # findings among which a right cause counts as told

PUBLISHED = {
    "42514960": "UMLAUT: input exceeds limits",
    "AT-Blob-sig11": "DeepDiagnosis: layers 4 and 8",
    "AT-Blob-sig12": "DeepDiagnosis: layers 4 and 8",
}
"""What other tools have said of the same programs, as published."""


def measure(
    program: Program, form: str, seed: int, seconds: float, *, cures: bool
) -> dict[str, Any]:
    """Train a run as its program does, and have it diagnosed; cures are tried, and taken to the end."""
    run = program.run(form, seed)
    history = run.train()
    begin = time.perf_counter()
    found = run.model.diagnose(run.x, run.y, history=history, seconds=seconds, cures=cures)
    told: dict[str, Any] = {
        "seconds": time.perf_counter() - begin,
        "ill": [finding.symptom for finding in found.illnesses],
        "certain": [each.symptom for each in found.illnesses if each.certainty == "certain"],
        "possible": [each.symptom for each in found.illnesses if each.certainty == "possible"],
        "learns": Evidence(outcome=found.outcome, history=history).learns,
        "learned": math.nan if found.outcome is None else found.outcome.learned,
        "measured": {
            name: [[each.value, each.threshold, each.above] for each in some]
            for name, some in found.measured.items()
        },
    }
    if cures:
        told |= curing.measure(program, run, found, seed)
    return told


def measure_all(
    programs: Sequence[Program],
    seeds: int,
    seconds: float,
    store: Store,
    progress: Any,
    *,
    cures: bool,
) -> None:
    """Fill the store with verdicts on faulty runs that fail, and on healthy ones that learn."""
    runs = []
    for program in programs:
        found = outcomes(program, seeds, store)
        if found.sound and found.runs:
            runs += [(program, "faulty", seed) for seed in found.faulty_seeds()]
        runs += [(program, "healthy", seed) for seed in found.healthy_seeds()]
    for program, form, seed in progress(runs):
        key = (program.id, form, seed, VERDICT)
        if key not in store:
            tried = cures and form == "faulty"
            store.add(key, measure(program, form, seed, seconds, cures=tried))


@dataclass(frozen=True)
class Verdicts:
    """Of the runs of some programs: how many there are, and of how many it is so."""

    faulty: int = 0
    flagged: int = 0
    first: int = 0
    among: int = 0
    remarked: int = 0
    healthy: int = 0
    alarms: int = 0
    tried: int = 0
    cured: int = 0
    by_chance: int = 0

    def __add__(self, other: Verdicts) -> Verdicts:
        mine, theirs = vars(self), vars(other)
        return Verdicts(**{name: mine[name] + theirs[name] for name in mine})

    def cells(self) -> list[str]:
        """As the tables have them."""
        return [
            str(self.faulty),
            _share(self.flagged, self.faulty),
            _share(self.first, self.faulty),
            _share(self.among, self.faulty),
            _share(self.remarked, self.faulty),
            str(self.healthy),
            _share(self.alarms, self.healthy),
            _share(self.cured, self.tried),
            _share(self.by_chance, self.tried),
        ]


def judged(
    program: Program, faulty: Iterable[Sequence[str]], healthy: Iterable[Sequence[str]]
) -> Verdicts:
    """Whether the symptoms of each run, heaviest first, are right."""
    found = Verdicts()
    for ill in faulty:
        found += Verdicts(
            faulty=1,
            flagged=bool(ill),
            first=bool(program.causes.intersection(ill[:1])),
            among=bool(program.causes.intersection(ill[:TOP])),
        )
    for ill in healthy:
        found += Verdicts(healthy=1, alarms=bool(ill))
    return found


def remarks(row: Mapping[str, Any]) -> list[str]:
    """What was told of a run that is no illness, such as that it was not trained for long."""
    return [
        name
        for name, numbers in row["measured"].items()
        if not SYMPTOMS[name].ill and any(Measured(name, *each).beyond for each in numbers)
    ]


def rows_of(program: Program, form: str, seeds: int, store: Store) -> list[dict[str, Any]]:
    """What was measured of the runs of a form."""
    found = [store.get((program.id, form, seed, VERDICT)) for seed in range(seeds)]
    return [row for row in found if row is not None]


def verdicts(program: Program, seeds: int, store: Store) -> Verdicts:
    """Of what is in the store."""
    faulty, healthy = (rows_of(program, form, seeds, store) for form in ("faulty", "healthy"))
    found = judged(program, (row["ill"] for row in faulty), (row["ill"] for row in healthy))
    reference = outcomes(program, seeds, store)
    for row in faulty:
        told = {*row["ill"][:TOP], *remarks(row)}
        found += Verdicts(remarked=bool(program.causes & told))
    for seed in range(seeds):
        row = store.get((program.id, "faulty", seed, VERDICT))
        if row is not None and "cured" in row:
            found += Verdicts(
                tried=1,
                cured=reaches(reference, seed, row["cured"]),
                by_chance=reaches(reference, seed, row["by_chance"]),
            )
    return found


def reaches(found: Outcomes, seed: int, score: float) -> bool:
    """Whether a cure brings a run to within 2 % of what the published fix reaches, or beyond.

    That is what it reaches on the same rows or, where it fails on these, at the median.
    """
    published = found.healthy[seed]
    wanted = published if found.learned(published) else found.reference
    return score >= wanted - WITHIN  # NaN never is


HEAD = (
    "| program | faulty runs | flagged | right cause first | among the first three | or a remark "
    "| healthy runs | false alarms | cured | cured by chance | first findings | others |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|---|"
)


def table(programs: Sequence[Program], seeds: int, store: Store) -> str:
    """A row for each program, as Markdown, and their sum."""
    lines, whole = [HEAD], Verdicts()
    for program in programs:
        found = verdicts(program, seeds, store)
        whole += found
        first = [row["ill"][0] for row in rows_of(program, "faulty", seeds, store) if row["ill"]]
        names = ", ".join(sorted(set(first), key=lambda name: -first.count(name)))
        cells = [program.id, *found.cells(), names, PUBLISHED.get(program.id, "")]
        lines.append(f"| {' | '.join(cells)} |")
    lines.append(f"| **all** | {' | '.join(whole.cells())} | | |")
    return "\n".join(lines)


def alarms(programs: Sequence[Program], seeds: int, store: Store) -> str:
    """Which symptoms are told of runs that learn."""
    names = [
        (name, program.id)
        for program in programs
        for row in rows_of(program, "healthy", seeds, store)
        for name in row["ill"][:1]
    ]
    return "\n".join(
        f"{name} of {who}: {names.count((name, who))} runs" for name, who in sorted(set(names))
    )


def seconds(programs: Sequence[Program], seeds: int, store: Store) -> float:
    """Of a diagnosis, at the median."""
    rows = [
        row
        for p in programs
        for form in ("faulty", "healthy")
        for row in rows_of(p, form, seeds, store)
    ]
    return median(row["seconds"] for row in rows) if rows else math.nan


def _share(some: int, whole: int) -> str:
    return f"{some} ({some / whole:.0%})" if whole else "-"
