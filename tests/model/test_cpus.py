"""How many CPUs a process may use, read from a system made of files."""

import multiprocessing.process
import os
import sys

import pytest

from vgcore.model import cpus

V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"
V1 = (
    "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
    "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n"
    "cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n"
)
HYBRID = V1 + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
V1_GROUPS = "4:cpuset:/set\n2:cpu,cpuacct:/docker/{0}\n0::/\n"


def system(root, files):
    """A root folder with these files in it."""
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def cgroups(root, mounts, groups, limits):
    files = {f"sys/fs/cgroup/{path}": text for path, text in limits.items()}
    return system(root, {"proc/self/mounts": mounts, "proc/self/cgroup": groups, **files})


@pytest.mark.parametrize(
    ("mounts", "groups", "limits", "quotas"),
    [
        (V2, "0::/a/b\n", {"a/b/cpu.max": "200000 100000\n"}, [2]),
        (V2, "0::/a/b\n", {"a/b/cpu.max": "150000 100000\n"}, [2]),
        (V2, "0::/a/b\n", {"a/b/cpu.max": "10000 100000\n"}, [1]),
        (V2, "0::/a/b\n", {"a/b/cpu.max": "max 100000\n"}, []),
        (V2, "0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, [3]),
        (V2, "0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "400000 50000"}, [8, 3]),
        (V2, "0::/\n", {"cpu.max": "500000 100000\n"}, [5]),
        (V2, "0::/../other\n", {"cpu.max": "500000 100000\n"}, [5]),
        (V2, "0::/a:b\n", {"a:b/cpu.max": "500000 100000\n"}, [5]),
        (
            V1,
            V1_GROUPS.format("a"),
            {
                "cpu,cpuacct/docker/a/cpu.cfs_quota_us": "250000\n",
                "cpu,cpuacct/docker/a/cpu.cfs_period_us": "100000\n",
            },
            [3],
        ),
        (
            V1,
            V1_GROUPS.format("not/in/the/container"),
            {
                "cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
                "cpu,cpuacct/cpu.cfs_period_us": "50000\n",
            },
            [1],
        ),
        (
            HYBRID,
            V1_GROUPS.format("a"),
            {
                "cpu,cpuacct/docker/a/cpu.cfs_quota_us": "-1\n",
                "cpu,cpuacct/docker/a/cpu.cfs_period_us": "100000\n",
                "unified/cpu.max": "700000 100000\n",
            },
            [7],
        ),
        (V1, V1_GROUPS.format("a"), {"cpu,cpuacct/docker/a/cpu.cfs_quota_us": "250000\n"}, []),
        (V2, "0::/a\n", {"a/cpu.max": "much of it\n"}, []),
        (V2, "0::/a\n", {"a/cpu.max": "\n"}, []),
        (V2, "0::/a\n", {"a/cpu.max": "100000 0\n"}, []),
        (V2, "nonsense\n", {"cpu.max": "100000 100000\n"}, []),
        ("nonsense\n", "0::/a\n", {"a/cpu.max": "100000 100000\n"}, []),
    ],
)
def test_quotas(tmp_path, mounts, groups, limits, quotas):
    assert cpus.cgroup_quotas(cgroups(tmp_path, mounts, groups, limits)) == quotas


def test_no_more_cpus_than_the_smallest_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    assert cpus.usable(tmp_path) == 8
    limits = {"a/cpu.max": "600000 100000", "a/b/cpu.max": "310000 100000"}
    assert cpus.usable(cgroups(tmp_path, V2, "0::/a/b\n", limits)) == 4


def test_python_may_know_how_many(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "process_cpu_count", lambda: 5, raising=False)
    assert cpus.usable(tmp_path) == 5


def test_systems_without_affinity(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cpus.usable(tmp_path) == 1


SPAWNED = "python\0-c\0spawn_main(tracker_fd=5, pipe_handle={})\0--multiprocessing-fork\0"


def test_workers_are_children_that_were_started_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 103)
    monkeypatch.setattr(os, "getppid", lambda: 7)
    command_lines = {
        101: "python\0-c\0from multiprocessing.resource_tracker import main;main(4)\0",
        102: SPAWNED.format(9),
        103: SPAWNED.format(31),
        104: "",  # has ended
        105: SPAWNED.format(11),
        106: "sleep\x0060\0",
    }
    files = {f"proc/{pid}/cmdline": text for pid, text in command_lines.items()}
    files |= {
        "proc/7/task/7/children": "101 102 103 ",
        "proc/7/task/8/children": "104 105 106 ",
        "proc/7/task/9/children": "",
    }
    assert cpus.workers_alive(system(tmp_path, files)) == 3


def test_where_the_system_does_not_tell_of_workers_one_cpu_is_a_share(tmp_path, monkeypatch):
    assert cpus.workers_alive(tmp_path) == 0
    monkeypatch.setattr(cpus, "usable", lambda: 8)
    monkeypatch.setattr(multiprocessing.process, "parent_process", lambda: "parent")
    for alive, share in ((0, 1), (1, 8), (2, 4), (3, 2), (9, 1)):
        monkeypatch.setattr(cpus, "workers_alive", lambda alive=alive: alive)
        assert cpus.fair_share() == share
    monkeypatch.setattr(multiprocessing.process, "parent_process", lambda: None)
    assert cpus.fair_share() == 8
    monkeypatch.delitem(sys.modules, "multiprocessing.process")
    assert cpus.fair_share() == 8
