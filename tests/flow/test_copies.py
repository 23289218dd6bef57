"""Records, and all that comes out of a network, go to other processes and back, whatever is in them."""

import copy
import importlib
import multiprocessing
import pickle
import pkgutil
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from reference import assert_same_bits

import vgcore as vg
from vgcore.flow.record import FIELDS
from vgcore.theory.jacobian import Jacobian

COPIES = {
    **{
        f"pickle {protocol}": lambda thing, p=protocol: pickle.loads(pickle.dumps(thing, p))
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
over_copies = pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)


def diverged(seed=0):
    """A recurrent network in which nothing is finite any more, and its record."""
    model = vg.Sequential([vg.RNN(3), vg.Dense(2)], input_shape=(None, 2), seed=seed)
    model.compile("mse", vg.Adam(), on_nonfinite="ignore")
    flow = vg.GradientFlow(every=2)
    x, y = np.ones((6, 4, 2)), np.ones((6, 2))
    model.fit(x, y, batch_size=1, track=flow)
    model.layers[1].bias = [np.inf, 0]  # the loss is infinite, and then NaN
    model.fit(x, y, batch_size=1, track=flow)
    return model, flow


def record_of(flow):
    fields = {name: getattr(flow, name) for name in ("step", "loss", *FIELDS)}
    for field in vg.flow.TIME_FIELDS:
        fields.update({f"{field}/{name}": rows for name, rows in getattr(flow, field).items()})
    return fields


def assert_diverged(flow):
    values = np.concatenate([flow.delta.ravel(), flow.loss])
    assert np.isnan(values).any() and np.isinf(values).any()


# ---- records


def test_a_record_is_copied_without_its_model():
    model = vg.Sequential([vg.Dense(512, "tanh") for _ in range(4)], input_shape=512, seed=0)
    model.compile()
    flow = vg.GradientFlow()
    model.fit(np.ones((1, 512)), np.ones((1, 512)), track=flow)
    for name, copied in COPIES.items():
        if name.startswith("pickle"):
            assert len(pickle.dumps(flow, int(name[-1]))) < 10_000
        again = copied(flow)
        assert_same_bits(record_of(again), record_of(flow))


@over_copies
def test_the_copy_of_a_record_is_its_own(copied):
    model, flow = diverged()
    assert_diverged(flow)
    again, before = copied(flow), record_of(copied(flow))
    assert again.layers == flow.layers and again.gates == flow.gates
    assert again.wants(0, 4).tolist() == [True, False, True, False]
    assert_same_bits(record_of(again), record_of(flow))
    model.fit(np.ones((2, 4, 2)), np.ones((2, 2)), batch_size=1, track=flow)
    assert len(flow) == len(again) + 1
    assert_same_bits(record_of(again), before)
    other = diverged()[0]
    other.compile(on_nonfinite="ignore")
    fresh = copied(vg.GradientFlow(steps=[1]))
    other.fit(np.ones((3, 4, 2)), np.ones((3, 2)), batch_size=1, track=fresh)
    assert fresh.step.tolist() == [1]


# ---- other processes


def flow_of(seed):
    return diverged(seed)[1]


def all_of(seed):
    """One of everything that comes out of a network."""
    vg.set_num_threads(1)  # a summary tells the memory that a plan for so many takes
    model, flow = diverged(seed)
    x, y = np.ones((6, 4, 2)), np.ones((6, 2))
    model.history.history["seconds"] = [0.0]  # no two clocks agree
    return {
        "flow": flow,
        "model": model,
        "history": model.history,
        "summary": model.summary(),
        "rate": flow.time_rate("rnn1"),
        "evaluation": model.evaluate(x, y),
        "gradients": model.gradients(x, y, wrt_inputs=True),
        "jacobian": Jacobian(np.array([1]), np.full((1, 1), np.nan), np.full((1, 1), np.inf)),
        "optimizer": vg.Adam(vg.schedules.Warmup(vg.schedules.ReduceOnPlateau(0.1), 3)),
        "layer": vg.Dense(3, vg.elu(0.5)),
    }


def refuse(name):
    """Raise as the argument asks."""
    vg.Sequential([vg.Dense(1)], input_shape=1, **{name: "nonsense"})


def test_the_record_of_a_diverged_network_comes_back_from_a_pool():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        for seed, flow in enumerate(pool.map_async(flow_of, range(2)).get(timeout=120)):
            assert_diverged(flow)
            assert_same_bits(record_of(flow), record_of(flow_of(seed)))


def test_everything_comes_back_from_another_process():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there, here = pool.submit(all_of, 1).result(timeout=120), all_of(1)
        model = pool.submit(copy.copy, here["model"]).result(timeout=120)
        with pytest.raises(ValueError, match="dtype: expected float32 or float64"):
            pool.submit(refuse, "dtype").result(timeout=120)
    assert_same_bits(record_of(there["flow"]), record_of(here["flow"]))
    for each in (there["model"], model):
        assert_same_bits(each.session.vectors(), here["model"].session.vectors())
    for name in here.keys() - {"flow", "model"}:
        assert repr(there[name]) == repr(here[name]) or name == "layer", name
    assert there["layer"].config() == here["layer"].config()


def test_exceptions_of_vgcores_own_come_back():
    """Unpickling calls the class with `args`: one that takes others would hang a pool."""
    modules = [m.name for m in pkgutil.walk_packages(vg.__path__, "vgcore.")]
    found = []
    for name in modules:
        if name in ("vgcore.__main__", "vgcore.exchange.watching.lightning"):
            continue  # the command line runs, and Lightning comes along
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:  # of a library that only some have
            assert not str(error.name).startswith("vgcore"), name
            continue
        found += [
            kind
            for kind in vars(module).values()
            if isinstance(kind, type)
            and issubclass(kind, BaseException)
            and kind.__module__.startswith("vgcore")
        ]
    for kind in found:
        error = kind.__new__(kind, "a message")
        assert str(pickle.loads(pickle.dumps(error))) == "a message", kind


# ---- rates


@over_copies
def test_a_rate_is_copied_with_what_it_left_out(copied):
    rate = vg.flow.geometric(np.array([[1.0, 2.0, 4.0], [1.0, 0.0, np.nan]]))
    assert rate.left_out.tolist() == [0, 2]
    again = copied(rate)
    assert type(again) is vg.flow.Rate and len(again) == 2
    for name in ("factor", "r2", "left_out"):
        np.testing.assert_array_equal(getattr(again, name), getattr(rate, name))


def test_a_rate_with_other_values_keeps_the_rest():
    rate = vg.flow.geometric(np.array([[1.0, 2.0, 4.0], [1.0, 0.0, np.nan]]))
    other = rate._replace(factor=np.ones(2))
    assert type(other) is vg.flow.Rate and other.factor.tolist() == [1, 1]
    assert other.r2 is rate.r2 and other.left_out is rate.left_out
    assert rate._replace(left_out=np.zeros(2)).left_out.tolist() == [0, 0]
    assert vg.flow.Rate._make([np.ones(2), np.ones(2)]).left_out.tolist() == [0, 0]
    with pytest.raises(TypeError):
        rate._replace(nonsense=1)
