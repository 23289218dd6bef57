"""Whether the best of the cures that were tried cures, and whether one that is drawn by chance would have."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import numpy as np

from programs import Program, Run
from vgcore.diagnosis import race
from vgcore.diagnosis.changes import CHANGES, Given, combined
from vgcore.diagnosis.diagnosis import Diagnosis
from vgcore.diagnosis.recipe import Recipe
from vgcore.diagnosis.rows import leaves_one
from vgcore.diagnosis.trial import Tried, split

MOST = 3  # changes that a random one is made of
DRAWS = 50  # for each that is wanted: most combinations do not apply


def measure(program: Program, run: Run, found: Diagnosis, seed: int) -> dict[str, Any]:
    """What the best cure comes to, and what the best of random ones does; NaN without one. There are so many
    random ones that all of them take as many steps together as what was tried.

    A run that was called healthy, or for which nothing better than no change was found, has no cure.
    """
    if found.cures is None:
        return {"cured": math.nan, "by_chance": math.nan, "cure": None}
    best, none = found.best, found.cures.none
    tried = [row for row in found.cures if row.kind in ("change", "random")]
    steps = sum(result.steps for row in tried for result in row.results)
    each = found.cures.steps
    number = math.ceil(steps / (each * len(none.results)))
    chance = _by_chance(none, number, each, seed)
    more = best.steps if best is not None and best.kind == "none" else 0
    return {
        "cured": math.nan if best is None else outcome(program, run, best.recipe, seed, more),
        "cure": None if best is None else best.name,
        "tried": len(tried),
        "drawn": number,
        "by_chance": math.nan if chance is None else outcome(program, run, chance.recipe, seed),
        "chance": None if chance is None else chance.name,
    }


def outcome(program: Program, run: Run, recipe: Recipe, seed: int, least: int = 0) -> float:
    """The score of a changed network that is trained for as many steps as the healthy twin.

    ``least``: of the cure that says to train on, for as many as it was tried with.
    """
    healthy = program.healthy
    steps = max(healthy.epochs * math.ceil(len(run.x) / healthy.batch), least)
    whole = recipe.fitted(run.x, run.y)
    model = whole.build(seed)
    x, y, lengths = whole.prepare(run.x, run.y)
    batch = min(whole.fitting["batch_size"], len(x))
    options = {
        **whole.fitting,
        "batch_size": batch,
        "drop_last": leaves_one(len(x), batch),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        model.fit(
            x,
            y,
            lengths=lengths,
            epochs=math.ceil(steps / math.ceil(len(x) / batch)),
            verbose=0,
            **options,
        )
    held_x, _, held_lengths = whole.prepare(run.held_x)
    return run.judge(whole.restored(model.predict(held_x, lengths=held_lengths)))


def _by_chance(none: Tried, number: int, steps: int, seed: int) -> race.Contender | None:
    """The best of some random changes, each of one to three of the catalogue, trained for so many steps from
    as many seeds and on the same share of the rows as no change is; None where all diverge.
    """
    rng = np.random.default_rng(seed)
    data = none.data
    rows = split(none.recipe, Given(*data), rng)
    seeds = [int(each) for each in rng.integers(2**31, size=len(none.results))]
    contenders = []
    for _ in range(DRAWS * number):
        if len(contenders) == number:
            break
        keys = rng.choice(list(CHANGES), size=rng.integers(1, MOST + 1), replace=False)
        change = combined(tuple(CHANGES[str(key)] for key in keys))
        try:
            made = change.edit(none.recipe, *rows.train)
            if made is None:
                continue
            contender = race.Contender(change.name, "random", tuple(map(str, keys)), made)
            contender.check(rows)
            contender.start(seeds, rows)
            race.train([contender], 1, math.inf)
        except (TypeError, ValueError):  # it does not fit
            continue
        contenders.append(contender)
    if not contenders:
        return None
    race.train(contenders, steps, time.monotonic() + 600)
    scores = [np.median([each.result().score for each in c.runs]) for c in contenders]
    best = int(np.argmax(scores))
    return contenders[best] if np.isfinite(scores[best]) else None
