"""A sweep: every run once, with its own seed, kept as it ends, and gone on with."""

import json
import os
import sqlite3
import sys
from collections import deque
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest
from processes import run_python
from sweep_trains import GRID, dying, dying_once, numbers, threads_used, tiny, with_data

import vgcore as vg


class Inline(Executor):
    """Does what it is given at once."""

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)
        return future


@pytest.fixture
def store(tmp_path):
    return tmp_path / "sweep.sqlite"


def sweep(train, grid, store, **options):
    return vg.sweep(train, grid, store=store, **{"executor": Inline(), **options})


def failing(number):
    """What expects a warning of so many failures."""
    return pytest.warns(UserWarning, match=f"^{number} of .* runs have failed, .* table.failures")


def losses(table):
    return {(*row.config.values(), row.repeat): row.result["loss"] for row in table}


def test_every_run_is_done_once(store):
    table = sweep(tiny, GRID, store)
    assert len(table) == 2 * 2 * 3
    assert [row.config for row in table[:3]] == [{"depth": 1, "rate": 0.01}] * 3
    assert [row.repeat for row in table[:3]] == [0, 1, 2]
    assert len({row.seed for row in table}) == 12
    assert len(set(losses(table).values())) == 12
    assert all(row.status == "done" and row.attempts == 1 for row in table)
    assert {row.cpu_level for row in table} == {vg.cpu_level}
    assert {row.versions["numpy"] for row in table} == {np.__version__}


def test_seeds_and_names_are_the_same_for_ever(store):
    first, *_ = sweep(numbers, {"a": [1]}, store)
    # printf '[{"a":1},0]' | sha256sum: b391da85a16051e6ee914b97...
    assert first.seed == 0xEE914B97


def test_the_same_bits_in_processes_threads_and_in_line(tmp_path):
    tables = {
        "in line": sweep(tiny, GRID, tmp_path / "1", repeats=2),
        "processes": vg.sweep(tiny, GRID, store=tmp_path / "2", repeats=2),
        "a lambda": vg.sweep(lambda c, s: tiny(c, s), GRID, store=tmp_path / "3", repeats=2),
    }
    with ThreadPoolExecutor(2) as pool:
        tables["threads"] = sweep(tiny, GRID, tmp_path / "4", repeats=2, executor=pool)
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        tables["a pool"] = sweep(tiny, GRID, tmp_path / "5", repeats=2, executor=pool)
    pids = {
        name: {row.result["pid"] for row in table} - {os.getpid()} for name, table in tables.items()
    }
    assert len(pids["processes"]) == 2 and pids["a pool"]
    assert not pids["threads"] and not pids["a lambda"] and not pids["in line"]
    for table in tables.values():
        assert losses(table) == losses(tables["in line"])
        for one, other in zip(table, tables["in line"], strict=True):
            assert one.flow().delta.tobytes() == other.flow().delta.tobytes()


def test_records_lie_beside_the_store(store):
    table = sweep(tiny, GRID, store, repeats=1)
    assert sorted(os.listdir(store.parent)) == ["sweep.sqlite", "sweep.sqlite.flows"]
    assert len(os.listdir(f"{store}.flows")) == 4
    assert len(table.flows()) == 4 and len(table.flows("flow", depth=3)) == 2
    assert table.flows(depth=3, rate=0.1)[0].layers == ["dense1", "dense2", "dense3", "dense4"]
    assert table.flows(depth=2) == []
    with pytest.raises(ValueError, match=r"expected one of depth, rate; got 'dept'.* 'depth'"):
        table.flows(dept=3)
    with pytest.raises(KeyError, match="other: expected one of flow"):
        table[0].flow("other")
    (moved := store.parent / "there").mkdir()
    for name in ("sweep.sqlite", "sweep.sqlite.flows"):
        os.rename(store.parent / name, moved / name)
    loaded = vg.sweeps.load(moved / "sweep.sqlite")
    assert [flow.delta.shape for flow in loaded.flows()] == [(4, 2)] * 2 + [(4, 4)] * 2


def test_a_table_of_pandas(store):
    frame = sweep(numbers, {"a": [1, 2], "b": ["x", None]}, store, repeats=2).to_dataframe()
    assert list(frame.columns) == [
        *("a", "b", "repeat", "seed", "twice", "half", "status", "run_seconds", "host", "cpu_level")
    ]
    assert frame.groupby("a")["twice"].mean().to_dict() == {1: 2, 2: 4}
    np.testing.assert_array_equal(frame["half"], frame["seed"] / 2)


def test_a_sweep_goes_on_with_what_is_missing(store, capsys):
    calls = deque()  # a list would belong to the function, with what is in it

    def train(config, seed):
        calls.append(config["a"])
        if config["a"] == 3:
            raise KeyboardInterrupt
        return {"b": config["a"]}

    grid = {"a": [1, 2, 3, 4]}
    with pytest.raises(KeyboardInterrupt):
        sweep(train, grid, store, repeats=1)
    assert list(calls) == [1, 2, 3]
    assert [row.result for row in vg.sweeps.load(store)] == [{"b": 1}, {"b": 2}]
    assert capsys.readouterr().out == ""
    calls.clear()
    other = {"a": [2, 1, 4]}
    table = sweep(train, other, store, repeats=1)
    assert list(calls) == [4] and [row.result["b"] for row in table] == [2, 1, 4]
    assert capsys.readouterr().out == "resumed: 2 of 3 done\n"
    sweep(train, other, store, repeats=1, verbose=0)
    assert list(calls) == [4] and capsys.readouterr().out == ""
    assert len(sweep(train, other, store, repeats=2)) == 6 and sorted(calls) == [1, 2, 4, 4]
    assert len(vg.sweeps.load(store)) == 6


def test_failures_are_kept_and_tried_again(store):
    tried = []

    def train(config, seed):
        tried.append(config["a"])
        if config["a"] == 2 or (config["a"] == 3 and tried.count(3) < 2):
            raise OSError(f"no {config['a']}")
        return {"b": 0}

    with failing(1) as warned:
        table = sweep(train, {"a": [1, 2, 3]}, store, repeats=1, retries=2)
    assert str(warned[0].message).endswith("the first: OSError: no 2")
    assert warned[0].filename == __file__
    assert {a: tried.count(a) for a in (1, 2, 3)} == {1: 1, 2: 3, 3: 2}
    assert [row.status for row in table] == ["done", "failed", "done"]
    assert [row.attempts for row in table] == [1, 3, 2]
    (failed,) = table.failures
    assert failed.traceback.startswith("Traceback") and failed.traceback.endswith("OSError: no 2\n")
    assert "in train" in failed.traceback and "outcome.py" not in failed.traceback
    assert repr(table) == "<Table of 3 runs: 2 done, 1 failed>"
    tried.clear()
    with failing(1):
        sweep(train, {"a": [1, 2, 3]}, store, repeats=1, retries=0)
    assert tried == [2]


class _UnpicklableError(Exception):
    def __init__(self, one, two):
        super().__init__(one)


def raising(config, seed):
    if config["a"]:
        raise _UnpicklableError(1, 2)
    sys.exit("enough")


def test_no_exception_breaks_a_process(store):
    with failing(2):
        table = vg.sweep(raising, {"a": [0, 1]}, store=store, repeats=1, retries=0)
    assert [row.traceback.splitlines()[-1] for row in table] == [
        "SystemExit: enough",
        "test_sweep_runs._UnpicklableError: 1",
    ]


RETURNED = {
    "nothing": (
        lambda: None,
        "TypeError: train: expected it to return a dict of numbers, got NoneType",
    ),
    "a number": (
        lambda: 3.0,
        "TypeError: train: expected it to return a dict of numbers, got float",
    ),
    "a list": (
        lambda: {"loss": [1.0]},
        "TypeError: train: .* got list for 'loss'; its last is one",
    ),
    "a text": (lambda: {"loss": "1"}, "TypeError: train: .* got str for 'loss'"),
    "a complex": (lambda: {"loss": 1j}, "TypeError: train: .* got complex for 'loss'"),
    "an array": (lambda: {"loss": np.ones(2)}, "TypeError: train: .* got ndarray for 'loss'"),
    "a name of the grid": (lambda: {"a": 1}, "ValueError: train: expected names that .* got 'a'"),
    "a name of the table": (lambda: {"seed": 1}, "ValueError: train: expected names .* got 'seed'"),
    "a name that is none": (lambda: {1: 1}, "TypeError: train: .* dict with names, got 1"),
}


@pytest.mark.parametrize("name", RETURNED)
def test_what_is_no_dict_of_numbers_is_a_failure(name, store):
    made, message = RETURNED[name]
    with failing(1):
        (row,) = sweep(lambda config, seed: made(), {"a": [1]}, store, repeats=1)
    assert row.status == "failed" and not row.result
    assert pd.Series([row.traceback.splitlines()[-1]]).str.fullmatch(message + ".*").all()


def test_numbers_come_back_as_they_are(store):
    given = {
        "nan": float("nan"),
        "inf": -np.inf,
        "third": 1 / 3,
        "large": 2**70,
        "flag": np.True_,
        "count": np.int32(3),
        "small": np.float32(0.1),
        "array": np.array(0.2),
    }
    sweep(lambda config, seed: given, {"a": [1]}, store, repeats=1)
    (row,) = vg.sweeps.load(store)
    assert list(row.result) == list(given)
    for name, value in row.result.items():
        np.testing.assert_array_equal(value, given[name])
    assert row.result["flag"] is True and row.result["count"] == 3


def test_a_dead_process_takes_nothing_else_along(store, tmp_path):
    with failing(1):
        table = vg.sweep(dying, {"a": [1, 2, 3, 4]}, store=store, repeats=1)
    assert [row.status for row in table] == ["done", "failed", "done", "done"]
    assert [row.attempts for row in table.failures] == [2]
    assert "BrokenProcessPool" in table.failures[0].traceback
    grid = {"a": [1, 2, 3]}
    once = vg.sweep(dying_once, grid, store=tmp_path / "once", data=str(tmp_path), repeats=1)
    assert not once.failures and [row.attempts for row in once] == [1, 2, 1]


def test_a_broken_pool_of_somebody_else_ends_the_sweep(store):
    with ProcessPoolExecutor(1, get_context("spawn")) as pool, pytest.raises(BrokenProcessPool):
        sweep(dying, {"a": [1, 2, 3]}, store, repeats=1, executor=pool)
    assert [row.result for row in vg.sweeps.load(store)] == [{"a2": 1}]


def test_data_are_sent_once_to_each_process(store, tmp_path):
    data = np.arange(1000.0)
    table = vg.sweep(with_data, {"a": [1, 2]}, store=store, data=data, repeats=5)
    assert [row.result["sum"] for row in table] == [data.sum()] * 5 + [2 * data.sum()] * 5
    assert len({row.result["pid"] for row in table}) == 2
    assert len({(row.result["pid"], row.result["id"]) for row in table}) == 2
    same = sweep(with_data, {"a": [1, 2]}, tmp_path / "in line", data=data, repeats=5)
    assert {row.result["id"] for row in same} == {id(data)}


def test_cores_are_not_shared_out_twice(store, tmp_path, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    alone = vg.sweep(threads_used, {"a": [1]}, store=store, repeats=1)[0].result
    assert alone == {"engine": 2, "OMP_NUM_THREADS": 2, "OPENBLAS_NUM_THREADS": 2}
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    each = vg.sweep(threads_used, {"a": [1]}, store=tmp_path / "2", repeats=2)[0].result
    assert each == {"engine": 1, "OMP_NUM_THREADS": 7, "OPENBLAS_NUM_THREADS": 1}


def test_a_store_is_plain_sqlite_and_can_be_read_meanwhile(store):
    seen = deque()

    def train(config, seed):
        with closing(sqlite3.connect(store)) as file:
            seen.append(file.execute("SELECT count(*) FROM runs").fetchone()[0])
            assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert len(vg.sweeps.load(store)) == seen[-1]
        return {"b": 1}

    table = sweep(train, {"a": [1, 2, 3]}, store, repeats=1)
    assert not table.failures
    assert list(seen) == [0, 1, 2]
    sweep(train, {"a": [1, 2, 3, 4]}, store, repeats=1)
    assert seen[-1] == 3
    with closing(sqlite3.connect(store)) as file:
        rows = file.execute("SELECT config, status, result FROM runs").fetchall()
    assert [json.loads(config) for config, _, _ in rows] == [{"a": a} for a in (1, 2, 3, 4)]


def test_a_function_by_any_way_is_one_sweep(store):
    sweep(numbers, {"a": [1]}, store)
    sweep(partial(numbers), {"a": [1]}, store)


def test_an_unguarded_script_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import vgcore as vg\n"
        "def train(config, seed):\n    return {'b': 1}\n"
        f"vg.sweep(train, {{'a': [1]}}, store={str(tmp_path / 'store')!r})\n"
    )
    run = run_python(str(script))
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("RuntimeError: the processes that a sweep starts")
    assert "__main__" in run.stderr.splitlines()[-1]


def test_a_script_that_is_no_file_has_threads(store):
    script = (
        "import os, sys\nimport vgcore as vg\n"
        "def train(config, seed):\n    return {'pid': os.getpid()}\n"
        "if __name__ == '__main__':\n"
        "    (row,) = vg.sweep(train, {'a': [1]}, store=sys.argv[1], repeats=1)\n"
        "    print(row.result['pid'] == os.getpid())\n"
    )
    run = run_python("-", str(store), input=script)
    assert run.stdout == "True\n", run.stderr
