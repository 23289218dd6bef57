"""Cross-entropies behind sigmoid outputs are exact at any logit, whatever layer the outputs are of.

Where an output is also the next state of a walk, the loss reads its pre-activation beside it.
"""

import numpy as np
import pytest
from reference import DTYPES, assert_close, assert_same_bits, sigmoid, softplus

import vgcore as vg

over_dtypes = pytest.mark.parametrize("dtype", DTYPES)
TIMES = 3


@pytest.fixture(autouse=True)
def _restore_threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


biased = vg.initializers.Constant

# layers whose pre-activations are all `z` at inputs of 0, and the shape of an input
LAYERS = {
    "dense": lambda z, f: ((2,), [vg.Dense(3, f, bias_initializer=biased(z))]),
    "dense over time": lambda z, f: ((None, 2), [vg.Dense(3, f, bias_initializer=biased(z))]),
    "activation": lambda z, f: (
        (2,),
        [vg.Dense(3, bias_initializer=biased(z)), vg.Activation(f)],
    ),
    "layer norm": lambda z, f: (
        (2,),
        [vg.Dense(3, weight_initializer="zeros", name="below"), vg.LayerNorm(f, name="norm")],
    ),
    "batch norm": lambda z, f: (
        (2,),
        [vg.Dense(3, weight_initializer="zeros", name="below"), vg.BatchNorm(f, name="norm")],
    ),
    "residual": lambda z, f: (
        (2,),
        [vg.Residual([vg.Dense(2, bias_initializer=biased(z))], activation=f)],
    ),
    "shortcut": lambda z, f: (
        (2,),
        [
            vg.Residual(
                [vg.Dense(3, bias_initializer=biased(z))], shortcut=[vg.Dense(3)], activation=f
            )
        ],
    ),
    "gated over time": lambda z, f: (
        (None, 2),
        [vg.Residual([vg.Dense(2, bias_initializer=biased(z))], activation=f, gate=1.0)],
    ),
    "conv 1d": lambda z, f: ((4, 2), [vg.Conv1d(3, 2, activation=f, bias_initializer=biased(z))]),
    "conv 2d": lambda z, f: (
        (2, 3, 4),
        [vg.Conv2d(3, 2, activation=f, bias_initializer=biased(z))],
    ),
}
WALKS = {
    "rnn": {},
    "rnn over time": {"return_sequences": True},
    "backwards": {"go_backwards": True},
    "backwards over time": {"go_backwards": True, "return_sequences": True},
    "two ways": {"two_ways": True},
    "two ways over time": {"two_ways": True, "return_sequences": True},
}


def walk(units, *, two_ways=False, **options):
    layer = vg.RNN(units, "sigmoid", **options)
    return vg.Bidirectional(layer) if two_ways else layer


def constant_walk(z, options):
    start = {"recurrent_initializer": "zeros", "bias_initializer": biased(z / 2)}
    return (None, 2), [walk(2, **options, **start)]


OUTPUTS = {
    **{name: lambda z, name=name: LAYERS[name](z, "sigmoid") for name in LAYERS},
    **{name: lambda z, name=name: constant_walk(z, WALKS[name]) for name in WALKS},
}


def made(layer, z, dtype, reduction="batchmean"):
    """A model, and inputs of 0."""
    shape, layers = OUTPUTS[layer](z)
    model = vg.Sequential(layers, input_shape=shape, dtype=dtype, seed=0)
    model.compile("binary_crossentropy", vg.SGD(1.0), reduction=reduction)
    if layer.endswith("norm"):
        model.layers[-1].bias = np.full(3, z)
    return model, np.zeros((2, *(TIMES if n is None else n for n in shape)))


@over_dtypes
@pytest.mark.parametrize("reduction", ["mean", "batchmean"])
@pytest.mark.parametrize("layer", OUTPUTS)
def test_extreme_logits(layer, reduction, dtype):
    """The loss, delta and the gradient of a bias: of each element sigmoid(z) - y, without cancelling."""
    for z in (-200, -50, -20, -1, 0, 3, 17, 50, 200):
        model, x = made(layer, z, dtype, reduction)
        for y in (0, 1, 0.25):
            check_constant(model, x, layer, z, y)


def check_constant(model, x, layer, z, y):
    """Where all logits are z, and all targets y."""
    dtype, reduction = model.dtype, model.loss.reduction
    goal = np.full(model.predict(x).shape, y, dtype)
    count = goal.size if reduction == "mean" else len(goal)
    delta = (1 - y) * sigmoid(float(z)) - y * sigmoid(-float(z))
    loss = (1 - y) * softplus(float(z)) + y * softplus(-float(z))
    close = {"rel": 20 * float(np.finfo(dtype).eps), "abs": 1e-29}
    flow = model.gradient_flow(x, goal)
    value, gradients = model.gradients(x, goal)[:2]
    assert value == flow.loss[0] == pytest.approx(loss * goal.size / count, **close)
    assert model.evaluate(x, goal).loss == pytest.approx(loss * goal.size / count, **close)
    columns = flow.delta[0, -1 - (layer.startswith("two ways")) :]
    assert np.hypot.reduce(columns) == pytest.approx(
        abs(delta) * np.sqrt(goal.size) / count, **close
    )
    bias = next(v for name, v in reversed(gradients.items()) if "bias" in name)
    outputs = goal.shape[1] if layer == "conv 2d" else goal.shape[-1]
    assert (np.sign(bias) == np.sign(delta)).all() or abs(delta) < 1e-29
    np.testing.assert_allclose(
        np.abs(bias), abs(delta) * goal.size / outputs / count, rtol=close["rel"] * 10, atol=1e-29
    )


@over_dtypes
@pytest.mark.parametrize("layer", LAYERS)
def test_elementwise_outputs_are_those_of_logits(layer, dtype):
    """The loss and all gradients have the bits of a model that gives logits."""
    rng = np.random.default_rng(0)
    x = y = states = None
    for output in ("sigmoid", None):
        shape, layers = LAYERS[layer](0.3, output)
        model = vg.Sequential(layers, input_shape=shape, dtype=dtype, seed=0)
        model.compile("binary_crossentropy")
        if x is None:
            states = {
                k: v + 5 * rng.normal(size=v.shape) ** 2 for k, v in model.state_dict().items()
            }
            x = rng.normal(size=(9, *(TIMES if n is None else n for n in shape)))
            y = rng.random(model.predict(x).shape)
        model.load_state_dict(states)
        loss, gradients = model.gradients(x, y)[:2]
        if output:
            wanted = loss, gradients
    assert loss == wanted[0]
    assert_same_bits(gradients, wanted[1])


# ---- walks against PyTorch


def unrolled(torch, layer, suffix, x, valid, p):
    """Pre-activations and states of all timesteps; pre-activations of the last ones, and which these are."""
    backwards = bool(suffix) or getattr(layer, "go_backwards", False)
    batch, times = valid.shape
    w, u = p[f"weight_ih{suffix}"], p[f"weight_hh{suffix}"]
    b = p[f"bias_ih{suffix}"] + p[f"bias_hh{suffix}"]
    start = p.get(f"initial_h{suffix}", torch.zeros(len(u), dtype=x.dtype)).expand(batch, -1)
    h, zs, hs = start, [None] * times, [None] * times
    for t in reversed(range(times)) if backwards else range(times):
        zs[t] = x[:, t] @ w.T + b + h @ u.T
        hs[t] = torch.nn.functional.logsigmoid(zs[t]).exp()  # whose slope does not cancel
        hs[t].retain_grad()
        h = torch.where(valid[:, t, None], hs[t], h)
    stacked = torch.stack(zs, 1)
    ends = torch.zeros(batch, dtype=int) if backwards else valid.sum(1) - 1
    return stacked, hs, stacked[torch.arange(batch), ends], ends


@pytest.mark.parity
@over_dtypes
@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("options", WALKS.values(), ids=WALKS)
def test_walks(options, lengths, extreme, dtype):
    """Loss, outputs, all gradients and what the tracker says of time, at logits of tens."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    scale = {"float32": 12, "float64": 40}[dtype] if extreme else 1
    layer = walk(5, initial_state="learned", **options)
    model = vg.Sequential([vg.Dense(4), layer], input_shape=(None, 3), dtype=dtype, seed=0)
    model.compile("binary_crossentropy")
    model.load_state_dict(
        {
            k: (scale if "bias" in k else 1) * rng.normal(size=v.shape)
            for k, v in model.state_dict().items()
        }
    )
    batch, times, sequences = 19, 6, options.get("return_sequences", False)
    x = rng.normal(size=(batch, times, 3)).astype(dtype)
    units = 5 * (1 + options.get("two_ways", False))
    y = rng.integers(0, 2, (batch, times, units) if sequences else (batch, units)).astype(dtype)
    valid = np.full(batch, times)
    if lengths:
        valid = rng.integers(1, times + 1, batch)
        valid[:2] = times, 1
    alive = torch.tensor(np.arange(times) < valid[:, None])

    p = {
        k: torch.tensor(v.astype(float), requires_grad=True) for k, v in model.state_dict().items()
    }
    given = torch.tensor(x.astype(float), requires_grad=True)
    below = given @ p["dense1.weight"].T + p["dense1.bias"]
    mine = {k.split(".")[1]: v for k, v in p.items() if not k.startswith("dense1")}
    sides = [
        unrolled(torch, layer, suffix, below, alive, mine)
        for suffix in (("", "_reverse") if options.get("two_ways") else ("",))
    ]
    z = torch.cat([side[0] if sequences else side[2] for side in sides], dim=-1)
    z.retain_grad()
    goal = torch.tensor(y.astype(float))
    some = alive if sequences else torch.ones(batch, dtype=bool)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z[some], goal[some])
    loss.backward()

    tolerance = 2e-5 if dtype == "float32" else 1e-11
    given_lengths = valid if lengths else None
    value, gradients, inputs = model.gradients(x, y, lengths=given_lengths, wrt_inputs=True)
    assert value == pytest.approx(loss.item(), rel=tolerance)
    assert model.evaluate(x, y, lengths=given_lengths).loss == pytest.approx(value, rel=tolerance)
    outputs = model.predict(x, lengths=given_lengths)
    assert_close(
        {"h": outputs[some.numpy()], "x": inputs.x, **gradients},
        {
            "h": torch.sigmoid(z).detach().numpy()[some.numpy()],
            "x": given.grad.numpy(),
            **{k: v.grad.numpy() for k, v in p.items()},
        },
        tolerance,
    )
    flow = model.gradient_flow(x, y, lengths=given_lengths)
    for number, (name, (zs, hs, _, ends)) in enumerate(zip(flow.time, sides, strict=True)):
        slope = (torch.sigmoid(zs) * torch.sigmoid(-zs)).detach().numpy()
        dz = np.zeros(slope.shape)
        if sequences:
            dz[:] = z.grad.numpy()[..., 5 * number : 5 * number + 5]
        else:
            dz[np.arange(batch), ends] = z.grad.numpy()[:, 5 * number : 5 * number + 5]
        direct = dz / slope
        carry = [np.zeros((batch, 5)) if h.grad is None else h.grad.numpy() for h in hs]
        total = direct + np.stack(carry, axis=1)
        delta = total * slope * alive.numpy()[..., None]
        for field, expected in (
            ("time_direct", direct),
            ("time", total * alive.numpy()[..., None]),
        ):
            np.testing.assert_allclose(
                getattr(flow, field)[name][0],
                np.linalg.norm(expected, axis=(0, 2)),
                rtol=50 * tolerance,
                atol=1e-13,
            )
        assert flow.delta[0, flow.layers.index(name)] == pytest.approx(
            np.linalg.norm(delta), rel=50 * tolerance
        )


# ---- bits


@over_dtypes
@pytest.mark.parametrize("options", WALKS.values(), ids=WALKS)
def test_bits(options, dtype):
    """The same for any number of threads, tracked or not, in windows of time or in one."""
    rng = np.random.default_rng(4)
    units = 40 * (1 + options.get("two_ways", False))
    x = 5 * rng.normal(size=(50, 9, 30))
    y = rng.integers(0, 2, (50, 9, units) if options.get("return_sequences") else (50, units))
    valid = rng.integers(1, 10, 50)
    cut = not (options.get("go_backwards") or options.get("two_ways"))
    wanted = None
    for threads, tracked, more in [
        *((threads, False, {}) for threads in (1, 2, 3)),
        (2, True, {}),
        *((2, True, {"checkpoint": n}) for n in (1, 2, 4) if cut),
    ]:
        vg.set_num_threads(threads)
        model = vg.Sequential([walk(40, **options)], input_shape=(None, 30), dtype=dtype, seed=0)
        model.compile("binary_crossentropy", vg.SGD(0.1), **more)
        flow = vg.GradientFlow() if tracked else None
        model.fit(x, y, batch_size=25, lengths=valid, shuffle=False, epochs=2, track=flow)
        state = {"loss": np.array(model.evaluate(x, y, lengths=valid).loss), **model.state_dict()}
        state = {f"{name.replace('.', '_')}.": v for name, v in state.items()}
        wanted = wanted or state
        assert_same_bits(state, wanted)


@pytest.mark.parametrize("sequences", [True, False])
def test_truncated_training_goes_on(sequences):
    """Chunk by chunk, the last of a sequence's outputs alone or all of them."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(9, 10, 3))
    y = rng.integers(0, 2, (9, 10, 4) if sequences else (9, 4))
    losses = {}
    for tbptt in (None, 10, 4):
        model = vg.Sequential(
            [vg.RNN(4, "sigmoid", return_sequences=sequences)], input_shape=(None, 3), seed=0
        )
        model.compile("binary_crossentropy", vg.SGD(0.5), tbptt=tbptt)
        model.fit(x, y, epochs=20, shuffle=False)
        losses[tbptt] = model.evaluate(x, y).loss
    assert losses[None] == losses[10]
    assert losses[4] == pytest.approx(losses[10], rel=0.1)
