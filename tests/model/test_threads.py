"""How many threads are used: what was asked for, by whom, and that it changes no bit."""

import itertools
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from processes import run_python
from reference import assert_same_bits

import vgcore as vg
from vgcore._core import team
from vgcore.model import cpus, threads

linux = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system has no affinity"
)
CPUS = cpus.usable()
COUNT = "import vgcore as vg; print(vg.get_num_threads())"


@pytest.fixture(autouse=True)
def _restore_threads(monkeypatch):
    monkeypatch.setattr(threads, "_chosen", threads._chosen)
    monkeypatch.setattr(threads, "_limit", threads._limit)
    yield
    monkeypatch.undo()
    threads._settle()


def printed(script, environment=()):
    """What a script prints in an environment without any word of threads, in words."""
    kept = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    run = run_python("-c", script, env={**kept, **dict(environment)})
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


# ---- what is asked for


def test_by_default_every_cpu_is_used():
    assert printed(COUNT) == [str(CPUS)]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": " 1 , 4"}, 1),
        ({"OMP_NUM_THREADS": "1,nonsense"}, 1),
        ({"OMP_NUM_THREADS": "999"}, CPUS),
        ({"OMP_NUM_THREADS": "0"}, CPUS),
        ({"OMP_NUM_THREADS": "-1"}, CPUS),
        ({"OMP_NUM_THREADS": "many"}, CPUS),
        ({"OMP_NUM_THREADS": ""}, CPUS),
        ({"OMP_NUM_THREADS": "²"}, CPUS),
        ({"VGCORE_NUM_THREADS": "7"}, 7),
        ({"VGCORE_NUM_THREADS": "7", "OMP_NUM_THREADS": "1"}, 7),
        ({"VGCORE_NUM_THREADS": "", "OMP_NUM_THREADS": "1"}, 1),
    ],
    ids=str,
)
def test_environments(environment, expected):
    assert printed(COUNT, environment) == [str(expected)]


@linux
def test_affinity_is_kept_to_when_it_changes_too():
    script = f"""
import os
cpus = os.sched_getaffinity(0)
os.sched_setaffinity(0, {{min(cpus)}})
{COUNT}
os.sched_setaffinity(0, cpus)
from vgcore.model import threads
threads._look_again = 0.0
print(vg.get_num_threads())
vg.set_num_threads(len(cpus) + 3)
print(vg.get_num_threads())
"""
    assert printed(script) == ["1", str(CPUS), str(CPUS + 3)]


def test_a_default_is_looked_at_again_after_a_while(monkeypatch):
    now = itertools.count(10.0, 0.3).__next__
    seen = iter([5, 6, 7])
    monkeypatch.setattr(threads, "_chosen", None)
    monkeypatch.setattr(threads, "_look_again", 0.0)
    monkeypatch.setattr(threads, "time", SimpleNamespace(monotonic=now))
    monkeypatch.setattr(threads, "openmp_threads", lambda: None)
    monkeypatch.setattr(cpus, "fair_share", lambda: next(seen))
    assert [vg.get_num_threads() for _ in range(9)] == [5, 5, 5, 5, 6, 6, 6, 6, 7]
    assert team.limit() == 7


# ---- who else has a word


THREADPOOLCTL = """
from threadpoolctl import threadpool_info, threadpool_limits
import vgcore as vg
from vgcore._core import team
count = lambda: print(vg.get_num_threads(), team.limit())
listed = [pool for pool in threadpool_info() if pool["user_api"] == "vgcore"]
assert [pool["num_threads"] for pool in listed] == [3], threadpool_info()
assert listed[0]["version"] == vg.__version__
with threadpool_limits(1):
    count()
    with threadpool_limits(2):
        count()
    with threadpool_limits(2, user_api="blas"):
        count()
    count()
count()
with threadpool_limits(99):
    count()
with threadpool_limits({"vgcore": 2}):
    count()
    vg.set_num_threads(4)
    count()
"""


@pytest.mark.parametrize("first", ["numpy", "vgcore", "threadpoolctl"])
def test_threadpoolctl_limits_the_threads(first):
    pytest.importorskip("threadpoolctl")
    words = printed(f"import {first}\n{THREADPOOLCTL}", {"VGCORE_NUM_THREADS": "3"})
    assert words == [n for n in "12113324" for _ in range(2)]


def test_a_limit_from_before_the_first_model_counts():
    pytest.importorskip("threadpoolctl")
    script = "import vgcore as vg, threadpoolctl\nwith threadpoolctl.threadpool_limits(1): "
    assert printed(script + "print(vg.get_num_threads())", {"VGCORE_NUM_THREADS": "3"}) == ["1"]


def test_without_threadpoolctl_nothing_is_imported():
    script = "import sys, vgcore; print('threadpoolctl' in sys.modules)"
    assert printed(script) == ["False"]
    script = (
        "import sys, vgcore; sys.path[:] = []\n"
        "try: import threadpoolctl\nexcept ImportError: print(len(sys.meta_path))\n"
        "try: import threadpoolctl\nexcept ImportError: print(len(sys.meta_path))"
    )
    one, two = printed(script)
    assert one == two


POOLS = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
import vgcore as vg

def count(_):
    time.sleep(0.2)  # till all are there
    from vgcore.model import threads
    threads._look_again = 0.0
    return os.getpid(), vg.get_num_threads()

def counts(results):
    print(*sorted({number for _, number in results}))

if __name__ == "__main__":
    method, workers = sys.argv[1], int(sys.argv[2])
    context = multiprocessing.get_context(method)
    with context.Pool(workers) as pool:
        counts(pool.map(count, [None] * workers, 1))
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        list(pool.map(count, [None] * 2 * workers))
        counts(pool.map(count, [None] * workers))
    print(vg.get_num_threads())
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="workers are counted in /proc")
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_of_a_pool_of_processes_divide_the_cpus(tmp_path, method, workers):
    file = tmp_path / "pools.py"
    file.write_text(POOLS)
    kept = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    run = run_python("-W", "ignore", str(file), method, str(workers), env=kept)
    share = str(max(1, CPUS // workers))
    assert run.stdout.split() == [share, share, str(CPUS)], run.stderr


@pytest.mark.parametrize("threads_wanted", ["3", None])
def test_workers_of_joblib_have_their_share(tmp_path, threads_wanted):
    pytest.importorskip("joblib")
    file = tmp_path / "workers.py"
    file.write_text(
        "import joblib, vgcore as vg\n"
        "if __name__ == '__main__':\n"
        "    print(*joblib.Parallel(n_jobs=2)([joblib.delayed(vg.get_num_threads)()] * 2))\n"
    )
    kept = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    if threads_wanted:
        kept["VGCORE_NUM_THREADS"] = threads_wanted
    run = run_python("-W", "ignore", str(file), env=kept)
    share = threads_wanted or str(max(1, joblib_cpus() // 2))
    assert run.stdout.split() == [share] * 2, run.stderr


def joblib_cpus():
    """As many as joblib divides among its workers."""
    import joblib

    return min(joblib.cpu_count(), CPUS)


# ---- that it changes no bit


def classifier(recurrent=False):
    layers = (
        [vg.LSTM(96, return_sequences=True), vg.GRU(64), vg.Dense(10, "softmax")]
        if recurrent
        else [
            vg.Dense(257, "tanh"),
            vg.BatchNorm("relu"),
            vg.Dense(104, "gelu"),
            vg.Dense(10, "softmax"),
        ]
    )
    shape = (None, 12) if recurrent else 120
    model = vg.Sequential(layers, input_shape=shape, dtype="float32", seed=0)
    model.compile("sparse_categorical_crossentropy", vg.Adam(0.01))
    rng = np.random.default_rng(1)
    x = rng.standard_normal((300, 20, 12) if recurrent else (300, 120))
    return model, x, rng.integers(0, 10, 300)


def trained(recurrent, epochs=12):
    model, x, y = classifier(recurrent)
    flow = vg.GradientFlow(every=3)
    history = model.fit(x, y, epochs=epochs, batch_size=64, track=flow)
    return {
        **model.state_dict(),
        "loss": np.array(history.history["loss"]),
        "outputs": model.predict(x),
        "delta": flow.delta,
        "dead": flow.dead,
    }


class Restless(threading.Thread):
    """Changes the limit and the number of callers while others run."""

    def __init__(self):
        super().__init__()
        self.over, self.changes = threading.Event(), 0

    def run(self):
        draw = random.Random(0)
        while not self.over.is_set():
            team.set_limit(draw.randint(1, 3))
            if draw.random() < 0.2:
                with team.Present():
                    time.sleep(0.001)
            time.sleep(0.001)
            self.changes += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.join()


@pytest.mark.parametrize("recurrent", [False, True], ids=["dense", "recurrent"])
def test_numbers_of_threads_that_change_on_the_way_change_no_bit(recurrent):
    vg.set_num_threads(1)
    expected = trained(recurrent)
    vg.set_num_threads(3)
    with Restless() as restless:
        for _ in range(3):
            assert_same_bits(trained(recurrent), expected)
    assert restless.changes > 3


def test_callers_that_come_and_go_change_no_bit():
    vg.set_num_threads(3)
    expected = [trained(recurrent, epochs=4) for recurrent in (False, True)]
    with ThreadPoolExecutor(4) as pool:
        kinds = [0, 1, 0, 0, 1, 0, 1, 1]
        for kind, result in zip(
            kinds, pool.map(lambda k: trained(k, epochs=4), kinds), strict=True
        ):
            assert_same_bits(result, expected[kind])
