"""Whole train steps of vgcore, with and without the tracker: `pytest bench`.

One round is one pass over the workload's data; its number of steps is in the extra info.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from peers.vgcore_fit import VgcoreFit, VgcoreTracked
from workloads import ROWS


@pytest.mark.parametrize("peer", [VgcoreFit, VgcoreTracked], ids=lambda peer: peer.name)
@pytest.mark.parametrize("row", ROWS)
def test_pass_over_the_data(benchmark: BenchmarkFixture, row: str, peer: type[VgcoreFit]) -> None:
    """Time `fit` over one pass."""
    benchmark.group = row
    benchmark.extra_info["steps"] = ROWS[row].batches
    benchmark(peer(ROWS[row], threads=1).run, epochs=1)
