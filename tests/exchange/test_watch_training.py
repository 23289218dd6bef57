"""A watched training is the same to the bit, and each step of it is one row, whatever the loop is like."""

import contextlib
import copy
import io
import math

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
from torch.utils.checkpoint import checkpoint  # noqa: E402
from watched_networks import X, Y, hooks, loss_of, network, samples, sgd, step  # noqa: E402

nn = torch.nn
torch.set_num_threads(1)

pytestmark = pytest.mark.parity


class Everything(nn.Module):
    """Attention, dropout everywhere, a recurrent stack, batch norm, an activation in place."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.rnn = nn.LSTM(16, 8, num_layers=2, batch_first=True, dropout=0.3)
        self.norm, self.head, self.drop = nn.BatchNorm1d(8), nn.Linear(8, 5), nn.Dropout(0.2)

    def forward(self, x, mask=None):
        h = self.encoder(self.embedding(x), src_key_padding_mask=mask)
        h = self.norm(self.rnn(h)[0][:, -1])
        return self.head(self.drop(nn.functional.relu(h, inplace=True)))


def train_everything(watched):
    """States, and what was put out on the way: by training, in evaluation, through PyTorch's fast way."""
    torch.manual_seed(0)
    module = Everything()
    optimizer = torch.optim.AdamW(module.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    x, y = torch.randint(20, (8, 6)), torch.randint(5, (8,))
    mask = torch.zeros(8, 6, dtype=torch.bool)
    mask[:4, 4:] = True
    told = []
    context = vg.exchange.watch(module, distributions=True) if watched else contextlib.nullcontext()
    with context as flow:
        for _ in range(3):
            module.train()
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(module(x, mask), y)
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), 0.5)
            optimizer.step()
            schedule.step()
            module.eval()
            with torch.no_grad():
                told += [loss.detach(), module(x, mask), module(x)]
            copy.deepcopy(module)(x).sum().backward()  # nothing of a copy is seen
            torch.save(module, io.BytesIO())
    return [*module.state_dict().values(), *told, torch.get_rng_state()], flow


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_results_are_the_same_to_the_bit():
    before = hooks()
    plain, _ = train_everything(watched=False)
    seen, flow = train_everything(watched=True)
    assert hooks() == before
    for one, other in zip(plain, seen, strict=True):
        assert torch.equal(one, other)
    assert flow.step.tolist() == [0, 1, 2]
    assert np.isfinite(flow.delta).all() and np.isfinite(flow.update_ratio).all()
    assert np.isfinite(flow.loss).all()


def test_fields_by_hand():
    module, twin = network(), network()
    watching = vg.exchange.watch(module)
    optimizer = sgd(module)
    with watching as flow:
        optimizer.zero_grad()
        loss_of(module).backward()
        nn.utils.clip_grad_norm_(module.parameters(), 0.01)
        optimizer.step()
        assert len(flow) == 1  # at once
    z = twin[0](X)
    out = twin[2](torch.tanh(z))
    for tensor in (z, out):
        tensor.retain_grad()
    nn.functional.mse_loss(out, Y).backward()
    np.testing.assert_allclose(flow.delta[0], [z.grad.norm(), out.grad.norm()], rtol=1e-12)
    gradients = [p.grad for p in twin.parameters()]
    norm = math.sqrt(sum(float(g.norm()) ** 2 for g in gradients))
    weights = np.array([float(gradients[0].norm()), float(gradients[2].norm())])
    sizes = np.array([twin[place].weight.detach().norm() for place in (0, 2)])
    np.testing.assert_allclose(flow.weight_grad[0], weights, rtol=1e-12)
    np.testing.assert_allclose(flow.weight_grad_applied[0], weights * 0.01 / norm, rtol=1e-3)
    np.testing.assert_allclose(flow.weight_norm[0], sizes, rtol=1e-12)
    wanted = 0.1 * flow.weight_grad_applied[0] / sizes
    np.testing.assert_allclose(flow.update_ratio[0], wanted, rtol=1e-10)


def test_accumulated_gradients_are_of_the_whole_batch():
    whole, parts = network(), network()
    with vg.exchange.watch(whole, distributions=True) as one:
        for optimizer in [sgd(whole)] * 3:
            step(whole, optimizer)
    optimizer = sgd(parts)
    with vg.exchange.watch(parts, distributions=True) as other:
        for _ in range(3):
            optimizer.zero_grad()
            for rows in (slice(0, 3), slice(3, 10), slice(10, 16)):
                share = len(X[rows]) / len(X)
                (loss_of(parts, X[rows], Y[rows]) * share).backward()
            optimizer.step()
    for name in ("step", "loss", *vg.flow.FIELDS):
        np.testing.assert_allclose(
            getattr(other, name), getattr(one, name), rtol=1e-10, err_msg=name
        )
    for name in ("delta", "activation"):
        totals = [flow.distribution(name).total for flow in (one, other)]
        np.testing.assert_array_equal(*totals)


def test_a_step_that_is_left_out_is_a_row_without_an_update():
    module = network(dtype=torch.float32)
    x, y = samples(torch.float32)
    optimizer, scaler = sgd(module), torch.amp.GradScaler("cpu", init_scale=1024.0)
    with vg.exchange.watch(module) as flow:
        for number in range(4):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(module, x, y) * (math.inf if number == 1 else 1)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    assert flow.step.tolist() == [0, 1, 1, 2]
    applied = ~np.isnan(flow.update_ratio[:, 0])
    assert applied.tolist() == [True, False, True, True]
    ratio = flow.weight_grad[0] / flow.weight_grad_applied[0]
    np.testing.assert_allclose(ratio, 1024, rtol=1e-5)  # as gradients come, and as they are applied


def test_shared_modules_count_as_one():
    torch.manual_seed(0)
    layer = nn.Linear(4, 4).double()
    module = nn.Sequential(layer, nn.Tanh(), layer)
    with vg.exchange.watch(module) as flow:
        first = layer(X)
        second = layer(torch.tanh(first))
        first.retain_grad()
        second.retain_grad()
        second.square().sum().backward()
    assert flow.layers == ["0"]
    wanted = math.hypot(first.grad.norm(), second.grad.norm())
    np.testing.assert_allclose(flow.delta[0, 0], wanted, rtol=1e-12)
    outputs = torch.cat([torch.tanh(first), second]).detach()
    np.testing.assert_allclose(flow.activation_mean[0, 0], outputs.mean(), rtol=1e-12)
    assert np.isnan(flow.update_ratio).all()


def test_frozen_parameters():
    module = network()
    module[0].requires_grad_(False)
    optimizer = torch.optim.SGD([*module[2].parameters()], 0.1)
    with vg.exchange.watch(module) as flow:
        step(module, optimizer)
    assert np.isnan(flow.delta[0, 0]) and np.isnan(flow.weight_grad[0, 0])
    assert np.isnan(flow.update_ratio[0, 0])
    assert flow.weight_norm[0, 0] == pytest.approx(float(module[0].weight.detach().norm()))
    h = torch.tanh(module[0](X))
    assert flow.activation_mean[0, 0] == pytest.approx(float(h.detach().mean()))
    assert np.isfinite([flow.delta[0, 1], flow.update_ratio[0, 1]]).all()


def test_two_optimizers_make_one_step():
    module = network()
    both = torch.optim.SGD(module[0].parameters(), 0.1), torch.optim.Adam(module[2].parameters())
    with vg.exchange.watch(module) as flow:
        for _ in range(3):
            for optimizer in both:
                optimizer.zero_grad()
            loss_of(module).backward()
            for optimizer in both:
                optimizer.step()
    assert flow.step.tolist() == [0, 1, 2]
    assert np.isfinite(flow.update_ratio).all()


def test_an_optimizer_of_some_parameters():
    module = network()
    optimizer = torch.optim.SGD(module[2].parameters(), 0.1)
    with vg.exchange.watch(module) as flow:
        for _ in range(3):
            module.zero_grad()
            loss_of(module).backward()
            optimizer.step()
    assert flow.step.tolist() == [0, 1, 2]
    assert np.isnan(flow.update_ratio[:, 0]).all() and np.isfinite(flow.update_ratio[:, 1]).all()


def test_closures():
    plain, module = network(), network()
    with vg.exchange.watch(plain) as wanted:
        optimizer = sgd(plain)
        for _ in range(3):
            step(plain, optimizer)
    optimizer = sgd(module)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(module)
        loss.backward()
        return loss

    with vg.exchange.watch(module) as flow:
        for _ in range(3):
            optimizer.step(closure)
    for name in ("step", "loss", *vg.flow.FIELDS):
        np.testing.assert_array_equal(getattr(flow, name), getattr(wanted, name), err_msg=name)


def test_evaluations_of_lbfgs_are_rows():
    module = network()
    optimizer = torch.optim.LBFGS(module.parameters(), max_iter=3)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(module)
        loss.backward()
        return loss

    with vg.exchange.watch(module) as flow:
        for _ in range(2):
            optimizer.step(closure)
    assert set(flow.step) == {0, 1}
    applied = ~np.isnan(flow.update_ratio[:, 0])
    assert applied.sum() == 2 and applied[-1]


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints(reentrant):
    module, twin = network(), network()
    with vg.exchange.watch(twin) as wanted:
        step(twin, sgd(twin))
    optimizer = sgd(module)
    with vg.exchange.watch(module) as flow:
        x = X.clone().requires_grad_()
        out = checkpoint(module, x, use_reentrant=reentrant)
        nn.functional.mse_loss(out, Y).backward()
        optimizer.step()
    names = ["delta", "weight_grad", "update_ratio"]
    if reentrant:  # its first pass has no gradient, and its second happens inside backward
        assert np.isnan(flow.activation_mean).all()
    else:
        names += ["activation_mean", "saturated"]
    for name in names:
        np.testing.assert_allclose(getattr(flow, name), getattr(wanted, name), rtol=1e-12)


def test_backward_that_is_not_called_on_the_loss():
    module = network()
    optimizer = sgd(module)
    watching = vg.exchange.watch(module)
    with watching as flow:
        for number in range(3):
            optimizer.zero_grad()
            torch.autograd.backward(loss_of(module))
            if number:
                watching.loss(torch.tensor(float(number)))
            optimizer.step()
    assert flow.step.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(flow.loss, [np.nan, 1, 2])
    with pytest.raises(RuntimeError, match="inside the context"):
        watching.loss(1.0)
    with watching, pytest.raises(TypeError, match="value: expected a number"):
        watching.loss("small")


def test_some_steps_alone():
    module = network()
    optimizer = sgd(module)
    with vg.exchange.watch(module) as whole:
        twin = copy.deepcopy(module)
        for _ in range(7):
            step(module, optimizer)
    optimizer = sgd(twin)
    with vg.exchange.watch(twin, every=3, distributions=6) as flow:
        for _ in range(7):
            step(twin, optimizer)
    assert flow.step.tolist() == [0, 3, 6]
    assert flow.distribution().step.tolist() == [0, 6]
    for name in ("loss", *vg.flow.FIELDS):
        np.testing.assert_array_equal(getattr(flow, name), getattr(whole, name)[::3])


def test_a_record_goes_on():
    module = network()
    optimizer = sgd(module)
    flow = vg.GradientFlow(every=2)
    for _ in range(3):
        with vg.exchange.watch(module, flow) as same:
            step(module, optimizer)
        assert same is flow
    assert flow.step.tolist() == [0, 2]
    with pytest.raises(ValueError, match="flow: expected a tracker of this model"):
        vg.exchange.watch(network(), flow).__enter__()
    with vg.exchange.watch(module) as fresh:
        step(module, optimizer)
    assert fresh.step.tolist() == [0]


def test_an_exception_takes_every_hook_away():
    module, before = network(), hooks()
    flow = vg.GradientFlow()

    def fail():
        with vg.exchange.watch(module, flow):
            step(module, sgd(module))
            loss_of(module).backward()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert hooks() == before
    assert not any(p._post_accumulate_grad_hooks for p in module.parameters())
    assert not flow.recording
    rows = len(flow)
    step(module, sgd(module))
    assert len(flow) == rows == 2  # the second had no update


def test_a_module_that_fails_in_evaluation():
    """The fast way is left again, too."""

    class Failing(nn.TransformerEncoderLayer):
        def forward(self, x):
            raise ZeroDivisionError

    module = nn.Sequential(Failing(8, 2, 8, batch_first=True), nn.Linear(8, 2))
    before = hooks()
    with vg.exchange.watch(module):
        inside = hooks()
        with torch.no_grad(), pytest.raises(ZeroDivisionError):
            module.eval()(torch.zeros(1, 2, 8))
        assert hooks() == inside
    assert hooks() == before


def test_inside_of_modules_and_names():
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))
            self.inner = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))

        def forward(self, x):
            return self.inner(x) * self.scale

    module = Whole()
    x = torch.randn(5, 4)
    with vg.exchange.watch(module) as flow:
        module(x).square().sum().backward()
    assert flow.layers == ["whole", "inner"]
    assert np.isnan(flow.delta[0, 0]) and flow.weight_grad[0, 0] > 0
    assert flow.delta[0, 1] > 0 and flow.weight_grad[0, 1] > 0
    assert flow.bias_grad[0, 1] == pytest.approx(float(module.inner.bias.grad.norm()))
    with vg.exchange.watch(nn.Linear(4, 2)) as flow:
        assert flow.layers == ["linear"]


def test_a_skip_that_is_added_in_place_is_not_the_layers_output():
    torch.manual_seed(0)
    layer = nn.Linear(4, 4).double()
    with vg.exchange.watch(layer) as flow:
        z = layer(X)
        wanted = float(z.detach().mean())
        z += X
        nn.functional.relu(z).sum().backward()
    assert flow.activation_mean[0, 0] == pytest.approx(wanted, rel=1e-12)
    assert flow.saturated[0, 0] == 0


def test_half_precision_through_time():
    torch.manual_seed(0)
    rnn = nn.LSTM(4, 6)
    x, _ = samples(torch.float32)
    flows = []
    for half in (False, True):
        with (
            vg.exchange.watch(rnn) as flow,
            torch.autocast("cpu", torch.bfloat16, enabled=half),
        ):
            rnn(x[None].expand(5, -1, -1))[0].float().square().sum().backward()
        flows.append(flow)
    one, other = (flow.time["lstm"] for flow in flows)
    np.testing.assert_allclose(other, one, rtol=0.02)


def test_prelu_and_sparse_gradients():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Embedding(5, 3, sparse=True), nn.Linear(3, 3), nn.PReLU())
    with vg.exchange.watch(module, distributions=True) as flow:
        module(torch.tensor([0, 1, 1])).sum().backward()
    assert flow.layers == ["0", "1", "2"]
    assert flow.delta[0, 1] == flow.delta[0, 2]  # PReLU's z is its input
    dense = module[0].weight.grad.to_dense()
    assert flow.weight_grad[0, 0] == pytest.approx(float(dense.norm()))
    assert np.isnan(flow.saturated[0, [0, 2]]).all()


@pytest.mark.parametrize("size", [1e-180, 1e180])
def test_norms_neither_overflow_nor_underflow(size):
    module = nn.Linear(4, 2).double()
    with vg.exchange.watch(module) as flow:
        (module(X) * size).sum().backward()
    assert flow.delta[0, 0] == pytest.approx(size * math.sqrt(32), rel=1e-12)


class TestRefusals:
    def test_no_module(self):
        with pytest.raises(TypeError, match=r"module: expected a torch\.nn\.Module, got 3"):
            vg.exchange.watch(3)

    def test_no_parameters(self):
        with pytest.raises(ValueError, match="module: expected one with parameters"):
            vg.exchange.watch(nn.ReLU())

    def test_lazy(self):
        with pytest.raises(ValueError, match="module: 0: expected parameters that have shapes"):
            vg.exchange.watch(nn.Sequential(nn.LazyLinear(3)))

    def test_parallel(self):
        with pytest.raises(TypeError, match="by itself, got DataParallel"):
            vg.exchange.watch(nn.DataParallel(network()))

    def test_compiled(self):
        with pytest.raises(TypeError, match="not compiled"):
            vg.exchange.watch(torch.compile(network(), backend="eager"))
        module = network()
        module[0].compile(backend="eager")
        with pytest.raises(TypeError, match="module: 0: expected a module that is not compiled"):
            vg.exchange.watch(module)

    @pytest.mark.filterwarnings("ignore:Using `torch.compile")
    def test_compiled_inside(self):
        module, before = network(), hooks()
        with (
            pytest.raises(TypeError, match=r"torch\.compile has changed"),
            vg.exchange.watch(module),
        ):
            torch.compile(module, backend="eager")(X)
        assert hooks() == before

    def test_flow(self):
        module = network()
        with pytest.raises(TypeError, match="flow: expected a GradientFlow or None"):
            vg.exchange.watch(module, [])
        with pytest.raises(ValueError, match="every and distributions, got both"):
            vg.exchange.watch(module, vg.GradientFlow(), every=2)
        with pytest.raises(ValueError, match="without units"):
            vg.exchange.watch(module, vg.GradientFlow(units=True))
        other = vg.GradientFlow()
        other.declare(["a"])
        other.add(0)
        with pytest.raises(ValueError, match="flow: expected a tracker of the layers 0, 2"):
            vg.exchange.watch(module, other).__enter__()

    def test_entered_twice(self):
        watching = vg.exchange.watch(network())
        with watching, pytest.raises(RuntimeError, match="not been entered"):
            watching.__enter__()
        with watching:  # again, but not at once
            pass


@pytest.mark.parametrize("x", [torch.randn(6, 2, 9), torch.randn(2, 9)], ids=["batch", "alone"])
def test_units_of_convolutions_are_channels(x):
    module = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU())
    with torch.no_grad():
        module[0].bias[0] = -100.0
    with vg.exchange.watch(module) as flow:
        module(x).sum().backward()
    assert flow.dead[0, 0] == 0.25
