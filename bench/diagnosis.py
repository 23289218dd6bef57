"""Faulty programs of published benchmarks, and what `diagnose` says of them and of their healthy twins.

python bench/diagnosis.py --outcomes                     which runs fail and which learn: two minutes
python bench/diagnosis.py --no-cures --out found.jsonl   are diagnoses right? goes on where it was stopped
python bench/diagnosis.py --out found.jsonl              and whether cures cure: hours
python bench/diagnosis.py --only AT-demo-GV 50338865     some programs
python bench/diagnosis.py --small                        a few programs, one seed, two minutes

A run counts as faulty, or as healthy, by what it has learned itself. MNIST is read from the folder that
VGCORE_MNIST names; without it, programs on MNIST are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import crossed
import outcomes
import verdicts
from programs import PROGRAMS, TABLES, Program, data
from store import Store

SMALL = (
    "AT-demo-GV",
    "AT-Circle-relu15",
    "44066044",
    "44998910",
    "50338865",
    "58043002",
    "49583466",
    "59078187",
    "TDC-sym-regr",
    "TDC-target10-regr",
)


def chosen(only: Sequence[str], tables: Sequence[str]) -> list[Program]:
    """The programs of these ids and tables; all where nothing is said. Says which are left out."""
    some = [
        program
        for program in PROGRAMS.values()
        if (not only or program.id in only) and (not tables or program.table in tables)
    ]
    missing = [program.id for program in some if program.mnist and not data.has_mnist()]
    if missing:
        print(f"Left out, for {data.MNIST} names no folder of MNIST: {', '.join(missing)}.\n")
    return [program for program in some if program.id not in missing]


def progress(runs: Sequence[Any]) -> Any:
    """Runs, with a bar."""
    from tqdm import tqdm

    return tqdm(runs, unit="run", leave=False)


def print_outcomes(programs: Sequence[Program], seeds: int, store: Store) -> None:
    """Tables of what runs have learned."""
    for name in TABLES:
        some = [program for program in programs if program.table == name]
        if some:
            print(f"Table {name}\n\n{outcomes.table(some, seeds, store)}\n")
    told = outcomes.refusals(programs, seeds, store)
    if told:
        print(f"Refused as they are written:\n\n{told}\n")


def print_verdicts(programs: Sequence[Program], seeds: int, store: Store) -> None:
    """Tables of what was said of runs; of recurrent ones by themselves."""
    groups = {
        "Feed-forward programs": [program for program in programs if not program.recurrent],
        "Recurrent programs": [program for program in programs if program.recurrent],
    }
    for title, some in groups.items():
        if some:
            print(f"{title}\n\n{verdicts.table(some, seeds, store)}\n")
    print(f"A diagnosis takes {verdicts.seconds(programs, seeds, store):.1f} s (median).\n")
    told = verdicts.alarms(programs, seeds, store)
    if told:
        print(f"False alarms:\n\n{told}\n")


def print_crossed(programs: Sequence[Program], seeds: int, store: Store) -> None:
    """The same with thresholds that were set on other programs."""
    found, factors = crossed.cross_validated(programs, seeds, store)
    shares = ", ".join(
        f"{what} {some / whole:.1%}"
        for what, some, whole in (
            ("flagged", found.flagged, found.faulty),
            ("right cause first", found.first, found.faulty),
            ("among the first three", found.among, found.faulty),
            ("false alarms", found.alarms, found.healthy),
        )
        if whole
    )
    print(f"Thresholds set on four fifths of the programs, judged on the last: {shares}.\n")
    for name, some in sorted(factors.items()):
        print(f"{name}: times {', '.join(f'{factor:g}' for factor in some)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--outcomes", action="store_true", help="train alone, diagnose nothing")
    parser.add_argument("--no-cures", action="store_true", help="diagnose, try no cures")
    parser.add_argument("--small", action="store_true", help="a few programs, one seed")
    parser.add_argument("--seeds", type=int, default=5, help="default: 5")
    parser.add_argument("--seconds", type=float, default=5.0, help="of a diagnosis; default: 5")
    parser.add_argument("--only", nargs="+", default=[], choices=PROGRAMS, metavar="ID")
    parser.add_argument("--table", nargs="+", default=[], choices=TABLES)
    parser.add_argument("--out", type=Path, help="keep measurements there, and go on from them")
    options = parser.parse_args(arguments)
    if options.seeds < 1 or not options.seconds > 0:
        parser.error("--seeds, --seconds: expected more than 0")
    if options.small:
        options.only, options.seeds = SMALL, 1
    programs = chosen(options.only, options.table)
    store = Store(options.out)
    outcomes.measure_all(programs, options.seeds, store, progress)
    print_outcomes(programs, options.seeds, store)
    if options.outcomes:
        return
    verdicts.measure_all(
        programs, options.seeds, options.seconds, store, progress, cures=not options.no_cures
    )
    print_verdicts(programs, options.seeds, store)
    if not options.small:
        print_crossed(programs, options.seeds, store)


if __name__ == "__main__":
    main()
