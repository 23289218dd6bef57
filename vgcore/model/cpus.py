"""How many CPUs this process may use: those it may run on, at most its cgroup's quota, and of these its
share where it is one of many workers.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_ROOT = Path("/")


def fair_share() -> int:
    """CPUs for this process: all that it may use, divided by the workers of a pool if it is one of them."""
    cpus = usable()
    processes = sys.modules.get("multiprocessing.process")  # of a worker it is always there
    if processes is None or processes.parent_process() is None:
        return cpus
    workers = workers_alive()
    return max(1, cpus // workers) if workers else 1


def usable(root: Path = _ROOT) -> int:
    """CPUs that this process may run on, and no more than its quota of their time pays for."""
    return max(1, min([_allowed(), *cgroup_quotas(root)]))


def _allowed() -> int:
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cgroup_quotas(root: Path = _ROOT) -> list[int]:
    """What each of this process's cgroups and those above it may use, in CPUs, rounded up."""
    folders = _cgroup_folders(root)
    return [quota for folder in folders if (quota := _quota(folder)) is not None]


def _quota(folder: Path) -> int | None:
    """The quota of a cgroup of version 2 or 1; None where there is no limit."""
    numbers = _words(folder / "cpu.max") or [
        *_words(folder / "cpu.cfs_quota_us"),
        *_words(folder / "cpu.cfs_period_us"),
    ]
    try:
        quota, period = map(int, numbers)
    except ValueError:  # "max", or not there
        return None
    return max(1, -(-quota // period)) if quota > 0 and period > 0 else None


def _cgroup_folders(root: Path) -> Iterator[Path]:
    """Folders with the limits of this process's CPU time, up to the top of each hierarchy.

    Inside a container the path may be the host's, of which only the top is there.
    """
    tops = dict(_hierarchies(root))
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        version = 2 if number == "0" else 1
        if version not in tops or (version == 1 and "cpu" not in controllers.split(",")):
            continue
        inner = PurePosixPath(path.lstrip("/"))
        if ".." not in inner.parts:
            for folder in (inner, *inner.parents):
                yield tops[version] / folder
        else:
            yield tops[version]


def _hierarchies(root: Path) -> Iterator[tuple[int, Path]]:
    """Versions of the cgroup hierarchies that may hold CPU time, and where they are mounted."""
    for line in _lines(root / "proc/self/mounts"):
        _, folder, kind, options, *_ = [*line.split(), "", "", "", ""]
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options.split(",")):
            yield (2 if kind == "cgroup2" else 1), root / folder.lstrip("/")


def workers_alive(root: Path = _ROOT) -> int:
    """How many children of this process's parent were started as it was itself, itself among them.

    0 where the system does not say.
    """
    mine = _started_as(root, os.getpid())
    tasks = root / f"proc/{os.getppid()}/task"
    try:
        lists = [_words(task / "children") for task in tasks.iterdir()]
    except OSError:
        return 0
    return sum(_started_as(root, pid) == mine for pids in lists for pid in pids)


def _started_as(root: Path, pid: int | str) -> str:
    """A process's command line without its numbers; empty of one that has ended."""
    return re.sub(r"\d+", "", _text(root / f"proc/{pid}/cmdline"))


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _text(path: Path) -> str:
    """A small file of the system; empty where there is none."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
