"""Recurrent layers, their gradient at every timestep and their Jacobians against PyTorch's.

PyTorch computes in float64: whole layers by `torch.nn.RNN`, `LSTM` and `GRU` on packed sequences; single
timesteps by cells unrolled by hand whose tensors retain their gradients.
"""

import copy
import functools
import itertools

import numpy as np
import pytest
from reference import DTYPES, OPTIMIZERS, REDUCTIONS, assert_close
from unrolled import slopes, step_of

import vgcore as vg

torch = pytest.importorskip("torch")
nn = torch.nn.functional
torch.set_num_threads(1)  # quicker on networks this small

pytestmark = pytest.mark.parity
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}
TORCH = {vg.RNN: torch.nn.RNN, vg.LSTM: torch.nn.LSTM, vg.GRU: torch.nn.GRU}
KINDS = {
    "rnn": (vg.RNN, {}),
    "relu": (vg.RNN, {"activation": "relu"}),
    "lstm": (vg.LSTM, {}),
    "gru": (vg.GRU, {}),
}
over_kinds = pytest.mark.parametrize("kind", KINDS)
over_lengths = pytest.mark.parametrize("lengths", [None, "any", "padded"])


@pytest.fixture(autouse=True)
def _restore_threads():
    before = vg.get_num_threads()
    yield
    vg.set_num_threads(before)


def tensor(array, **options):
    return torch.tensor(np.asarray(array, float), **options)


def arrays(tensors):
    return {name: t.detach().numpy() for name, t in tensors.items()}


def lengths_of(how, batch, times, seed=0):
    """Valid timesteps: None, any with 1 and ``times`` among them, or less than ``times`` of all."""
    if how is None:
        return None
    lengths = np.random.default_rng(seed).integers(1, times + 1, batch)
    lengths[:1], lengths[1:2] = times, 1
    return lengths if how == "any" else np.minimum(lengths, max(1, times - 2))


def network(layers, inputs, *, dtype="float64", loss="mse", optimizer="sgd", **options):
    model = vg.Sequential(layers, input_shape=(None, *inputs), dtype=dtype, seed=0)
    model.compile(loss, optimizer, **options)
    return model


def recurrent(kind, units, *, bidirectional=False, **options):
    """A layer whose parameters are all away from 0."""
    cls, activation = KINDS[kind]
    layer = cls(units, bias_initializer="normal", **activation, **options)
    return vg.Bidirectional(layer) if bidirectional else layer


class Twin:
    """The same layers as modules of PyTorch."""

    def __init__(self, model):
        self.model = model
        self.modules, self.parameters = [], {}
        features = model.input_shape[-1]
        for layer in model.layers:
            module, features = self.module_of(layer, features)
            self.modules.append((layer, module))
            with torch.no_grad():
                for name, view in layer.views.items():
                    parameter = getattr(module, torch_name(layer, name))
                    parameter.copy_(tensor(view))
                    self.parameters[f"{layer.name}.{name}"] = parameter

    def module_of(self, layer, features):
        """A module of PyTorch, and how many features it gives on."""
        if isinstance(layer, vg.Embedding):
            return torch.nn.Embedding(layer.vocabulary, layer.units).double(), layer.units
        if isinstance(layer, vg.Dense):
            return torch.nn.Linear(features, layer.units).double(), layer.units
        inner = getattr(layer, "forward_layer", layer)
        options = {"batch_first": True, "bidirectional": two_ways(layer)}
        if isinstance(inner, vg.RNN):
            options["nonlinearity"] = inner.activation.name
        module = TORCH[type(inner)](features, inner.units, **options).double()
        return module, inner.units * len(layer.walks())

    def forward(self, x, lengths=None, starts=None):
        """Pre-activations and outputs of the last layer, and the final states, flat.

        ``starts``: the initial states, flat; zeros where there are none.
        """
        starts, finals, h = iter(starts or []), [], x
        self.valid = torch.tensor(
            np.arange(x.shape[1])
            < (np.full(len(x), x.shape[1]) if lengths is None else lengths)[:, np.newaxis]
        )
        z = None
        for layer, module in self.modules:
            if layer.walks():
                h, ends = self.walk(layer, module, h, starts)
                z, finals = None, finals + ends
            else:
                h = z = module(h)
            if isinstance(layer, vg.Dense):
                h = {"sigmoid": torch.sigmoid, "softmax": lambda z: nn.softmax(z, dim=-1)}.get(
                    layer.activation.name, lambda z: z
                )(z)
        return z, h, finals

    def walk(self, layer, module, x, starts):
        walks, units = layer.walks(), module.hidden_size
        zeros = torch.zeros(len(x), units, dtype=float)
        given = [[next(starts, zeros) for _ in walk.states] for walk in walks]
        if layer_goes_back(layer):
            given.insert(0, [zeros] * len(walks[0].states))
        state = tuple(torch.stack(each) for each in zip(*given, strict=True))
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            x, self.valid.sum(dim=1), batch_first=True, enforce_sorted=False
        )
        out, final = module(packed, state if len(state) > 1 else state[0])
        out, _ = torch.nn.utils.rnn.pad_packed_sequence(
            out, batch_first=True, total_length=x.shape[1]
        )
        final = final if isinstance(final, tuple) else (final,)
        mine = range(1, 2) if layer_goes_back(layer) else range(len(walks))
        ends = [each[direction] for direction in mine for each in final]
        if layer_goes_back(layer):
            out = out[..., units:]
        if not getattr(layer, "forward_layer", layer).return_sequences:
            out = torch.cat(ends[:: len(final)], dim=1)
        return out, ends

    def loss(self, z, h, y):
        """The compiled loss of the valid timesteps."""
        loss = self.model.loss
        valid = self.valid if h.ndim == 3 else torch.ones(len(h), dtype=bool)
        z, h, y, rows = (
            z[valid] if z is not None else None,
            h[valid],
            torch.tensor(y)[valid],
            len(h),
        )
        if loss.categorical:
            return nn.cross_entropy(z, y) * (len(h) / rows if loss.reduction != "mean" else 1)
        total = (
            nn.mse_loss(h, y, reduction="sum")
            if loss.name == "mse"
            else nn.binary_cross_entropy_with_logits(z, y, reduction="sum")
        )
        return total / (h.numel() if loss.reduction == "mean" else rows)

    def gradients(self):
        return {name: p.grad.numpy() for name, p in self.parameters.items()}


def two_ways(layer):
    return len(layer.walks()) > 1 or layer_goes_back(layer)


def layer_goes_back(layer):
    return getattr(layer, "go_backwards", False)


def torch_name(layer, name):
    """weight_ih_reverse is weight_ih_l0_reverse."""
    if not layer.walks():
        return name
    reverse = name.endswith("_reverse") or layer_goes_back(layer)
    return f"{name.removesuffix('_reverse')}_l0{'_reverse' * reverse}"


def entry(layer, states):
    """The next of a flat iterator of states, as vgcore takes and gives them."""
    walks = [tuple(next(states) for _ in walk.states) for walk in layer.walks()]
    walks = [walk if len(walk) > 1 else walk[0] for walk in walks]
    return tuple(walks) if len(walks) > 1 else walks[0]


def flat(states):
    """All arrays of nested lists and tuples."""
    return [states] if isinstance(states, np.ndarray) else [a for s in states for a in flat(s)]


def random_states(model, batch, rng):
    return [
        rng.normal(size=(batch, walk.units)).astype(model.dtype)
        for layer in model.layers
        for walk in layer.walks()
        for _ in walk.states
    ]


def check(model, x, y, lengths=None, starts=None):
    """Loss, outputs, final states and all gradients are PyTorch's, and evaluate's loss is that too."""
    twin = Twin(model)
    tolerance = TOLERANCE[model.dtype.name]
    tokens = x.dtype.kind == "i"
    given = torch.tensor(x) if tokens else tensor(x, requires_grad=True)
    leaves = None if starts is None else [tensor(state, requires_grad=True) for state in starts]
    z, h, finals = twin.forward(given, lengths, leaves)
    loss = twin.loss(z, h, y)
    loss.backward()

    states = None
    if starts is not None:
        rest = iter(starts)
        states = [entry(layer, rest) for layer in model.layers if layer.walks()]
    options = {"lengths": lengths, "initial_state": states}
    outputs, ends = model.predict(x, **options, return_state=True)
    value, gradients, inputs = model.gradients(x, y, **options, wrt_inputs=True)
    valid = twin.valid.numpy() if outputs.ndim == 3 else np.ones(len(x), bool)
    assert value == pytest.approx(loss.item(), rel=tolerance)
    assert not outputs[~valid].any()
    got = {"outputs": outputs[valid], **gradients}
    expected = {"outputs": h.detach().numpy()[valid], **twin.gradients()}
    for place, (end, final) in enumerate(zip(flat(ends), finals, strict=True)):
        got[f"final {place}"], expected[f"final {place}"] = end, final.detach().numpy()
    if leaves is not None:
        for place, (gradient, leaf) in enumerate(
            zip(flat(inputs.initial_state), leaves, strict=True)
        ):
            got[f"initial {place}"], expected[f"initial {place}"] = gradient, leaf.grad.numpy()
    if tokens:
        assert inputs.x is None
    else:
        got["x"], expected["x"] = inputs.x, given.grad.numpy()
    assert_close(got, expected, tolerance)
    if starts is None:
        assert model.evaluate(x, y, lengths=lengths).loss == pytest.approx(value, rel=tolerance)
    return h.detach().numpy()


# ---- layers

_sizes = np.random.default_rng(1)
SHAPES = [  # batch, times, inputs, units, layers, bidirectional, threads
    (1, 1, 1, 1, 1, False, 1),
    (1, 8, 3, 1, 2, True, 1),
    (7, 1, 2, 17, 1, True, 1),
    (17, 9, 5, 33, 1, False, 2),
    (19, 6, 4, 17, 3, False, 3),
    (33, 5, 7, 9, 2, True, 2),
    *(
        (*(int(_sizes.integers(1, most)) for most in (20, 12, 9, 35, 4)), bool(i % 2), 1 + i % 2)
        for i in range(4)
    ),
]


@over_kinds
@over_lengths
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_layers(shape, sequences, lengths, kind):
    batch, times, inputs, units, layers, bidirectional, threads = shape
    vg.set_num_threads(threads)
    stack = [
        recurrent(
            kind, units, bidirectional=bidirectional, return_sequences=sequences or i < layers - 1
        )
        for i in range(layers)
    ]
    rng = np.random.default_rng(2)
    outputs = units * (1 + bidirectional)
    y = rng.normal(size=(batch, times, outputs) if sequences else (batch, outputs))
    for dtype in DTYPES:
        model = network(stack if dtype == "float32" else copies(stack), (inputs,), dtype=dtype)
        x = rng.normal(size=(batch, times, inputs)).astype(dtype)
        starts = random_states(model, batch, rng) if dtype == "float64" else None
        goal = y.astype(dtype).astype(float)
        check(model, x, goal, lengths_of(lengths, batch, times), starts)


def copies(layers):
    """Layers of the same options that belong to no model."""
    return [copy.copy(layer) for layer in layers]


@over_kinds
@pytest.mark.parametrize("threads", [1, 3])
def test_wide_layers(threads, kind):
    """Whose parameters are updated and dealt to threads in several parts."""
    vg.set_num_threads(threads)
    rng = np.random.default_rng(10)
    draw = vg.initializers.Uniform(-0.1, 0.1)  # quickly
    model = network(
        [recurrent(kind, 350, return_sequences=True, recurrent_initializer=draw)], (130,)
    )
    x, y = rng.normal(size=(9, 3, 130)), rng.normal(size=(9, 3, 350))
    check(model, x, y, lengths_of("any", 9, 3), random_states(model, 9, rng))


@over_kinds
@over_lengths
@pytest.mark.parametrize("sequences", [True, False])
def test_go_backwards(sequences, lengths, kind):
    rng = np.random.default_rng(3)
    model = network([recurrent(kind, 9, return_sequences=sequences, go_backwards=True)], (3,))
    x, y = rng.normal(size=(10, 6, 3)), rng.normal(size=(10, 6, 9) if sequences else (10, 9))
    check(model, x, y, lengths_of(lengths, 10, 6), random_states(model, 10, rng))


@over_kinds
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_state_moves_both_ways_untouched(bidirectional, kind):
    """To a stack of PyTorch's and back from a new one: the arrays as they are, names aside."""
    cls, _ = KINDS[kind]
    options = {"nonlinearity": "relu" if kind == "relu" else "tanh"} if cls is vg.RNN else {}
    stack = [
        recurrent(kind, 7, bidirectional=bidirectional, return_sequences=True) for _ in range(3)
    ]
    model = network(stack, (4,))
    x = np.random.default_rng(4).normal(size=(5, 6, 4))

    def module():
        return TORCH[cls](
            4, 7, 3, batch_first=True, bidirectional=bidirectional, **options
        ).double()

    def renamed(name):
        layer, parameter = name.split(".")
        number = [each.name for each in model.layers].index(layer)
        reverse = "_reverse" * parameter.endswith("_reverse")
        return f"{parameter.removesuffix('_reverse')}_l{number}{reverse}"

    def outputs(module):
        return module(tensor(x))[0].detach().numpy()

    ours, theirs = module(), module()
    ours.load_state_dict({renamed(name): tensor(v) for name, v in model.state_dict().items()})
    assert_close({"h": model.predict(x)}, {"h": outputs(ours)}, 1e-10)
    values = arrays(theirs.state_dict())
    model.load_state_dict({name: values[renamed(name)] for name in model.state_dict()})
    assert_close({"h": model.predict(x)}, {"h": outputs(theirs)}, 1e-10)
    assert [renamed(name) for name in model.state_dict()] == list(values)


# ---- losses at every timestep, embeddings, training

LOSSES = [
    ("mse", "identity"),
    ("binary_crossentropy", "sigmoid"),
    ("categorical_crossentropy", "softmax"),
    ("sparse_categorical_crossentropy", "softmax"),
]


@over_lengths
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("loss", "output"), LOSSES)
@pytest.mark.parametrize("between", [[], ["gru"], ["lstm", "rnn"]], ids=str)
def test_embedding_and_losses_over_time(between, loss, output, reduction, lengths):
    batch, times = 11, 7
    layers = [vg.Embedding(5, 6), *(recurrent(k, 9, return_sequences=True) for k in between)]
    model = network([*layers, vg.Dense(3, output)], (), loss=loss, reduction=reduction)
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 5, (batch, times)), rng.random((batch, times, 3))
    if "categorical" in loss:
        labels = rng.integers(0, 3, (batch, times))
        y = labels if loss.startswith("sparse") else np.eye(3)[labels]
    valid = lengths_of(lengths, batch, times)
    h = check(model, x, y, valid)
    if "categorical" in loss:
        inside = np.arange(times) < (np.full(batch, times) if valid is None else valid)[:, None]
        accuracy = (h.argmax(axis=2) == labels)[inside].mean()
        assert model.evaluate(x, y, lengths=valid).accuracy == pytest.approx(accuracy)


def torch_optimizer(optimizer, parameters):
    if isinstance(optimizer, vg.Adam):
        return torch.optim.Adam(parameters, lr=optimizer.learning_rate)
    return torch.optim.SGD(parameters, lr=optimizer.learning_rate, momentum=optimizer.momentum)


@over_lengths
@pytest.mark.parametrize("clipping", [{}, {"clip_norm": 0.05}], ids=str)
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_training(dtype, optimizer, clipping, lengths):
    """Five steps through `fit`, the last on a short minibatch: a stack of everything there is."""
    layers = [
        vg.Embedding(6, 4),
        recurrent("lstm", 7, bidirectional=True, return_sequences=True),
        vg.Dense(5),
        recurrent("gru", 6, return_sequences=True),
        recurrent("rnn", 5),
        vg.Dense(3, "softmax"),
    ]
    model = network(layers, (), dtype=dtype, loss="sparse_categorical_crossentropy",
                    optimizer=OPTIMIZERS[optimizer], **clipping)  # fmt: skip
    rng = np.random.default_rng(6)
    x, y = rng.integers(0, 6, (23, 8)), rng.integers(0, 3, 23)
    valid = lengths_of(lengths, 23, 8)
    twin = Twin(model)
    parameters = list(twin.parameters.values())
    rule = torch_optimizer(model.optimizer, parameters)
    flow = vg.GradientFlow()
    model.fit(x, y, batch_size=5, shuffle=False, lengths=valid, track=flow)
    losses = []
    for begin in range(0, 23, 5):
        some = slice(begin, begin + 5)
        rule.zero_grad()
        z, h, _ = twin.forward(torch.tensor(x[some]), None if valid is None else valid[some])
        loss = twin.loss(z, h, y[some])
        loss.backward()
        if clipping:
            torch.nn.utils.clip_grad_norm_(parameters, clipping["clip_norm"])
        rule.step()
        losses.append(loss.item())
    np.testing.assert_allclose(flow.loss, losses, rtol=TOLERANCE[dtype])
    assert_close(model.state_dict(), arrays(twin.parameters), TOLERANCE[dtype])


# ---- the gradient at every timestep


class Walked:
    """One walk through time, unrolled, all of whose tensors retain their gradients."""

    def __init__(self, layer, x, valid, p):
        self.valid = valid
        batch, times = valid.shape
        zeros = torch.zeros(layer.units, dtype=float)
        state = [p.get(f"initial_{s}", zeros).expand(batch, -1) for s in layer.states]
        self.start = state
        steps = [None] * times
        for t in reversed(range(times)) if layer.go_backwards else range(times):
            new, gates = step_of(layer, x[:, t], state, p)
            for each in (*new, *(z for z, _ in gates)):
                each.retain_grad()
            steps[t] = new, gates
            alive = valid[:, t, np.newaxis]
            state = [torch.where(alive, a, b) for a, b in zip(new, state, strict=True)]
        self.states = [[new[i] for new, _ in steps] for i in range(len(layer.states))]
        self.gates = [gates for _, gates in steps]
        self.stacked = torch.stack(self.states[0], dim=1)
        self.stacked.retain_grad()
        ends = torch.zeros(batch, dtype=int) if layer.go_backwards else valid.sum(dim=1) - 1
        last = self.stacked[torch.arange(batch), ends]
        self.output = self.stacked * valid[..., np.newaxis] if layer.return_sequences else last

    def before(self, t):
        """The states before timestep t, of a walk forwards."""
        return [states[t - 1] for states in self.states] if t else self.start

    def fields(self):
        """What the tracker should say of it."""
        fields = {
            "time": norms(h.grad for h in self.states[0]),
            "time_direct": norms(self.stacked.grad.unbind(dim=1)),
            "time_gate": np.transpose([norms(zs) for zs in self.by_gate(lambda z, _: z.grad)]),
            "time_saturated": np.transpose(
                [
                    [
                        s[alive].lt(0.05).double().mean().item() if alive.any() else 0
                        for s, alive in zip(shares, self.valid.T, strict=True)
                    ]
                    for shares in self.by_gate(lambda z, f: slopes(f, z))
                ]
            ),
        }
        if len(self.states) > 1:
            fields["time_cell"] = norms(c.grad for c in self.states[1])
        return fields

    def by_gate(self, what):
        """``what`` of each gate's pre-activation and activation: a list of timesteps for each gate."""
        return [[what(*gate) for gate in gates] for gates in zip(*self.gates, strict=True)]


def norms(gradients):
    return np.array([0 if g is None else g.norm().item() for g in gradients])


def unrolled(model, x, y, lengths):
    """Each walk of the model by name, after a backward pass."""
    valid = np.full(len(x), x.shape[1]) if lengths is None else lengths
    valid = torch.tensor(np.arange(x.shape[1]) < valid[:, np.newaxis])
    p = {name: tensor(v, requires_grad=True) for name, v in model.state_dict().items()}
    h, walks = tensor(x), {}
    for layer in model.layers:
        if isinstance(layer, vg.Dense):
            h = h @ p[f"{layer.name}.weight"].T + p[f"{layer.name}.bias"]
            continue
        sides = [(layer, "", "")]
        if isinstance(layer, vg.Bidirectional):
            sides = [
                (layer.forward_layer, ".forward", ""),
                (layer.backward_layer, ".backward", "_reverse"),
            ]
        found = []
        for side, suffix, ending in sides:
            mine = {name: p[f"{layer.name}.{name}{ending}"] for name in side.views}
            found.append(walks.setdefault(layer.name + suffix, Walked(side, h, valid, mine)))
        h = torch.cat([walk.output for walk in found], dim=-1)
    goal = tensor(y)
    error = (h - goal)[valid] if h.ndim == 3 else h - goal
    error.square().mean().backward()
    return walks


FLOWS = {  # layers before a Dense
    "rnn": lambda: [recurrent("rnn", 5)],
    "relu sequences": lambda: [recurrent("relu", 17, return_sequences=True)],
    "lstm": lambda: [recurrent("lstm", 17)],
    "lstm sequences": lambda: [recurrent("lstm", 5, return_sequences=True)],
    "gru": lambda: [recurrent("gru", 17)],
    "gru sequences": lambda: [recurrent("gru", 5, return_sequences=True)],
    "peepholes": lambda: [
        recurrent("lstm", 6, peepholes=True, recurrent_activation="hard_sigmoid")
    ],
    "reset before": lambda: [recurrent("gru", 6, reset_after=False, return_sequences=True)],
    "other activations": lambda: [
        vg.LSTM(6, "softsign", "hard_sigmoid", return_sequences=True),
        vg.GRU(5, "softsign", "softsign"),
    ],
    "learned": lambda: [recurrent("lstm", 5, initial_state="learned", return_sequences=True)],
    "backwards": lambda: [recurrent("lstm", 5, go_backwards=True)],
    "backwards sequences": lambda: [recurrent("gru", 5, go_backwards=True, return_sequences=True)],
    "both ways": lambda: [recurrent("lstm", 5, bidirectional=True)],
    "stack": lambda: [
        recurrent("gru", 7, bidirectional=True, return_sequences=True),
        vg.Dense(4),
        recurrent("lstm", 6, bidirectional=True, return_sequences=True),
        recurrent("rnn", 5),
    ],
}


@over_lengths
@pytest.mark.parametrize("layers", FLOWS.values(), ids=FLOWS)
def test_flow_through_time(layers, lengths):
    model = network([*layers(), vg.Dense(2)], (3,))
    rng = np.random.default_rng(7)
    values = model.state_dict()
    model.load_state_dict(  # peepholes and initial states away from 0
        {k: v + 0.3 * rng.normal(size=v.shape) * (not v.any()) for k, v in values.items()}
    )
    batch, times = 19, 6
    x = 3 * rng.normal(size=(batch, times, 3))  # into saturation
    y = rng.normal(size=(batch, times, 2) if model.session.gives_time else (batch, 2))
    valid = lengths_of(lengths, batch, times)
    flow = model.gradient_flow(x, y, lengths=valid)
    walks = unrolled(model, x, y, valid)
    assert list(flow.time) == [name for name in flow.layers if not name.startswith("dense")]
    for name, walk in walks.items():
        expected = walk.fields()
        got = {field: getattr(flow, field)[name][0] for field in expected}
        assert_close(got, expected, 1e-10)
        assert ("time_cell" in expected) == (name in flow.time_cell)
        column = flow.layers.index(name)
        h = walk.stacked[walk.valid].detach().numpy()
        shares = expected["time_saturated"] * walk.valid.sum(dim=0).numpy()[:, np.newaxis]
        flat_units = [
            torch.stack(s)[walk.valid.T] == 0 for s in walk.by_gate(lambda z, f: slopes(f, z))
        ]
        for field, value in {
            "delta": np.sqrt((expected["time_gate"] ** 2).sum()),
            "activation_mean": h.mean(),
            "activation_std": h.std(),
            "saturated": shares.mean(axis=1).sum() / len(h),
            "dead": torch.stack(flat_units).all(dim=(0, 1)).double().mean().item(),
        }.items():
            assert getattr(flow, field)[0, column] == pytest.approx(value, rel=1e-10), field


@over_kinds
def test_the_total_is_not_what_a_stacked_output_retains(kind):
    """With the target at the end alone, that is 0 before the last timestep, and the total is not."""
    model = network([recurrent(kind, 6, return_sequences=True), recurrent(kind, 6)], (3,))
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(9, 8, 3)), rng.normal(size=(9, 6))
    flow = model.gradient_flow(x, y)
    lower, upper = unrolled(model, x, y, None).values()
    (first, total), (_, last) = (list(field.items()) for field in (flow.time, flow.time_direct))
    direct = flow.time_direct[first[0]][0]
    np.testing.assert_allclose(direct, norms(lower.stacked.grad.unbind(dim=1)), rtol=1e-10)
    assert (np.abs(flow.time[first[0]][0] / direct - 1)[:-1] > 1e-3).all()
    np.testing.assert_allclose(norms(upper.stacked.grad.unbind(dim=1))[:-1], 0, atol=0)
    assert not last[1][0, :-1].any() and last[1][0, -1] == total[1][0, -1] > 0
    assert total[1][0, :-1].all()


# ---- Jacobians of states


CELLS = {
    **KINDS,
    "reset before": (vg.GRU, {"reset_after": False}),
    "peepholes": (vg.LSTM, {"peepholes": True}),
    "learned": (vg.LSTM, {"initial_state": "learned"}),
}


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("kind", CELLS)
def test_state_jacobian(kind, place, sequences):
    """dh_T/dh_{T-k}, where c_{T-k} of an LSTM is held fixed."""
    cls, options = CELLS[kind]
    layer = cls(5, return_sequences=sequences, bias_initializer="normal", **options)
    below = [recurrent("gru", 7, bidirectional=True, return_sequences=True)][:place]
    model = network([*below, layer], (3,))
    rng = np.random.default_rng(9)
    for name in {"weight_ci", "weight_cf", "weight_co", "initial_h", "initial_c"} & set(
        layer.views
    ):
        setattr(layer, name, rng.normal(size=5))
    x = rng.normal(size=(3, 6, 3))
    got = model.state_jacobian(x, layer.name, [0, 1, 4, 6])
    assert got.lags.tolist() == [0, 1, 4, 6]

    *lower, walk = unrolled(model, x, model.predict(x) + 1, None).values()
    inputs = torch.cat([each.output for each in lower], dim=-1).detach() if place else tensor(x)
    p = {name: tensor(view) for name, view in layer.views.items()}

    def last(h, rest, begin, sample):
        state = [h, *rest]
        for t in range(begin, 6):
            state, _ = step_of(layer, inputs[sample, t], state, p)
        return state[0]

    for sample, (column, lag) in itertools.product(range(3), enumerate(got.lags)):
        h, *rest = (each[sample].detach() for each in walk.before(6 - lag))
        matrix = torch.autograd.functional.jacobian(
            functools.partial(last, rest=rest, begin=6 - lag, sample=sample), h
        )
        for field, order in (("spectral", 2), ("frobenius", "fro")):
            expected = torch.linalg.matrix_norm(matrix, order).item()
            assert getattr(got, field)[sample, column] == pytest.approx(expected, rel=1e-10)
