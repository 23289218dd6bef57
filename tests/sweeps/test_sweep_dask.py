"""A sweep on a cluster of Dask: processes of its own, one of which is killed, and data that are sent once."""

import os
import signal
import threading
import warnings
from concurrent.futures import CancelledError
from contextlib import closing

import numpy as np
import pytest
from sweep_trains import GRID, losing, slow, tiny, with_data

import vgcore as vg
from vgcore.sweeps import executors

distributed = pytest.importorskip("distributed")

pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # Dask's own, of ports and of workers that are killed


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_the_same_bits_on_a_cluster(client, tmp_path):
    here = vg.sweep(tiny, GRID, store=tmp_path / "here", repeats=2)
    there = vg.sweep(
        tiny, GRID, store=tmp_path / "there", repeats=2, executor=client.get_executor()
    )
    assert not there.failures
    for one, other in zip(here, there, strict=True):
        assert one.config == other.config and one.result["loss"] == other.result["loss"]
        assert one.flow().delta.tobytes() == other.flow().delta.tobytes()
    pids = set(client.run(os.getpid).values())
    assert {row.result["pid"] for row in there} == pids and os.getpid() not in pids


def test_a_killed_worker_is_replaced(client, tmp_path):
    pids = client.run(os.getpid)
    victim = next(iter(pids.values()))
    killer = threading.Timer(1.0, os.kill, (victim, signal.SIGKILL))
    killer.start()
    grid = {"a": list(range(40))}
    table = vg.sweep(
        slow, grid, store=tmp_path / "store", repeats=1, executor=client.get_executor()
    )
    killer.join()
    assert [row.result["twice"] for row in table] == [2 * a for a in range(40)]
    client.wait_for_workers(2, timeout=30)
    assert victim not in client.run(os.getpid).values()


def test_a_restarted_cluster_does_what_is_left(client, tmp_path):
    """Restarting takes back what was submitted: the sweep ends, and goes on when it is called again."""
    grid = {"a": list(range(40))}
    restart = threading.Timer(1.0, client.restart)
    restart.start()
    with pytest.raises(CancelledError):
        vg.sweep(slow, grid, store=tmp_path / "store", repeats=1, executor=client.get_executor())
    restart.join()
    assert 0 < len(vg.sweeps.load(tmp_path / "store")) < 40
    table = vg.sweep(
        slow, grid, store=tmp_path / "store", repeats=1, executor=client.get_executor()
    )
    assert [row.result["twice"] for row in table] == [2 * a for a in range(40)]


def test_data_are_scattered_once(client, tmp_path):
    data = np.arange(10_000.0)
    future = client.scatter(data, broadcast=True)
    table = vg.sweep(
        *(with_data, {"a": list(range(10))}),
        **{"store": tmp_path / "store", "repeats": 2, "data": future},
        executor=client.get_executor(),
    )
    assert [row.result["sum"] for row in table[::2]] == [a * data.sum() for a in range(10)]
    assert len({(row.result["pid"], row.result["id"]) for row in table}) == 2


def test_data_that_are_here_are_sent_once(client, tmp_path):
    """The pickles made here are one of the check and those of the one task that has them."""

    class Counted:
        def __reduce__(self):
            pickles.append(self)
            return np.arange, (1000.0,)

    pickles = []
    tables = [
        vg.sweep(
            *(with_data, {"a": list(range(10))}),
            **{"store": tmp_path / str(repeats), "repeats": repeats, "data": Counted()},
            executor=client.get_executor(),
        )
        for repeats in (1, 3)
    ]
    assert [row.result["sum"] for row in tables[0]] == [a * 499500 for a in range(10)]
    assert len({(row.result["pid"], row.result["id"]) for row in tables[1]}) <= 2
    assert 2 * sum(each is pickles[0] for each in pickles) == len(pickles) < 10


def test_data_that_are_here_outlive_all_workers(client, tmp_path):
    killer = threading.Timer(1.0, lambda: [os.kill(pid, signal.SIGKILL) for pid in pids])
    pids = client.run(os.getpid).values()
    killer.start()
    table = vg.sweep(
        *(lambda config, seed, data: slow(config, seed), {"a": list(range(30))}),
        **{"store": tmp_path / "store", "repeats": 1, "data": 3},
        executor=client.get_executor(),
    )
    killer.join()
    assert [row.result["twice"] for row in table] == [2 * a for a in range(30)]


def test_data_that_a_function_loads_outlive_all_workers(client, tmp_path):
    future = client.submit(np.arange, 1000.0)
    distributed.wait(future)
    for pid in client.run(os.getpid).values():
        os.kill(pid, signal.SIGKILL)
    table = vg.sweep(
        *(with_data, {"a": [1, 2]}),
        **{"store": tmp_path / "store", "repeats": 2, "data": future},
        executor=client.get_executor(),
    )
    assert [row.result["sum"] for row in table[::2]] == [499500, 999000]


def test_a_function_that_cannot_be_sent_is_told_before_anything_is_begun(client, tmp_path):
    lock = threading.Lock()
    with pytest.raises(TypeError, match="train: expected what a ClientExecutor can send"):
        vg.sweep(
            lambda config, seed: {"b": lock.locked()},
            *({"a": [1]},),
            store=tmp_path / "store",
            executor=client.get_executor(),
        )
    table = vg.sweep(
        lambda config, seed: {"b": config["a"]},
        *({"a": [1]},),
        store=tmp_path / "other",
        executor=client.get_executor(),
    )
    assert [row.result["b"] for row in table] == [1, 1, 1]


def test_failures_come_back_and_are_tried_again(client, tmp_path):
    def train(config, seed):
        with closing(open(f"{tmp_path}/{config['a']}", "a")) as file:
            file.write("x")
        raise ValueError(f"no {config['a']}")

    table = vg.sweep(
        train, {"a": [1, 2]}, store=tmp_path / "store", repeats=1, executor=client.get_executor()
    )
    assert [row.traceback.splitlines()[-1] for row in table] == [
        "ValueError: no 1",
        "ValueError: no 2",
    ]
    assert [(tmp_path / str(a)).read_text() for a in (1, 2)] == ["xx", "xx"]


@pytest.mark.parametrize(
    ("how", "message"), [("dies", "ValueError: again"), ("is unreadable", "ValueError: unreadable")]
)
def test_a_run_whose_result_is_lost_has_failed(client, tmp_path, how, message):
    """Lost with its worker after it had ended, and failing as Dask does it again; or not to be unpickled."""
    table = vg.sweep(
        *(losing, {"a": [1]}),
        **{
            "store": tmp_path / "store",
            "repeats": 1,
            "retries": 0,
            "data": (tmp_path / "mark", how),
        },
        executor=client.get_executor(),
    )
    assert [row.traceback.splitlines()[-1] for row in table.failures] == [message]


@pytest.fixture
def alone():
    """A client of a cluster that has no workers yet."""
    with (
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_a_cluster_without_workers_is_told_of_once(alone, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "_BETWEEN", 0.1)
    monkeypatch.setattr(executors, "_PATIENCE", 0.5)
    timer = threading.Timer(2.0, alone.cluster.scale, [1])
    timer.start()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = vg.sweep(
            slow, {"a": [1]}, store=tmp_path / "store", repeats=1, executor=alone.get_executor()
        )
    timer.join()
    told = [warning for warning in caught if "has had no workers since" in str(warning.message)]
    assert not table.failures and len(told) == 1 and told[0].filename == __file__


def test_a_closed_client_ends_the_sweep(alone, tmp_path):
    timer = threading.Timer(1.0, alone.close)
    timer.start()
    with pytest.raises(CancelledError):
        vg.sweep(slow, {"a": [1]}, store=tmp_path / "store", executor=alone.get_executor())
    timer.join()
