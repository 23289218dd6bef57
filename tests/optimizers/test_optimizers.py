"""Update rules: the kernel against its NumPy twin, names, settings, defaults.

Whole trainings by every rule are in test_training.py, test_state.py, test_flow.py and
test_parity_torch.py.
"""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from reference import DTYPES, OPTIMIZERS, RULES, assert_same_bits

import vgcore as vg
from vgcore import losses, optimizers
from vgcore._core import kernels, simd
from vgcore.model import planning
from vgcore.treatment import Treatment

over_dtypes = pytest.mark.parametrize("dtype", DTYPES)
over_optimizers = pytest.mark.parametrize(
    "optimizer", OPTIMIZERS.values(), ids=[name.replace(" ", "-") for name in OPTIMIZERS]
)
CHUNK = 64  # elements


def numbers(optimizer, **clipping):
    loss = losses.get("mse", "mean", "identity")
    return planning.Compiled(loss, optimizer, Treatment(clipping)).update()


class Updated:
    """A vector of parameters, and what an optimizer made of it by its kernel."""

    def __init__(self, optimizer, w, dtype, **clipping):
        self.optimizer, self.numbers = optimizer, numbers(optimizer, **clipping)
        self.w = kernels.vector(len(w), dtype)
        self.w[...] = w
        self.states = [kernels.vector(len(w), dtype) for _ in optimizer.states]
        for state, start in zip(self.states, optimizer.states.values(), strict=True):
            state[...] = start
        self.time = 0

    def step(self, g, *, norms=None, cuts=()):
        """One step; each part between two cuts by a call of its own."""
        self.time += 1
        gradient = kernels.vector(len(g), self.w.dtype)
        gradient[...] = g
        ends = [0, *cuts, len(g)]
        for begin, end in pairwise(ends):
            part = slice(begin, end)
            kernels.update(
                self.w[part], [state[part] for state in self.states], gradient[part],
                simd.RULES[self.optimizer.rule], self.numbers,
                time=self.time, chunk=CHUNK, norms=norms,
            )  # fmt: skip


@over_dtypes
@pytest.mark.parametrize("clip_value", [None, 0.7])
@over_optimizers
def test_twenty_steps(optimizer, clip_value, dtype):
    rng = np.random.default_rng(0)
    w = rng.normal(size=304).astype(dtype)
    clipping = {} if clip_value is None else {"clip_value": clip_value}
    updated = Updated(optimizer, w, dtype, **clipping)
    expected = w.astype(float)
    states = [np.full(304, start) for start in optimizer.states.values()]
    for time in range(1, 21):
        g = rng.normal(size=304).astype(dtype)
        clipped = g.astype(float).clip(-(clip_value or np.inf), clip_value or np.inf)
        before = expected
        expected = before + RULES[type(optimizer)](optimizer, before, clipped, time, *states)
        norms = np.ones((3, 5))
        updated.step(g, norms=norms)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(updated.w, expected, rtol=tolerance, atol=tolerance)
    for chunk in range(5):
        of_chunk = slice(CHUNK * chunk, CHUNK * (chunk + 1))
        arrays = before, g.astype(float), expected - before
        np.testing.assert_allclose(
            norms[:, chunk], [np.linalg.norm(a[of_chunk]) for a in arrays], rtol=10 * tolerance
        )


@over_dtypes
@over_optimizers
def test_norms_of_many_chunks(optimizer, dtype):
    """Norms are made of several chunks together; some are too small or too large to be squared."""
    rng = np.random.default_rng(2)
    w, g = rng.normal(size=(2, 41 * CHUNK - 16)).astype(dtype)
    large, small = (1e30, 1e-30) if dtype == "float32" else (1e200, 1e-200)
    g[3 * CHUNK : 4 * CHUNK] *= large
    g[20 * CHUNK : 21 * CHUNK] *= small
    w[33 * CHUNK : 34 * CHUNK] *= large
    norms = np.ones((3, 41))
    Updated(optimizer, w, dtype).step(g, norms=norms)
    norms[:2] = np.nan  # of the weights none is known yet
    Updated(optimizer, w, dtype).step(g, norms=norms)
    for given, found in zip((w, g), norms, strict=False):
        for chunk in range(41):
            part = given[CHUNK * chunk : CHUNK * (chunk + 1)].astype(float)
            scale = np.abs(part).max()
            twin = np.linalg.norm(part / scale) * scale
            np.testing.assert_allclose(found[chunk], twin, rtol=1e-5)


@over_dtypes
@over_optimizers
def test_bits_depend_neither_on_norms_nor_on_cuts(optimizer, dtype):
    """So they do not depend on the tracker or on threads."""
    rng = np.random.default_rng(1)
    start = rng.normal(size=496)
    plain, tapped, cut = (Updated(optimizer, start, dtype) for _ in range(3))
    for _ in range(5):
        g = rng.normal(size=496)
        plain.step(g)
        tapped.step(g, norms=np.ones((3, 8)))
        cut.step(g, cuts=(16, 48, 272))
    for other in (tapped, cut):
        assert other.w.tobytes() == plain.w.tobytes()
        assert [s.tobytes() for s in other.states] == [s.tobytes() for s in plain.states]


def test_the_product_of_momenta_is_that_of_the_step(tmp_path):
    """Whether a model has come to a step or is resumed there."""
    x, y = np.ones((4, 2)), np.zeros((4, 1))
    model = vg.Sequential([vg.Dense(1)], input_shape=2, dtype="float64", seed=0)
    model.compile("mse", vg.NAdam(0.1, momentum_decay=0.5))
    model.fit(x, y, epochs=30)
    model.save(tmp_path / "model")
    resumed = vg.load(tmp_path / "model")
    for each in (model, resumed):
        each.fit(x, y, epochs=3)
    assert_same_bits(resumed.session.vectors(), model.session.vectors())


@over_dtypes
def test_a_constant_gradient_leaves_no_root_of_less_than_nothing(dtype):
    """Its mean square is the square of its mean, but for rounding."""
    updated = Updated(vg.RMSProp(alpha=0.5, centered=True), np.zeros(16), dtype)
    for _ in range(100):
        updated.step(np.full(16, 0.1))
    assert np.isfinite(updated.w).all()


@over_dtypes
def test_lion_moves_by_the_rate_or_not_at_all(dtype):
    updated = Updated(vg.Lion(0.5), np.zeros(16), dtype)
    updated.step([3, -1e-30, 0, np.nan] * 4)
    np.testing.assert_array_equal(updated.w, [-0.5, 0.5, 0, np.nan] * 4)


# ---- names and settings


def test_names():
    names = optimizers.names()
    assert {*names} == {kind.__name__.lower() for kind in RULES}
    for name in names:
        assert type(optimizers.get(name)).__name__.lower() == name
        assert getattr(vg, type(optimizers.get(name)).__name__)() == optimizers.get(name)


@over_optimizers
def test_configurations_make_equal_optimizers(optimizer):
    assert optimizers.from_config(optimizer.config()) == optimizer


def test_momentum_and_nesterov_are_sgd_with_defaults():
    assert vg.Momentum(0.1).numbers() == vg.SGD(0.1, momentum=0.9).numbers()
    assert vg.Nesterov(0.1).numbers() == vg.SGD(0.1, momentum=0.9, nesterov=True).numbers()


@pytest.mark.parity
@pytest.mark.parametrize(
    "name", ["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "nadam"]
)
def test_defaults_are_pytorchs(name):
    """SGD's rate but for the spelling: PyTorch's is 0.001."""
    torch = pytest.importorskip("torch")
    theirs = {kind.lower(): getattr(torch.optim, kind) for kind in dir(torch.optim)}[name]
    defaults = theirs([torch.zeros(1)]).defaults
    renamed = {"learning_rate": "lr", "epsilon": "eps"}
    rule = optimizers.get(name)
    for setting in (each.name for each in fields(rule)):
        value = getattr(rule, setting)
        if setting in ("beta1", "beta2"):
            assert value == defaults["betas"][setting == "beta2"]
        elif (name, setting) != ("sgd", "learning_rate"):
            assert value == defaults[renamed.get(setting, setting)]


@pytest.mark.parametrize(
    ("call", "error", "fragments"),
    [
        (lambda: vg.Momentum(-0.1), ValueError, ["learning_rate: ", "at least 0", "-0.1"]),
        (lambda: vg.Momentum(momentum=1), ValueError, ["momentum: ", "below 1", "got 1"]),
        (lambda: vg.Nesterov(momentum=0), ValueError, ["nesterov: ", "momentum above 0"]),
        (lambda: vg.AdaGrad(lr_decay=-1), ValueError, ["lr_decay: ", "at least 0", "-1"]),
        (
            lambda: vg.AdaGrad(initial_accumulator_value=-0.5),
            ValueError,
            ["initial_accumulator_value: ", "at least 0", "-0.5"],
        ),
        (lambda: vg.AdaGrad(epsilon=0), ValueError, ["epsilon: ", "above 0", "got 0"]),
        (lambda: vg.AdaDelta(rho=1), ValueError, ["rho: ", "below 1", "got 1"]),
        (lambda: vg.AdaDelta(epsilon="tiny"), TypeError, ["epsilon: ", "number", "'tiny'"]),
        (lambda: vg.RMSProp(alpha=1.5), ValueError, ["alpha: ", "below 1", "got 1.5"]),
        (lambda: vg.RMSProp(momentum=-0.1), ValueError, ["momentum: ", "at least 0", "-0.1"]),
        (lambda: vg.RMSProp(centered=1), TypeError, ["centered: ", "True or False", "1"]),
        (lambda: vg.AdamW(weight_decay=-1), ValueError, ["weight_decay: ", "at least 0"]),
        (lambda: vg.NAdam(momentum_decay=-1), ValueError, ["momentum_decay: ", "at least 0"]),
        (lambda: vg.Lion(beta1=1), ValueError, ["beta1: ", "below 1", "got 1"]),
        (lambda: vg.Lion(-1), ValueError, ["learning_rate: ", "at least 0", "-1"]),
    ],
)
def test_bad_settings(call, error, fragments):
    with pytest.raises(error) as caught:
        call()
    assert all(fragment in str(caught.value) for fragment in fragments)


@over_optimizers
def test_settings_are_fixed_but_for_the_learning_rate(optimizer):
    for name in vars(optimizer).keys() - {"learning_rate"}:
        with pytest.raises(AttributeError, match=f"{name}: only learning_rate may be assigned"):
            setattr(optimizer, name, 0.5)


@pytest.mark.parametrize("rate", [0, 0.0, vg.schedules.Constant(0), vg.schedules.Step(0, 3)])
@pytest.mark.parametrize("kind", [vg.SGD, vg.Momentum, vg.Adam, vg.AdamW, vg.Lion, vg.AdaDelta])
def test_at_a_rate_of_0_nothing_moves_but_the_state(kind, rate):
    def train(optimizer):
        model = vg.Sequential([vg.Dense(3, "tanh"), vg.Dense(2)], input_shape=4, seed=0)
        model.compile("mse", optimizer)
        before = [v.tobytes() for v in model.state_dict().values()]
        flow = vg.GradientFlow()
        model.fit(np.eye(4), np.ones((4, 2)), epochs=2, batch_size=2, track=flow)
        return model, flow, before == [v.tobytes() for v in model.state_dict().values()]

    model, flow, unmoved = train(kind(rate))
    assert unmoved
    assert model.step == 4
    assert (flow.update_ratio == 0).all()
    assert (flow.weight_grad > 0).all()
    assert not train(kind())[2]
    model.optimizer.learning_rate = 0.1
    model.train_on_batch(np.eye(4), np.ones((4, 2)))
    model.optimizer.learning_rate = 0


SMALL = {"float32": 1e-39, "float64": 1e-320}


@pytest.mark.parametrize("kind", [vg.Adam, vg.AdamW, vg.NAdam, vg.AdaGrad, vg.AdaDelta, vg.RMSProp])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_epsilon_that_is_0_in_the_models_dtype_is_refused(kind, dtype):
    """Inside a step subnormal numbers are 0, and g / (sqrt(0) + 0) would be NaN."""
    model = vg.Sequential([vg.Dense(2)], input_shape=3, dtype=dtype, seed=0)
    model.compile("mse", vg.Adam())
    before = model.session.description()
    with pytest.raises(ValueError, match=rf"epsilon: expected at least .*{dtype}.*e-"):
        model.compile("mse", kind(epsilon=SMALL[dtype]))
    assert model.session.description() == before
    model.compile("mse", kind(epsilon=float(np.finfo(dtype).tiny)))
    model.fit(np.zeros((4, 3)), np.zeros((4, 2)))
    assert all(np.isfinite(v).all() for v in model.state_dict().values())
