"""Which backward passes make a row, and what several of them through one graph are together."""

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
from watched_networks import X, Y, loss_of, network, sgd, step  # noqa: E402

nn = torch.nn
torch.set_num_threads(1)

pytestmark = pytest.mark.parity


def assert_same(one, other, names=("step", "loss", *vg.flow.FIELDS), **tolerance):
    for name in names:
        wanted, found = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(found, wanted, err_msg=name, **(tolerance or {"rtol": 1e-12}))


def ask(loss, x):
    return torch.autograd.grad(loss, x)[0]


def write(loss, x):
    loss.backward(inputs=[x])
    return x.grad


def write_by_function(loss, x):
    torch.autograd.backward(loss, inputs=[x])
    return x.grad


@pytest.mark.parametrize("gradient", [ask, write, write_by_function])
def test_gradients_of_inputs_are_no_step(gradient):
    """A training on adversarial samples, and a saliency map behind each step."""
    module, twin = network(), network()
    module[0].bias.requires_grad_(False)
    twin[0].bias.requires_grad_(False)
    optimizer, other = sgd(module), sgd(twin)
    wanted, flow = vg.GradientFlow(every=2), vg.GradientFlow(every=2)
    for _ in range(3):
        x = X.clone().requires_grad_()
        found = (x + 0.1 * ask(loss_of(twin, x), x).sign()).detach()
        with vg.exchange.watch(twin, wanted):
            other.zero_grad()
            loss_of(twin, found).backward()
            other.step()
    with vg.exchange.watch(module, flow):
        for _ in range(3):
            x = X.clone().requires_grad_()
            found = (x + 0.1 * gradient(loss_of(module, x), x).sign()).detach()
            optimizer.zero_grad()
            loss_of(module, found).backward()
            optimizer.step()
            x = X.clone().requires_grad_()
            gradient(module(x).sum(), x)
    assert flow.step.tolist() == [0, 2]
    assert_same(wanted, flow)


def test_a_penalty_of_gradients():
    """The loss has gradients in it: dL/dz is what comes to z by both ways."""
    module, twin = network(), network()

    def penalized(net):
        x = X.clone().requires_grad_()
        z = net[0](x)
        out = net[2](torch.tanh(z))
        (gradient,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        return (out - Y).square().mean() + (gradient.norm(dim=1) - 1).square().mean(), z, out

    optimizer = sgd(module)
    with vg.exchange.watch(module) as flow:
        optimizer.zero_grad()
        penalized(module)[0].backward()
        optimizer.step()
    loss, z, out = penalized(twin)
    norms = [each.norm() for each in torch.autograd.grad(loss, [z, out])]
    assert flow.step.tolist() == [0] and flow.loss[0] == loss.item()
    np.testing.assert_allclose(flow.delta[0], norms, rtol=1e-12)
    means = [torch.tanh(z).detach().mean(), out.detach().mean()]
    np.testing.assert_allclose(flow.activation_mean[0], means, rtol=1e-12)


def test_gradients_that_are_written_by_hand():
    """They are asked for, from two losses here, and come to the optimizer."""
    module, twin = network(), network()
    with vg.exchange.watch(twin) as wanted:
        for optimizer in [sgd(twin)] * 2:
            step(twin, optimizer)
    optimizer, parameters = sgd(module), list(module.parameters())
    with vg.exchange.watch(module) as flow:
        for _ in range(2):
            out = module(X)
            losses = [(out - Y)[:, place].square().mean() / 2 for place in (0, 1)]
            parts = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in losses]
            for parameter, *some in zip(parameters, *parts, strict=True):
                parameter.grad = sum(some)
            optimizer.step()
    names = ["step", "delta", "activation_mean", "weight_grad_applied", "update_ratio"]
    assert_same(wanted, flow, names)
    assert np.isnan(flow.weight_grad).all() and np.isnan(flow.loss).all()


def test_gradients_that_are_asked_for_before_the_step():
    """Those of the pass that writes are the step's."""
    module, twin = network(), network()
    with vg.exchange.watch(twin) as wanted:
        step(twin, sgd(twin))
    with vg.exchange.watch(module) as flow:
        torch.autograd.grad(loss_of(module), list(module.parameters()))
        step(module, sgd(module))
    assert_same(wanted, flow)


class Both(nn.Module):
    """A layer of each kind whose gradient is told in its own way, and two losses of it."""

    def __init__(self):
        super().__init__()
        self.hidden, self.head = nn.Linear(4, 8), nn.Linear(8, 1)
        self.block = nn.TransformerEncoderLayer(8, 2, 8, dropout=0.0, batch_first=True)
        self.rnn = nn.LSTM(8, 8, num_layers=2, batch_first=True)
        self.double()

    def forward(self, x):
        h, ends = self.rnn(self.block(torch.tanh(self.hidden(x)[:, None] + x.new_zeros(5, 8))))
        out = self.head(h[:, -1])
        return out.square().mean(), out.sum() + ends[1].square().sum()


def together(module):
    first, second = module()
    (first + second).backward()


def method(module):
    first, second = module()
    first.backward(retain_graph=True)
    second.backward()


def function(module):
    first, second = module()
    torch.autograd.backward(first, retain_graph=True)
    torch.autograd.backward(second)


@pytest.mark.parametrize("closure", [False, True])
@pytest.mark.parametrize("backward", [method, function])
def test_two_losses_of_one_pass(backward, closure):
    """The gradient of z is the sum of theirs, as PyTorch's own retain_grad has it."""
    flows = []
    for way in (together, backward):
        torch.manual_seed(0)
        module = Both()
        optimizer = sgd(module, 0.01)

        def evaluate(way=way, module=module, optimizer=optimizer):
            optimizer.zero_grad()
            way(lambda: module(X))

        with vg.exchange.watch(module) as flow:
            for _ in range(2):
                if closure:
                    optimizer.step(evaluate)
                else:
                    evaluate()
                    optimizer.step()
        flows.append(flow)
    wanted, flow = flows
    assert_same(wanted, flow, ["step", *vg.flow.FIELDS], rtol=1e-9)
    for name in vg.flow.TIME_FIELDS:
        for layer, values in getattr(wanted, name).items():
            np.testing.assert_allclose(getattr(flow, name)[layer], values, rtol=1e-9, err_msg=name)


class Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise ZeroDivisionError


@pytest.mark.parametrize("wrote", [True, False])
@pytest.mark.parametrize("backward", [torch.Tensor.backward, torch.autograd.backward])
def test_a_backward_pass_that_fails(backward, wrote):
    module, twin = network(), network()
    for each in (module, twin):
        each[2].requires_grad_(wrote)
    with vg.exchange.watch(twin) as wanted:
        step(twin, sgd(twin))
    optimizer = sgd(module)
    with vg.exchange.watch(module) as flow:
        with pytest.raises(ZeroDivisionError):
            backward(module[2](Fails.apply(module[1](module[0](X)))).sum())
        optimizer.zero_grad()
        backward(loss_of(module))
        optimizer.step()
    assert flow.step.tolist() == [0] * (1 + wrote)  # the first may have written to the last layer
    assert_same(wanted[-1], flow[-1], ["delta", "weight_grad", "update_ratio"])


class TestStepsInBackward:
    """An optimizer for each parameter, which steps as soon as the gradient is there."""

    @pytest.fixture(params=[True, False], ids=["none", "zero"])
    def optimized(self, request):
        def optimized(module):
            optimizers = {p: torch.optim.Adam([p], 0.01) for p in module.parameters()}

            def hook(parameter):
                parameter.grad.mul_(0.5)
                optimizers[parameter].step()
                optimizers[parameter].zero_grad(set_to_none=request.param)

            for parameter in module.parameters():
                parameter.register_post_accumulate_grad_hook(hook)

        return optimized

    @pytest.mark.parametrize("backward", [torch.Tensor.backward, torch.autograd.backward])
    def test_rows(self, optimized, backward):
        module, twin = Both(), Both()
        module.load_state_dict(twin.state_dict())
        optimizer = torch.optim.Adam(twin.parameters(), 0.01)
        with vg.exchange.watch(twin) as wanted:
            for _ in range(3):
                optimizer.zero_grad()
                twin(X)[0].backward()
                for parameter in twin.parameters():
                    parameter.grad.mul_(0.5)
                optimizer.step()
        optimized(module)
        with vg.exchange.watch(module) as flow:
            for number in range(3):
                backward(module(X)[0])
                assert len(flow) == number + 1  # at once
        for one, other in zip(twin.parameters(), module.parameters(), strict=True):
            assert torch.equal(one, other)
        names = ["step", *vg.flow.FIELDS]
        assert_same(wanted, flow, names, rtol=1e-9)
        for name, values in wanted.time.items():
            np.testing.assert_allclose(flow.time[name], values, rtol=1e-9)
        if backward is torch.Tensor.backward:
            np.testing.assert_array_equal(flow.loss, wanted.loss)


def test_layers_that_begin_to_learn_and_cease():
    module, twin = network(), network()
    module[0].requires_grad_(False)
    optimizer = sgd(module)
    with vg.exchange.watch(module) as flow:
        for number in range(5):
            module[0].requires_grad_(0 < number < 4)
            step(module, optimizer)
    optimizer = sgd(twin)
    norms = []
    for number in range(5):
        twin[0].requires_grad_(0 < number < 4)
        step(twin, optimizer)
        norms.append(
            [float(p.grad.norm()) if 0 < number < 4 else np.nan for p in twin[0].parameters()]
        )
    weights, biases = np.transpose(norms)
    np.testing.assert_allclose(flow.weight_grad[:, 0], weights, rtol=1e-12)
    np.testing.assert_allclose(flow.bias_grad[:, 0], biases, rtol=1e-12)
    assert not any(p._post_accumulate_grad_hooks for p in module.parameters())
