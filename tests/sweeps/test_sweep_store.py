"""What is wrong with a sweep's arguments and its store; no result is lost."""

import os
import resource
import sqlite3
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from processes import run_python
from sweep_trains import numbers

import vgcore as vg
from vgcore.sweeps.naming import name_of


@pytest.fixture
def store(tmp_path):
    return tmp_path / "sweep.sqlite"


def alone(train, grid, store, **options):
    with ThreadPoolExecutor(1) as pool:
        return vg.sweep(train, grid, store=store, executor=pool, **{"repeats": 1, **options})


def one(config, seed):
    return {"b": config["a"]}


WRONG = {
    "train": ({"train": 3}, TypeError, "train: expected a function, got int"),
    "one argument": (
        {"train": lambda config: {}},
        *(TypeError, r"train: expected a function that takes \(config, seed\)"),
    ),
    "no data": ({"data": 3}, TypeError, r"train: expected .* takes \(config, seed, data\)"),
    "no run": ({"grid": {}}, ValueError, "grid: expected at least one configuration"),
    "repeats": ({"repeats": 0}, ValueError, "repeats: expected an integer of at least 1, got 0"),
    "negative": ({"repeats": -1}, ValueError, "repeats: expected an integer of at least 1, got -1"),
    "retries": ({"retries": -1}, ValueError, "retries: expected an integer of at least 0, got -1"),
    "executor": (
        {"executor": 3},
        *(TypeError, "executor: expected a concurrent.futures.Executor, got int"),
    ),
    "verbose": ({"verbose": 3}, ValueError, "verbose: expected"),
    "store": ({"store": 3}, TypeError, "store: expected a path"),
    "no store": ({"store": ""}, ValueError, "store: expected a file, got ''"),
    "keyword": ({"repeat": 3}, TypeError, "unexpected keyword .*'repeat'; did you mean 'repeats'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_named_and_nothing_begun(name, store):
    given, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        vg.sweep(**{"train": one, "grid": {"a": [1]}, "store": store, **given})
    assert not os.listdir(store.parent)


def summed(config, seed, data):
    return {"b": 1}


@pytest.mark.parametrize(
    ("argument", "train", "data"),
    [("train", lambda config, seed: {}, None), ("data", summed, threading.Lock())],
)
def test_what_processes_cannot_be_sent(argument, train, data, store):
    message = f"^{argument}: expected what a ProcessPoolExecutor can send to other processes"
    with ProcessPoolExecutor(1) as pool, pytest.raises(TypeError, match=message):
        vg.sweep(train, {"a": [1]}, store=store, executor=pool, data=data)


def test_a_store_of_another_sweep(store):
    alone(one, {"a": [1]}, store)
    before = store.read_bytes()
    for train, grid in ((numbers, {"a": [1]}), (one, {"a": [1], "c": [1]})):
        with pytest.raises(ValueError, match=r"store: expected one of this sweep, .* over a$"):
            alone(train, grid, store)
    assert store.read_bytes() == before and os.listdir(store.parent) == [store.name]


class Times:
    """A function that is an object."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, config, seed):
        return {"b": self.factor * config["a"]}

    def method(self, config, seed):
        return self(config, seed)


class Slotted(Times):
    __slots__ = ("factor",)


@dataclass(frozen=True)
class Frozen:
    factor: int

    def __call__(self, config, seed):
        return {"b": self.factor * config["a"]}


def times(factor, config, seed):
    return {"b": factor * config["a"]}


def within(factor):
    def train(config, seed):
        return {"b": factor * config["a"]}

    return train


def calling(function):
    def train(config, seed):
        return {"b": function(config["a"])}

    return train


CARRYING = {
    "partial": lambda factor: partial(times, factor),
    "partial of a lambda": lambda factor: partial(lambda c, s, k: {"b": k * c["a"]}, k=factor),
    "partial of NumPy's": lambda factor: partial(times, np.int64(factor)),
    "closure": within,
    "closure of a lambda": lambda factor: lambda config, seed: {"b": factor * config["a"]},
    "default of a lambda": lambda factor: lambda c, s, k=factor: {"b": k * c["a"]},
    "default within": lambda factor: _with_default(factor),
    "a function carried": lambda factor: calling([int, float, abs.__call__][factor % 2]),
    "closures within closures": lambda factor: calling(lambda a: calling(lambda b: factor * b)),
    "object": Times,
    "method": lambda factor: Times(factor).method,
    "slots": Slotted,
    "dataclass": Frozen,
    "much": lambda factor: partial(times, factor * np.ones(100, int).tolist()),
}


def _with_default(factor):
    def train(config, seed, *, k=factor):
        return {"b": k * config["a"]}

    return train


@pytest.mark.parametrize("name", CARRYING)
def test_what_a_function_carries_along_tells_it_from_others(name):
    make = CARRYING[name]
    first, again, other = (name_of(make(factor)) for factor in (3, 3, 4))
    assert first == again != other and len(first) < 200


def test_lambdas_are_told_apart_by_what_they_do():
    lambdas = [
        lambda config, seed: {"b": 1},
        lambda config, seed: {"b": 2},
        lambda config, seed: {"c": 1},
        lambda config, seed: {"b": config["a"]},
        lambda config, seed: {"b": -config["a"]},
        lambda config, seed: {"b": vg.cpu_level},
        lambda config, seed: {"b": vg.set_num_threads},
        lambda config, seed: {"b": sum(n for n in (1, 2))},
        lambda config, seed: {"b": sum(n for n in (1, 3))},
    ]
    assert len({name_of(each) for each in lambdas}) == len(lambdas)
    assert name_of(lambdas[0]) == name_of(lambda config, seed: {"b": 1})


def test_what_is_not_plain_is_told_by_its_kind():
    def itself(config, seed):
        return itself

    assert name_of(itself).endswith("itself(itself=function)")
    assert name_of(partial(times, object())) == f"{__name__}.times(0=object)"
    assert name_of(partial(times, Times)) == f"{__name__}.times(0={__name__}.Times)"
    endless = []
    endless.append(endless)
    assert name_of(partial(times, endless)) == f"{__name__}.times(0=list)"


def test_a_store_of_what_has_carried_something_else(store):
    alone(partial(times, 3), {"a": [1]}, store)
    message = (
        r"of test_sweep_store.times\(0=4\) over a; .* of test_sweep_store.times\(0=3\) over a$"
    )
    with pytest.raises(ValueError, match=message):
        alone(partial(times, 4), {"a": [1]}, store)
    assert alone(partial(times, 3), {"a": [1]}, store)[0].result == {"b": 3}


@pytest.mark.parametrize("content", [b"not a database" * 100, b"\0" * 2000])
def test_a_file_that_is_no_store(store, content):
    store.write_bytes(content)
    for read in (lambda: alone(one, {"a": [1]}, store), lambda: vg.sweeps.load(store)):
        with pytest.raises(ValueError, match="store: expected an SQLite file, got "):
            read()
    assert store.read_bytes() == content and os.listdir(store.parent) == [store.name]


@pytest.mark.parametrize("change", ["runs SET result = '{\"b\": '", "sweep SET value = 'x'"])
def test_a_store_with_damaged_json(store, change):
    alone(one, {"a": [1]}, store)
    with closing(sqlite3.connect(store)) as file:
        file.execute(f"UPDATE {change}")
        file.commit()
    for read in (lambda: alone(one, {"a": [1]}, store), lambda: vg.sweeps.load(store)):
        with pytest.raises(ValueError, match=f"^store: expected JSON in {store}, got "):
            read()


def test_a_database_of_something_else(store):
    with closing(sqlite3.connect(store)) as file:
        file.execute("CREATE TABLE mine (a)")
    with pytest.raises(ValueError, match="store: expected a new file or a sweep's"):
        alone(one, {"a": [1]}, store)
    with pytest.raises(ValueError, match="store: expected a sweep's, got"):
        vg.sweeps.load(store)


@pytest.fixture
def nobody():
    """Be somebody who may not write everywhere."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.fixture
def folder():
    """One that others may look into, too."""
    with TemporaryDirectory() as made:
        os.chmod(made, 0o755)
        yield Path(made)
        os.chmod(made, 0o755)


def test_a_store_is_read_where_nothing_can_be_written(folder, request):
    alone(one, {"a": [1, 2]}, folder / "store")
    os.chmod(folder, 0o555)
    request.getfixturevalue("nobody")
    with pytest.raises(PermissionError):
        (folder / "new").touch()
    assert [row.result for row in vg.sweeps.load(folder / "store")] == [{"b": 1}, {"b": 2}]


def test_what_may_be_in_the_middle_of_its_sweep_is_not_taken_for_finished(folder, request):
    alone(one, {"a": [1, 2]}, folder / "store")
    (folder / "store-wal").write_bytes(b"something")
    os.chmod(folder, 0o555)
    request.getfixturevalue("nobody")
    with pytest.raises(OSError, match="store"):
        vg.sweeps.load(folder / "store")


def test_where_no_store_can_be(tmp_path):
    with pytest.raises(FileNotFoundError):
        alone(one, {"a": [1]}, tmp_path / "no" / "store")
    with pytest.raises(IsADirectoryError):
        alone(one, {"a": [1]}, tmp_path)
    with pytest.raises(FileNotFoundError):
        vg.sweeps.load(tmp_path / "none")
    assert not os.listdir(tmp_path)


def test_one_sweep_at_a_time(store):
    inner = deque()  # a list would belong to the function, with what is in it

    def train(config, seed):
        with pytest.raises(
            BlockingIOError, match="store: expected one that no other sweep"
        ) as raised:
            alone(train, {"a": [1]}, store)
        inner.append(raised)
        return {"b": 1}

    table = alone(train, {"a": [1]}, store)
    assert not table.failures and len(inner) == 1
    assert len(alone(train, {"a": [1, 2]}, store)) == 2


SCRIPT = """
import resource, signal, sys
from concurrent.futures import ThreadPoolExecutor
import vgcore as vg

def train(config, seed):
    return {f"a number with a long name {n}": seed / 7 for n in range(300)}

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
try:
    vg.sweep(train, {"a": list(range(100))}, store=sys.argv[1], repeats=1, executor=ThreadPoolExecutor(1))
except OSError as error:
    print(type(error).__name__, error.filename == sys.argv[1])
"""


def test_what_was_written_before_a_disk_is_full_is_kept(store):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    run = run_python("-c", SCRIPT, str(store))
    assert run.stdout == "OSError True\n", run.stderr
    kept = vg.sweeps.load(store)
    assert 5 < len(kept) < 50 and all(row.status == "done" for row in kept)


def test_a_full_database(store, monkeypatch):
    opened = []

    class Full(sqlite3.Connection):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.execute("PRAGMA max_page_count = 12")
            opened.append(self)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **o: connect(*a, factory=Full, **o))
    with pytest.raises(OSError, match="full") as raised:
        alone(lambda config, seed: {"x" * 2000: 1}, {"a": list(range(100))}, store)
    assert raised.value.errno == 28
    monkeypatch.undo()
    assert 1 < len(vg.sweeps.load(store)) < 20
