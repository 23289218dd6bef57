"""The CPU levels that are offered: those whose instructions this CPU has, as the system lists them."""

import platform
from pathlib import Path

import pytest
from processes import run_python

from vgcore._core import simd

FLAGS = {
    "avx2": {"avx2", "fma"},
    "avx512": {"avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl"},
}
CPUINFO = Path("/proc/cpuinfo")


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not CPUINFO.exists(),
    reason="no /proc/cpuinfo of an x86-64 CPU",
)
def test_levels_are_those_of_the_systems_list():
    """It lists no instructions whose registers it does not keep for a thread."""
    line = next(line for line in CPUINFO.read_text().splitlines() if line.startswith("flags"))
    flags = set(line.split(":")[1].split())
    expected = ["baseline", *(level for level, needed in FLAGS.items() if needed <= flags)]
    assert simd.levels() == expected


def test_the_widest_level_is_taken_unless_another_is_asked_for(monkeypatch):
    for level in simd.levels():
        monkeypatch.setenv("VGCORE_CPU", level)
        asked = run_python("-c", "from vgcore._core import simd; print(simd.level)")
        assert asked.stdout.split() == [level], asked.stderr
    monkeypatch.setenv("VGCORE_CPU", simd.levels()[-1].upper())
    loud = run_python("-c", "from vgcore._core import simd; print(simd.level)")
    assert loud.stdout.split() == [simd.levels()[-1]], loud.stderr
    monkeypatch.delenv("VGCORE_CPU")
    free = run_python("-c", "from vgcore._core import simd; print(simd.level)")
    assert free.stdout.split() == [simd.levels()[-1]], free.stderr


@pytest.mark.parametrize("size", ["0", "-1", "1.5", "much", "9" * 30])
def test_a_size_of_the_cache_that_is_none_is_refused_by_name(size, monkeypatch):
    monkeypatch.setenv("VGCORE_L2", size)
    asked = run_python("-c", "import vgcore")
    assert (
        f"ImportError: VGCORE_L2: expected a positive number of KiB, got '{size}'" in asked.stderr
    )
