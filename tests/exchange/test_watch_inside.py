"""Timesteps, against cells that are unrolled by hand, and the two ways through a transformer's blocks."""

import warnings

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
nn = torch.nn
torch.set_num_threads(1)

pytestmark = pytest.mark.parity
N, T, IN, UNITS = 4, 6, 3, 5


def unrolled(rnn, x, states):
    """Outputs and end states of PyTorch's own cells, and h_t and c_t, whose gradients are kept."""
    kept = []
    sequence = list(x.unbind(0))
    ends = []
    for number in range(rnn.num_layers):
        cell = getattr(nn, f"{type(rnn).__name__}Cell")(len(sequence[0][0]), UNITS, bias=rnn.bias)
        for name, _ in list(cell.named_parameters()):
            setattr(cell, name, getattr(rnn, f"{name}_l{number}"))
        state = tuple(each[number] for each in states)
        nodes = []
        for x_t in sequence:
            state = cell(x_t, state if len(state) > 1 else state[0])
            state = state if isinstance(state, tuple) else (state,)
            up = state[0].clone()
            for each in (*state, up):
                each.retain_grad()
            nodes.append((*state, up))
        kept.append(nodes)
        sequence = [node[-1] for node in nodes]
        ends.append((nodes[-1][-1], *state[1:]))
    return torch.stack(sequence), tuple(map(torch.stack, zip(*ends, strict=True))), kept


def norms(tensors):
    return [0.0 if each.grad is None else float(each.grad.norm()) for each in tensors]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_states_that_are_given_and_used(kind, bias):
    """The loss is of outputs, last hidden and last cell states; first states are given."""
    torch.manual_seed(0)
    rnn = getattr(nn, kind)(IN, UNITS, num_layers=2, bias=bias).double()
    count = 2 if kind == "LSTM" else 1
    x, weight = torch.randn(T, N, IN).double(), torch.randn(T, N, UNITS).double()
    states = tuple(torch.randn(2, N, UNITS).double() for _ in range(count))

    def loss_of(output, ends):
        return (output * weight).sum() + sum(end.square().sum() * 0.3 for end in ends)

    with vg.exchange.watch(rnn) as flow:
        output, ends = rnn(x, hx=states if count > 1 else states[0])
        loss_of(output, ends if count > 1 else (ends,)).backward()
    assert flow.layers == [f"{kind.lower()}.0", f"{kind.lower()}.1"]
    output, ends, kept = unrolled(rnn, x, states)
    loss_of(output, ends).backward()
    for name, nodes in zip(flow.layers, kept, strict=True):
        total, *cells, direct = zip(*nodes, strict=True)
        np.testing.assert_allclose(flow.time[name][0], norms(total), rtol=1e-10)
        np.testing.assert_allclose(flow.time_direct[name][0], norms(direct), rtol=1e-10)
        if cells:
            np.testing.assert_allclose(flow.time_cell[name][0], norms(cells[0]), rtol=1e-10)


@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"batch_first": True}], ids=str)
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_dropout_between_layers_is_repeated(kind, options, monkeypatch):
    """dL/dz sums up to the gradient of the biases that PyTorch has, with its masks."""
    from vgcore.exchange.watching import recurrent

    told, rerun = [], recurrent.rerun
    monkeypatch.setattr(recurrent, "rerun", lambda *given: told.append(rerun(*given)) or told[-1])
    torch.manual_seed(0)
    rnn = getattr(nn, kind)(IN, UNITS, num_layers=3, dropout=0.4, **options).double()
    x = torch.randn(N, T, IN).double()
    with vg.exchange.watch(rnn) as flow:
        rnn(x)[0].square().sum().backward()
    assert np.isfinite(flow.delta).all()
    (walks,) = told
    suffixes = ("", "_reverse") if rnn.bidirectional else ("",)
    biases = [getattr(rnn, f"bias_ih_l{n}{s}").grad for n in range(3) for s in suffixes]
    rows = sum(walks[0].rows)
    for walked, bias in zip(walks, biases, strict=True):
        sums = []
        if kind == "GRU":  # r and z, then n, of each timestep
            deltas = walked.deltas
            for n in walked.rows:
                rz, g, deltas = deltas.split(
                    [n * 2 * UNITS, n * UNITS, len(deltas) - n * 3 * UNITS]
                )
                sums.append(torch.cat([rz.reshape(n, -1).sum(0), g.reshape(n, -1).sum(0)]))
            sums = torch.stack(sums).sum(0)
        else:
            sums = walked.deltas.reshape(rows, -1).sum(0)
        torch.testing.assert_close(sums, bias, rtol=1e-10, atol=1e-12)


def test_dropout_that_cannot_be_repeated_is_said(monkeypatch):
    from vgcore.exchange.watching import listening

    monkeypatch.setattr(listening.torch, "get_rng_state", torch.Generator().get_state)
    rnn = nn.LSTM(IN, UNITS, num_layers=2, dropout=0.5)
    with (
        pytest.warns(UserWarning, match="dropout between layers cannot be repeated"),
        vg.exchange.watch(rnn) as flow,
    ):
        rnn(torch.randn(T, N, IN))[0].sum().backward()
    assert np.isnan(flow.delta).all() and np.isfinite(flow.weight_grad).all()
    assert flow.time["lstm.0"].shape == (1, 0)


def test_a_projection():
    """Outputs have fewer numbers than gates; dL/dz sums up to the gradient of the biases."""
    torch.manual_seed(0)
    rnn = nn.LSTM(IN, UNITS, proj_size=2).double()
    with vg.exchange.watch(rnn) as flow:
        out = rnn(torch.randn(T, N, IN).double())[0]
        out.square().sum().backward()
    assert flow.activation_mean[0, 0] == pytest.approx(float(out.detach().mean()), rel=1e-12)
    last = 2 * out[-1].detach().norm()
    assert flow.time["lstm"][0, -1] == pytest.approx(float(last), rel=1e-12)
    assert flow.time_gate["lstm"].shape == (1, T, 4)
    assert 0 <= flow.saturated[0, 0] < 1


def test_one_sequence_without_a_batch():
    torch.manual_seed(0)
    rnn = nn.GRU(IN, UNITS, batch_first=True).double()
    x = torch.randn(T, IN).double()
    flows = []
    for given in (x, x[None]):
        with vg.exchange.watch(rnn) as flow:
            rnn(given)[0].square().sum().backward()
        flows.append(flow)
    for name in vg.flow.TIME_FIELDS[:2]:
        one, other = (getattr(flow, name)["gru"] for flow in flows)
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_sequences_of_other_lengths_in_one_step():
    torch.manual_seed(0)
    rnn = nn.RNN(IN, UNITS).double()
    with vg.exchange.watch(rnn) as flow:
        for times in (6, 3):
            rnn(torch.randn(times, N, IN).double())[0].square().sum().backward()
    alone = []
    torch.manual_seed(0)
    rnn = nn.RNN(IN, UNITS).double()
    for times in (6, 3):
        with vg.exchange.watch(rnn) as each:
            rnn(torch.randn(times, N, IN).double())[0].square().sum().backward()
        alone.append(np.pad(each.time["rnn"][0], (0, 6 - times)))
    np.testing.assert_allclose(flow.time["rnn"][0], np.hypot(*alone), rtol=1e-12)


@pytest.mark.parametrize("before", [False, True], ids=["norm last", "norm first"])
def test_skip_and_body_of_a_transformer(before):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(
        8, 2, 16, dropout=0.0, batch_first=True, norm_first=before, dtype=torch.float64
    )
    net = nn.Sequential(nn.Linear(3, 8).double(), layer, nn.Linear(8, 2).double())
    data = torch.randn(4, 5, 3).double()
    with vg.exchange.watch(net) as flow:
        net(data).square().sum().backward()

    def body(x):
        """Of attention; of the MLP."""
        return layer.self_attn(x, x, x, need_weights=False)[0]

    def mlp(x):
        return layer.linear2(torch.relu(layer.linear1(x)))

    x = net[0](data)
    if before:
        middle = x + body(layer.norm1(x))
        out = total = middle + mlp(layer.norm2(middle))
        sums = (middle, total)
    else:
        first = x + body(x)
        middle = layer.norm1(first)
        second = middle + mlp(middle)
        out = layer.norm2(second)
        sums = (first, second)
    wanted = [x, middle, *sums]
    gradients = torch.autograd.grad(net[2](out).square().sum(), wanted)
    at = [flow.layers.index(f"1.{name}") for name in ("self_attn", "linear2")]
    for place, whole, skip in zip(at, gradients[:2], gradients[2:], strict=True):
        assert flow.delta_skip[0, place] == pytest.approx(float(skip.norm()), rel=1e-10)
        assert flow.delta_body[0, place] == pytest.approx(float((whole - skip).norm()), rel=1e-10)
    others = np.delete(flow.delta_skip[0], at)
    assert np.isnan(others).all()
    attention = flow.layers.index("1.self_attn")
    grads = [layer.self_attn.in_proj_weight.grad, layer.self_attn.out_proj.weight.grad]
    norm = np.hypot(*(float(g.norm()) for g in grads))
    assert flow.weight_grad[0, attention] == pytest.approx(norm, rel=1e-12)


def test_all_that_is_made_of_a_record(tmp_path):
    """Pictures, a diagnosis and a report are as of any other."""
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    torch.manual_seed(0)
    rnn, head = nn.RNN(1, 12, num_layers=2, batch_first=True), nn.Linear(12, 1)
    net = nn.Sequential()
    net.rnn, net.head = rnn, head
    x, y = torch.randn(16, 30, 1), torch.randn(16, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    with vg.exchange.watch(net, distributions=True) as flow:
        for _ in range(12):
            optimizer.zero_grad()
            nn.functional.mse_loss(head(rnn(x)[0][:, -1]), y).backward()
            optimizer.step()
    symptoms = [finding.symptom for finding in flow.diagnose().findings]
    assert "vanishing_through_time" in symptoms
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flow.plot().figure.savefig(tmp_path / "flow.png")
        flow.plot_time().savefig(tmp_path / "time.png")
        vg.report(tmp_path / "run.html", flow=flow, diagnosis=flow.diagnose())
    pyplot.close("all")
    assert (tmp_path / "run.html").stat().st_size > 10_000
    flow.save(tmp_path / "flow.npz")
    again = vg.GradientFlow.load(tmp_path / "flow.npz")
    with vg.exchange.watch(net, again):
        nn.functional.mse_loss(head(rnn(x)[0][:, -1]), y).backward()
        optimizer.step()
    assert again.step.tolist() == list(range(13))
