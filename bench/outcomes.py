"""How the programs come out: each run is judged by what it has learned, not by what it is called."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from programs import FORMS, Program
from store import Store

REACHED = 0.9  # of what the healthy twin learns beyond chance, by the median of its runs
CLEARLY = 0.1  # beyond chance: what a healthy twin that is worth its name learns at least
OUTCOME = "outcome"


def measure(program: Program, form: str, seed: int) -> dict[str, Any]:
    """Train one run, and see how it comes out."""
    run = program.run(form, seed)
    found: dict[str, Any] = {"chance": run.data.chance, "refusal": run.refusal, "score": math.nan}
    if run.model is not None:
        begin = time.perf_counter()
        run.train()
        found |= {"seconds": time.perf_counter() - begin, "score": run.score()}
    return found


def measure_all(
    programs: Iterable[Program], seeds: int, store: Store, progress: Any = lambda runs: runs
) -> None:
    """Fill the store with every run's outcome."""
    runs = [(p, form, seed) for p in programs for form in FORMS for seed in range(seeds)]
    for program, form, seed in progress(runs):
        key = (program.id, form, seed, OUTCOME)
        if key not in store:
            store.add(key, measure(program, form, seed))


@dataclass(frozen=True)
class Outcomes:
    """How the runs of one program came out.

    Attributes
    ----------
    faulty, healthy : list of float
        Scores, by seed; NaN where outputs are no numbers, or there is no network.
    chance : float
        The median over the seeds.
    refusal : str
        What vgcore says to the faulty form.
    runs : bool
        Whether the faulty form can be run at all.
    """

    faulty: list[float]
    healthy: list[float]
    chance: float
    refusal: str
    runs: bool

    @property
    def reference(self) -> float:
        """The healthy twin's median."""
        return median(-math.inf if math.isnan(score) else score for score in self.healthy)

    @property
    def bar(self) -> float:
        """From this score on a run has learned."""
        return self.chance + REACHED * (self.reference - self.chance)

    @property
    def sound(self) -> bool:
        """Whether the healthy twin learns clearly more than chance, so that something can be compared."""
        return self.reference > self.chance + CLEARLY

    def learned(self, score: float) -> bool:
        """Whether a run with such a score has learned."""
        return self.sound and score >= self.bar  # NaN never has

    def faulty_seeds(self) -> list[int]:
        """Runs of the faulty form that have not learned."""
        return [seed for seed, score in enumerate(self.faulty) if not self.learned(score)]

    def healthy_seeds(self) -> list[int]:
        """Runs of the healthy form that have."""
        return [seed for seed, score in enumerate(self.healthy) if self.learned(score)]


def outcomes(program: Program, seeds: int, store: Store) -> Outcomes:
    """Of what is in the store."""
    rows = {
        form: [store[program.id, form, seed, OUTCOME] for seed in range(seeds)] for form in FORMS
    }
    return Outcomes(
        [row["score"] for row in rows["faulty"]],
        [row["score"] for row in rows["healthy"]],
        median(row["chance"] for row in rows["healthy"]),
        rows["faulty"][0]["refusal"],
        "seconds" in rows["faulty"][0],
    )


def table(programs: Sequence[Program], seeds: int, store: Store) -> str:
    """A row for each program, as Markdown."""
    lines = [
        "| program | faulty runs | healthy runs | chance | faulty | healthy | seconds | refused |",
        "|---|---:|---:|---:|---|---|---:|---|",
    ]
    for program in programs:
        found = outcomes(program, seeds, store)
        seconds = [
            store[program.id, form, seed, OUTCOME].get("seconds", 0.0)
            for form in FORMS
            for seed in range(seeds)
        ]
        faulty = f"{len(found.faulty_seeds())}/{seeds}" if found.runs else "refused"
        lines.append(
            f"| {program.id} | {faulty} "
            f"| {len(found.healthy_seeds())}/{seeds} | {found.chance:.2f} | {_spread(found.faulty)} "
            f"| {_spread(found.healthy)} | {max(seconds):.1f} | {found.refusal and 'yes'} |"
        )
    return "\n".join(lines)


def refusals(programs: Sequence[Program], seeds: int, store: Store) -> str:
    """What vgcore says to programs that it does not take as they are written."""
    lines = []
    for program in programs:
        found = outcomes(program, seeds, store)
        if found.refusal:
            how = "runs with Keras's loss" if found.runs else "cannot be run at all"
            lines.append(f"{program.id} ({how}): {found.refusal}")
    return "\n".join(lines)


def _spread(scores: list[float]) -> str:
    """Least, median and greatest."""
    numbers = sorted(score for score in scores if not math.isnan(score))
    broken = len(scores) - len(numbers)
    told = [f"{numbers[0]:.2f} {median(numbers):.2f} {numbers[-1]:.2f}"] if numbers else []
    return ", ".join(told + [f"{broken} NaN"] * bool(broken))
