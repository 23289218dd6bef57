"""Functions for sweeps, in a module that every process can import, and a script that sweeps."""

import os
import sys
import threading
import time
from pathlib import Path

import vgcore as vg

GRID = {"depth": [1, 3], "rate": [0.01, 0.1]}


def tiny(config, seed):
    """Train for a moment."""
    x, y = vg.data.xor(40, seed=0)
    layers = [vg.Dense(4, "tanh") for _ in range(config["depth"])]
    model = vg.Sequential([*layers, vg.Dense(2, "softmax")], input_shape=2, seed=seed)
    model.compile("sparse_categorical_crossentropy", vg.SGD(config["rate"]))
    flow = vg.GradientFlow()
    history = model.fit(x, y, epochs=2, verbose=0, track=flow)
    return {"loss": history["loss"][-1], "pid": os.getpid(), "flow": flow}


def numbers(config, seed):
    """Tell what came."""
    return {"twice": 2 * config["a"], "half": seed / 2}


def dying(config, seed):
    """Kill the process it runs in, where the configuration says so."""
    if config["a"] == 2:
        os._exit(3)
    return {"a2": config["a"] ** 2}


def dying_once(config, seed, folder):
    """Kill the process it runs in, the first time."""
    mark = Path(folder) / f"{config['a']}-{seed}"
    if config["a"] == 2 and not mark.exists():
        mark.touch()
        os._exit(3)
    time.sleep(0.02)
    return {"a2": config["a"] ** 2, "pid": os.getpid()}


def with_data(config, seed, data):
    """Use data."""
    return {"sum": float(data.sum()) * config["a"], "id": id(data), "pid": os.getpid()}


def threads_used(config, seed):
    """How many threads there may be."""
    own = {name: int(os.environ[name]) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return {"engine": vg.get_num_threads(), **own}


def losing(config, seed, data):
    """Return what cannot be fetched from where it was made; fail, where that has ended its process."""
    mark, how = data
    if mark.exists():
        raise ValueError("again")

    class Lost(vg.GradientFlow):
        def __reduce__(self):
            if how == "dies":
                mark.touch()
                os._exit(1)
            return unreadable, ()

    return {"flow": Lost()}


def unreadable():
    """Be what cannot be unpickled."""
    raise ValueError("unreadable")


def slow(config, seed):
    """Take a while."""
    time.sleep(0.1)
    return {"twice": 2 * config["a"], "pid": os.getpid(), "workers": threading.active_count()}


if __name__ == "__main__":
    print(vg.sweep(slow, {"a": list(range(20))}, store=sys.argv[1], repeats=1))
