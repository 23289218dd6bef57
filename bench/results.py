"""From timed blocks to the numbers of the table: medians, FLOP rates and ratios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from peers.registry import BY_HAND, RIVALS, TRACKING_RIVALS
from peers.vgcore_fit import VgcoreFit, VgcorePerCall, VgcoreTracked
from timing import Round
from workloads import Workload


@dataclass(frozen=True)
class Row:
    """One peer on one workload and number of threads. None: not measured, or meaningless here."""

    workload: str
    network: str
    batch: int
    threads: int
    peer: str
    step_seconds: float  # median over the rounds
    gflops: float
    peak_fraction: float  # of fused multiply-adds on that many threads, in the same rounds
    cores: float  # that the peer kept busy
    scaling: float | None  # faster than itself on the fewest threads measured
    lead: float | None  # vgcore faster than this peer; in its own row: than the best rival
    tracking_cost: float | None  # the tracker's share of an untracked step
    call_seconds: float | None  # train_on_batch over the same step inside fit
    samples: list[float]  # seconds per step, one per round


def rows(workload: Workload, rounds: Mapping[int, Sequence[Round]]) -> list[Row]:
    """Make the rows of one workload from the rounds measured at each number of threads."""
    times = {threads: _times(measured) for threads, measured in rounds.items()}
    fewest = times[min(times)]
    return [
        _row(workload, threads, peer, rounds[threads], times[threads], fewest)
        for threads in sorted(times)
        for peer in times[threads]
    ]


def _times(rounds: Sequence[Round]) -> dict[str, list[float]]:
    """Return seconds per step, one per round, by peer."""
    return {peer: [r.samples[peer].step_seconds for r in rounds] for peer in rounds[0].samples}


def _row(
    workload: Workload,
    threads: int,
    peer: str,
    rounds: Sequence[Round],
    times: Mapping[str, Sequence[float]],
    fewest: Mapping[str, Sequence[float]],
) -> Row:
    own = times[peer]
    ours = times.get(VgcoreFit.name)
    gflops = workload.flops / median(own) / 1e9
    return Row(
        workload=workload.name,
        network=workload.title,
        batch=workload.batch,
        threads=threads,
        peer=peer,
        step_seconds=median(own),
        gflops=gflops,
        peak_fraction=gflops / median(r.peak for r in rounds),
        cores=median(r.samples[peer].cores for r in rounds),
        scaling=_ratio(fewest[peer], own) if times is not fewest else None,
        lead=_lead(peer, times),
        tracking_cost=_ratio(own, ours) - 1 if peer == VgcoreTracked.name and ours else None,
        call_seconds=_difference(own, ours) if peer == VgcorePerCall.name and ours else None,
        samples=list(own),
    )


def _lead(peer: str, times: Mapping[str, Sequence[float]]) -> float | None:
    """Compare untracked steps with each other, and tracked ones with each other."""
    if peer in (each.name for each in BY_HAND) and VgcoreFit.name in times:
        return _ratio(times[peer], times[VgcoreFit.name])
    for ours, rivals in ((VgcoreFit, RIVALS), (VgcoreTracked, TRACKING_RIVALS)):
        timed = [rival.name for rival in rivals if rival.name in times]
        if ours.name not in times or not timed:
            continue
        if peer == ours.name:
            return _ratio(min((times[rival] for rival in timed), key=median), times[peer])
        if peer in timed:
            return _ratio(times[peer], times[ours.name])
    return None


# Both compare within rounds, where the machine was in one mood, and only then take the median.


def _ratio(slower: Sequence[float], faster: Sequence[float]) -> float:
    return median(a / b for a, b in zip(slower, faster, strict=True))


def _difference(longer: Sequence[float], shorter: Sequence[float]) -> float:
    return median(a - b for a, b in zip(longer, shorter, strict=True))
