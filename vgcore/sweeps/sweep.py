"""sweep: a function of a configuration and a seed, called for all of a grid."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from vgcore import _answers, _validate
from vgcore.model import divergence, progress
from vgcore.model.callbacks import check_takes
from vgcore.sweeps.grid import Config, Run, configurations
from vgcore.sweeps.table import Table

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from vgcore.sweeps.executors import Workers
    from vgcore.sweeps.outcome import Outcome


@_answers.answering
def sweep(
    train: Callable[..., Mapping[str, Any]],
    grid: Mapping[str, Any],
    *,
    store: Any,
    executor: Executor | None = None,
    repeats: int = 3,
    retries: int = 1,
    data: Any = None,
    where: Callable[[Config], Any] | None = None,
    verbose: Literal["auto", 0, 1, 2] = "auto",
) -> Table:
    """Call a function for every configuration of a grid, and keep what comes of each call as it ends.

    Stopped at any moment, by ``kill -9`` or a power cut too, and started again with the same store, it goes
    on with what is missing: the runs that are new, that have not ended, and that have failed. A grid with
    more values, or more repeats, goes on likewise.

    Parameters
    ----------
    train : callable
        ``train(config, seed)``, or ``train(config, seed, data)`` with ``data=``. ``config`` is a dict with a
        value of each name; ``seed`` follows from it and from the repeat alone. It returns a dict of numbers
        and of `GradientFlow`, which are saved in files beside the store.
    grid : dict
        By name a list, a range, `vgcore.sweeps.uniform` or `vgcore.sweeps.loguniform`, any of them within
        `vgcore.sweeps.when`. Every combination is a configuration. Values are what JSON has: numbers,
        strings, booleans, None, lists and dicts.
    store : path-like
        An SQLite file, made where there is none. Other programs may read it while the sweep goes on.
    executor : concurrent.futures.Executor, optional
        Who calls the function, such as ``client.get_executor()`` of Dask; left to the caller to close. By
        default processes on all CPUs of this machine (`get_num_threads`), each with its share of the
        threads: what a function does in Python between two trainings holds up no other run, and one that
        crashes or runs out of memory takes none along. They import the script that calls this, which has to
        do so under ``if __name__ == "__main__":``. Threads, where processes cannot be sent the function,
        which is a lambda, or of a notebook, or cannot import the script, which is no file.
    repeats : int, >= 1
        Runs of each configuration, with other seeds.
    retries : int, >= 0
        How often a run that has failed, or whose worker has died, is tried again.
    data : object, optional
        What all runs need, sent once to each process of our own, and to each worker of Dask, where it may be
        a future: of a function that loads it, or of ``client.scatter(data, broadcast=True)``. Other executors
        are given it with each call.
    where : callable, optional
        ``where(config)``: which configurations there are.
    verbose : {"auto", 0, 1, 2}
        1: a bar, with the time left, for which tqdm is needed; 2: a line, at most each ten seconds; 0:
        nothing. "auto": a bar or lines where somebody looks, a terminal or a notebook.

    Returns
    -------
    Table
        A row for each run of this grid.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, the store is another sweep's, or what an executor has to send cannot be
        pickled; nothing is begun then.
    OSError
        If the store cannot be written, by a full disk too; BlockingIOError if another process is writing it.
    RuntimeError
        If processes die as they start.
    Exception
        What an executor raises that is broken or was closed. Whatever is raised, results so far are kept.

    Notes
    -----
    What ``train`` raises, or returns that is no dict of numbers, is a failure: its traceback is kept, the
    others go on, and a warning at the end says how many there are. The same configuration, repeat and vgcore
    give the same bits wherever they ran, at one CPU level (`cpu_level`, which is kept with each run), as far
    as ``train`` depends on nothing else.

    Ctrl-C ends processes of our own at once; in threads and on other executors runs that have begun come to
    their end, unseen.

    Examples
    --------
    >>> def train(config, seed):
    ...     x, y = vg.data.digits()
    ...     layers = [vg.Dense(20, "tanh") for _ in range(config["depth"])]
    ...     model = vg.Sequential([*layers, vg.Dense(10, "softmax")], input_shape=64, seed=seed)
    ...     model.compile("sparse_categorical_crossentropy", vg.SGD(config["rate"]))
    ...     flow = vg.GradientFlow(every=10)
    ...     history = model.fit(x[:500], y[:500], verbose=0, track=flow)
    ...     return {"loss": history["loss"][-1], "flow": flow}
    >>> grid = {"depth": [2, 5], "rate": vg.sweeps.loguniform(1e-3, 1e-1, 3)}
    >>> table = vg.sweep(train, grid, store="rates.sqlite", repeats=1)
    >>> len(table), len(table.failures), len(table.flows(depth=5))
    (6, 0, 3)
    """
    from vgcore.sweeps import execution  # brings processes along, and SQLite, which take time
    from vgcore.sweeps.naming import name_of
    from vgcore.sweeps.store import Store

    _check_not_starting()
    given = () if data is None else (data,)
    if not callable(train):
        raise TypeError(f"train: expected a function, got {_validate.kind(train)}")
    check_takes("train", train, ("config", "seed", "data")[: 2 + len(given)], "a function")
    repeats = _validate.integer("repeats", repeats, minimum=1)
    retries = _validate.integer("retries", retries, minimum=0)
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise TypeError(
            f"executor: expected a concurrent.futures.Executor, got {_validate.kind(executor)}"
        )
    configs = configurations(grid, where)
    runs = [Run(config, repeat) for config in configs for repeat in range(repeats)]
    with progress.counted("sweep", "run", verbose) as show:
        file = Store(store, name_of(train), list(grid))
        workers: Workers | None = None
        broken = True
        try:
            there = file.rows()
            old = {run.id for run in runs if run.id in there}
            done = {each for each in old if there[each].status == "done"}
            missing = [run for run in runs if run.id not in done]
            show.begin(len(runs), len(done), resumed=bool(old))

            def tell(run: Run, outcome: Outcome, attempts: int) -> None:
                file.add(run, outcome, attempts)
                show.one(failed=outcome.traceback is not None)

            if missing:
                workers = execution.workers_for(executor, train, given, len(missing))
                execution.carry_out(missing, workers, retries, tell)
            broken = False
            rows = file.rows()
            table = Table([rows[run.id] for run in runs], list(grid))
            _warn(table)
            return table
        finally:
            if workers is not None:
                workers.close(broken)
            file.close()


def load(store: Any) -> Table:
    """Read the table of a store, which may be in the middle of its sweep; nothing is run.

    Parameters
    ----------
    store : path-like
        What `vgcore.sweep` was given.

    Returns
    -------
    Table
        All runs that have ended, in that order, of every grid that the store was given.

    Raises
    ------
    ValueError
        If it is no store of a sweep.
    OSError
        If it cannot be read.
    """
    from vgcore.sweeps.store import read

    return Table(*read(store))


def _warn(table: Table) -> None:
    """Say that runs have failed."""
    failures = table.failures
    if failures:
        last = str(failures[0].traceback).rstrip().splitlines()[-1]
        divergence.warn_caller(
            f"{len(failures)} of {len(table)} runs have failed, whose tracebacks are in table.failures; the "
            f"first: {last}"
        )


def _check_not_starting() -> None:
    """RuntimeError in a process that a sweep starts, and that calls it again as it imports the script."""
    processes = sys.modules.get("multiprocessing.process")
    if processes and getattr(processes.current_process(), "_inheriting", False):
        raise RuntimeError(
            "vgcore.sweep was called by a process that it has started, which imports the script: expected "
            "the call under if __name__ == '__main__':"
        )
