"""Distributions of every kind of layer against the numbers that PyTorch's autograd has in float64."""

import numpy as np
import pytest
from counted import assert_counted

import vgcore as vg

torch = pytest.importorskip("torch")
nn = torch.nn.functional
torch.set_num_threads(1)

pytestmark = pytest.mark.parity
GATES = {vg.RNN: 1, vg.LSTM: 4, vg.GRU: 3}


@pytest.fixture(params=[1, 2], autouse=True)
def _threads(request):
    before = vg.get_num_threads()
    vg.set_num_threads(request.param)
    yield
    vg.set_num_threads(before)


def parameters_of(model):
    return {
        name: torch.tensor(np.asarray(value, float), requires_grad=True)
        for name, value in model.state_dict().items()
    }


def kept(tensor):
    tensor.retain_grad()
    return tensor


def check(model, x, y, columns, parameters, lengths=None):
    """columns: of each, the tensors whose gradients are delta, those that are h, both with the samples that
    count, and names of weights.
    """
    looks = [
        model.gradient_flow(x, y, lengths=lengths, distributions=True),
        vg.GradientFlow(distributions=True),
    ]
    before = {name: p.detach().numpy().copy() for name, p in parameters.items()}
    model.fit(x, y, lengths=lengths, batch_size=len(x), shuffle=False, track=looks[1])
    after = model.state_dict()
    for flow in looks:
        for name, (deltas, outputs, weights) in columns.items():
            assert_counted(flow, "delta", name, [t.grad.numpy()[alive] for t, alive in deltas])
            assert_counted(
                flow, "activation", name, [t.detach().numpy()[alive] for t, alive in outputs]
            )
            gradients = [parameters[weight].grad.numpy() for weight in weights]
            assert_counted(flow, "weight_grad", name, gradients)
            changes = [(after[w] - before[w]) / before[w] for w in weights]
            assert_counted(
                flow, "update_ratio", name, changes if flow is looks[1] else [], near=1e-7
            )


ALL = slice(None)


def walk(kind, p, layer, x, valid, suffix="", backwards=False):
    """One walk of a recurrent layer: h at every timestep, the last h, and z of each timestep's gates."""
    w_ih, w_hh = p[f"{layer}.weight_ih{suffix}"], p[f"{layer}.weight_hh{suffix}"]
    b_ih, b_hh = p[f"{layer}.bias_ih{suffix}"], p[f"{layer}.bias_hh{suffix}"]
    h = c = torch.zeros(len(x), w_hh.shape[1], dtype=float)
    steps, zs = {}, {}
    for t in range(x.shape[1])[:: -1 if backwards else 1]:
        from_x, from_h = x[:, t] @ w_ih.T + b_ih, h @ w_hh.T + b_hh
        if kind is vg.GRU:
            n = h.shape[1]
            gates = kept(from_x[:, : 2 * n] + from_h[:, : 2 * n])
            r, u = torch.sigmoid(gates).chunk(2, dim=1)
            candidate = kept(from_x[:, 2 * n :] + r * from_h[:, 2 * n :])
            new, cell, zs[t] = (1 - u) * torch.tanh(candidate) + u * h, c, [gates, candidate]
        elif kind is vg.LSTM:
            z = kept(from_x + from_h)
            i, f, g, o = z.chunk(4, dim=1)
            cell = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            new, zs[t] = torch.sigmoid(o) * torch.tanh(cell), [z]
        else:
            z = kept(from_x + from_h)
            new, cell, zs[t] = torch.tanh(z), c, [z]
        alive = valid[:, t, None]
        h, c = torch.where(alive, new, h), torch.where(alive, cell, c)
        steps[t] = h
    times = range(x.shape[1])
    column = (
        [(z, valid[:, t].numpy()) for t in times for z in zs[t]],
        [(steps[t], valid[:, t].numpy()) for t in times],
        [f"{layer}.weight_ih{suffix}", f"{layer}.weight_hh{suffix}"],
    )
    return torch.stack([steps[t] for t in times], dim=1), h, column


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("checkpoint", [None, 3])
@pytest.mark.parametrize("kind", GATES, ids=lambda kind: kind.__name__)
def test_recurrent_layers(kind, checkpoint, padded):
    rng = np.random.default_rng(0)
    layers = [kind(11, return_sequences=True), vg.Dense(6, "tanh"), kind(5), vg.Dense(2)]
    model = vg.Sequential(layers, input_shape=(None, 3), dtype="float64", seed=0)
    model.compile("mse", checkpoint=checkpoint)
    x, y = rng.normal(size=(21, 7, 3)), rng.normal(size=(21, 2))
    lengths = rng.integers(1, 8, 21) if padded else None
    p, valid = parameters_of(model), valid_of(x, lengths)
    name = kind.__name__.lower()
    columns = {}
    h, _, columns[f"{name}1"] = walk(kind, p, f"{name}1", torch.tensor(x), valid)
    z = kept(h @ p["dense1.weight"].T + p["dense1.bias"])
    h = torch.tanh(z)
    columns["dense1"] = [(z, valid.numpy())], [(h, valid.numpy())], ["dense1.weight"]
    _, last, columns[f"{name}2"] = walk(kind, p, f"{name}2", h, valid)
    out = kept(last @ p["dense2.weight"].T + p["dense2.bias"])
    columns["dense2"] = [(out, ALL)], [(out, ALL)], ["dense2.weight"]
    nn.mse_loss(out, torch.tensor(y)).backward()
    check(model, x, y, columns, p, lengths)


def valid_of(x, lengths):
    ends = np.full(len(x), x.shape[1]) if lengths is None else lengths
    return torch.tensor(np.arange(x.shape[1]) < ends[:, np.newaxis])


@pytest.mark.parametrize("kind", [vg.LSTM, vg.GRU], ids=lambda kind: kind.__name__)
def test_both_ways(kind):
    rng = np.random.default_rng(1)
    layers = [vg.Bidirectional(kind(7, return_sequences=True)), vg.Dense(2)]
    model = vg.Sequential(layers, input_shape=(None, 3), dtype="float64", seed=0)
    model.compile("mse")
    x, y, lengths = rng.normal(size=(19, 6, 3)), rng.normal(size=(19, 6, 2)), rng.integers(1, 7, 19)
    p, valid = parameters_of(model), valid_of(x, lengths)
    ahead, _, forward = walk(kind, p, "bidirectional1", torch.tensor(x), valid)
    back, _, backward = walk(kind, p, "bidirectional1", torch.tensor(x), valid, "_reverse", True)
    out = kept(torch.cat((ahead, back), dim=2) @ p["dense1.weight"].T + p["dense1.bias"])
    nn.mse_loss(out[valid], torch.tensor(y)[valid]).backward()
    alive = valid.numpy()
    columns = {
        "bidirectional1.forward": forward,
        "bidirectional1.backward": backward,
        "dense1": ([(out, alive)], [(out, alive)], ["dense1.weight"]),
    }
    check(model, x, y, columns, p, lengths)


def test_convolutions_and_norms():
    rng = np.random.default_rng(2)
    layers = [
        vg.Conv2d(5, 3, activation="tanh"),
        vg.BatchNorm("relu"),
        vg.Conv2d(4, 2, stride=2),
        vg.Flatten(),
        vg.Dense(3, "softmax"),
    ]
    model = vg.Sequential(layers, input_shape=(2, 8, 7), dtype="float64", seed=0)
    model.compile("sparse_categorical_crossentropy")
    x, y = rng.normal(size=(19, 2, 8, 7)), rng.integers(0, 3, 19)
    p = parameters_of(model)
    z1 = kept(nn.conv2d(torch.tensor(x), p["conv2d1.weight"], p["conv2d1.bias"]))
    h1 = torch.tanh(z1)
    z2 = kept(nn.batch_norm(h1, None, None, p["batchnorm1.weight"], p["batchnorm1.bias"], True))
    h2 = torch.relu(z2)
    z3 = kept(nn.conv2d(h2, p["conv2d2.weight"], p["conv2d2.bias"], stride=2))
    flat = kept(z3.reshape(len(x), -1) * 1.0)
    z4 = kept(flat @ p["dense1.weight"].T + p["dense1.bias"])
    nn.cross_entropy(z4, torch.tensor(y)).backward()
    columns = {
        "conv2d1": ([(z1, ALL)], [(h1, ALL)], ["conv2d1.weight"]),
        "batchnorm1": ([(z2, ALL)], [(h2, ALL)], ["batchnorm1.weight"]),
        "conv2d2": ([(z3, ALL)], [(z3, ALL)], ["conv2d2.weight"]),
        "flatten1": ([(flat, ALL)], [(flat, ALL)], []),
        "dense1": ([(z4, ALL)], [(torch.softmax(z4, dim=1), ALL)], ["dense1.weight"]),
    }
    check(model, x, y, columns, p)


def test_blocks_and_highways():
    rng = np.random.default_rng(3)
    layers = [
        vg.Dense(9, "tanh"),
        vg.Residual([vg.Dense(9, "tanh"), vg.Dense(9)], activation="relu"),
        vg.Highway("tanh"),
        vg.Dense(2),
    ]
    model = vg.Sequential(layers, input_shape=4, dtype="float64", seed=0)
    model.compile("mse")
    x, y = rng.normal(size=(37, 4)), rng.normal(size=(37, 2))
    p = parameters_of(model)

    def dense(name, h, gate=""):
        return kept(h @ p[f"{name}.weight{gate}"].T + p[f"{name}.bias{gate}"])

    z1 = dense("dense1", torch.tensor(x))
    h1 = torch.tanh(z1)
    z2 = dense("residual1.dense1", h1)
    z3 = dense("residual1.dense2", torch.tanh(z2))
    z4 = kept(z3 + h1)
    h4 = torch.relu(z4)
    g, t = dense("highway1", h4), dense("highway1", h4, "_gate")
    h5 = torch.sigmoid(t) * torch.tanh(g) + (1 - torch.sigmoid(t)) * h4
    out = dense("dense2", h5)
    nn.mse_loss(out, torch.tensor(y)).backward()
    columns = {
        "dense1": ([(z1, ALL)], [(h1, ALL)], ["dense1.weight"]),
        "residual1.dense1": ([(z2, ALL)], [(torch.tanh(z2), ALL)], ["residual1.dense1.weight"]),
        "residual1.dense2": ([(z3, ALL)], [(z3, ALL)], ["residual1.dense2.weight"]),
        "residual1": ([(z4, ALL)], [(h4, ALL)], []),
        "highway1": (
            [(g, ALL), (t, ALL)],
            [(h5, ALL)],
            ["highway1.weight", "highway1.weight_gate"],
        ),
        "dense2": ([(out, ALL)], [(out, ALL)], ["dense2.weight"]),
    }
    check(model, x, y, columns, p)
