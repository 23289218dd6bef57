"""Train the same networks in vgcore, PyTorch and JAX, and print how long a step takes in each.

python bench/compare.py                   every row, at 1 and 2 threads
python bench/compare.py D1 D4 --threads 1 --tracked --json speed.json
python bench/compare.py --check           do all peers compute the same thing?
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import track

import report
from peers.registry import PEERS, TRACKING_RIVALS
from peers.vgcore_fit import VgcoreTracked
from results import rows
from timing import Round
from worker import Worker
from workloads import ROWS, Workload

ROUNDS = 21
TABLE_WIDTH = 120


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, measure, print and write."""
    parser = _parser()
    options = parser.parse_args(arguments)
    plan = [(row, _peers(row, options.peers, options.tracked)) for row in options.workloads]
    for workload, peers in plan:
        if not peers:
            parser.error(f"{workload.name}: runs on none of {', '.join(options.peers)}")
    console = Console()
    results, rounds = [], []
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(threads)) for threads in options.threads]
        for workload, peers in plan:
            _prepare(console, workers, workload, peers)
            if options.check:
                continue
            measured = _measure(workers, workload, options.rounds)
            results += rows(workload, measured)
            rounds += [r for of_threads in measured.values() for r in of_threads]
    if options.check:
        return
    about = report.environment(rounds)
    Console(width=max(console.width, TABLE_WIDTH)).print(report.table(about, results))
    if options.json:
        options.json.write_text(json.dumps(report.record(about, results), indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "workloads",
        nargs="*",
        type=_row,
        default=list(ROWS.values()),
        metavar="ROW",
        help=f"of {', '.join(ROWS)} (default: all)",
    )
    parser.add_argument(
        "--threads", nargs="+", type=_positive, default=[1, 2], metavar="N", help="default: 1 2"
    )
    parser.add_argument(
        "--rounds",
        type=_positive,
        default=ROUNDS,
        metavar="N",
        help=f"timed blocks of each peer (default: {ROUNDS})",
    )
    parser.add_argument(
        "--peers",
        nargs="+",
        choices=PEERS,
        default=list(PEERS),
        metavar="PEER",
        help=f"of {', '.join(PEERS)}",
    )
    parser.add_argument(
        "--tracked", action="store_true", help="time the tracker, too, and its rivals"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the record here")
    parser.add_argument("--check", action="store_true", help="compare results, time nothing")
    return parser


def _row(name: str) -> Workload:
    if name not in ROWS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(ROWS)}, got {name!r}")
    return ROWS[name]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {number}")
    return number


def _peers(workload: Workload, chosen: Sequence[str], tracked: bool) -> list[str]:
    """Leave out what was not asked for, or says nothing on this workload."""
    left_out = () if tracked else (VgcoreTracked, *TRACKING_RIVALS)
    return [name for name in chosen if PEERS[name].runs(workload) and PEERS[name] not in left_out]


def _prepare(
    console: Console, workers: Sequence[Worker], workload: Workload, peers: Sequence[str]
) -> None:
    for worker in workers:
        losses = worker.prepare(workload, peers)
        steps = ", ".join(f"{loss:.4f}" for loss in losses[peers[0]])
        console.print(
            f"{workload.name}, {worker.threads} thread(s): {len(peers)} peers agree, losses {steps}"
        )


def _measure(workers: Sequence[Worker], workload: Workload, rounds: int) -> dict[int, list[Round]]:
    """Let the workers take turns, so that all meet the same moods of the machine."""
    measured: dict[int, list[Round]] = {worker.threads: [] for worker in workers}
    for _ in track(range(rounds), description=workload.name):
        for worker in workers:
            measured[worker.threads].append(worker.round())
    return measured


if __name__ == "__main__":
    main()
