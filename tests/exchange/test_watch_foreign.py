"""What else is done while a module is watched goes as it would without, and is not recorded."""

import contextlib
import dataclasses
import warnings

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap  # noqa: E402
from torch.nn.modules import module as global_hooks  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from watched_networks import X, loss_of, network, sgd, step  # noqa: E402

nn = torch.nn
torch.set_num_threads(1)

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]


@dataclasses.dataclass
class Unhashable(nn.Module):
    """Equal to others that have the same numbers, so without a hash."""

    factor: float

    def __post_init__(self):
        super().__init__()

    def forward(self, x):
        return x * self.factor


def per_sample(module):
    def loss(parameters, x):
        return functional_call(module, parameters, (x[None],)).square().sum()

    parameters = {name: p.detach() for name, p in module.named_parameters()}
    return vmap(grad(loss), (None, 0))(parameters, X)["0.weight"]


def behind_a_layer(module):
    """An activation of a layer's output inside of a function that is transformed."""
    z = module[0](X)
    return grad(lambda x: (torch.tanh(z) * x).sum())(X[:, :1])


def batched(module):
    out = module(X)
    cotangents = torch.eye(out.numel(), dtype=out.dtype).reshape(-1, *out.shape)
    parameters = list(module.parameters())
    return torch.autograd.grad(out, parameters, cotangents, is_grads_batched=True)[0]


def compiled(something):
    return torch.compile(something, backend="eager", fullgraph=True)


def onnx(module):
    pytest.importorskip("onnx")
    import io

    written = io.BytesIO()
    torch.onnx.export(module, (X,), written, dynamo=False)
    return torch.tensor(list(written.getvalue()))


def other_block(module):
    """A gradient by samples through a block of a transformer."""
    block = nn.TransformerEncoderLayer(4, 2, 4, dropout=0.0, batch_first=True, dtype=X.dtype)
    return vmap(lambda x: block(x[None, None]))(X)


FOREIGN = {
    "a scripted module": lambda module: torch.jit.script(network(1))(X),
    "the module, scripted": lambda module: torch.jit.script(module)(X),
    "a module without a hash": lambda module: Unhashable(2.0)(X),
    "a module that is compiled": lambda module: compiled(network(1))(X),
    "a function that is compiled": lambda module: compiled(nn.functional.gelu)(X),
    "grad": lambda module: grad(lambda x: module(x).sum())(X),
    "vmap": lambda module: vmap(module[0])(X),
    "gradients of samples": per_sample,
    "jacrev": lambda module: jacrev(module)(X),
    "jacfwd": lambda module: jacfwd(module)(X),
    "jvp": lambda module: jvp(module, (X,), (X,))[1],
    "hessian": lambda module: hessian(lambda x: module(x).sum())(X),
    "grad behind a layer": behind_a_layer,
    "vmap of a transformer": other_block,
    "jacobian": lambda module: torch.autograd.functional.jacobian(module, X, vectorize=True),
    "gradients in a batch": batched,
    "trace": lambda module: torch.jit.trace(module, X)(X),
    "export": lambda module: torch.export.export(module, (X,)).module()(X),
    "onnx": onnx,
    "fx": lambda module: torch.fx.symbolic_trace(module)(X),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_training(name):
    module, twin = network(), network()
    torch.manual_seed(0)
    wanted = FOREIGN[name](twin)
    with vg.exchange.watch(twin) as alone:
        step(twin, sgd(twin))
    torch.manual_seed(0)
    with vg.exchange.watch(module) as flow:
        assert torch.equal(FOREIGN[name](module), wanted)
        step(module, sgd(module))
    assert flow.step.tolist() == [0]
    for field in ("loss", *vg.flow.FIELDS):
        np.testing.assert_array_equal(getattr(flow, field), getattr(alone, field), err_msg=field)


def test_a_graph_is_the_one_without():
    module = network()

    def graphs():
        traced = torch.jit.trace(module, X).inlined_graph
        exported = torch.export.export(module, (X,)).graph
        return [node.kind() for node in traced.nodes()], str(exported)

    wanted = graphs()
    with vg.exchange.watch(module):
        assert graphs() == wanted


class Functions(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.called = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.called.append(str(function))
        return function(*args, **(kwargs or {}))


class Operators(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.called = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.called.append(str(function))
        return function(*args, **(kwargs or {}))


class Several(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        self.rnn, self.head = nn.LSTM(4, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return torch.tanh(self.head(self.rnn(self.block(x))[0]))


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("mode", [Functions, Operators])
def test_modes_of_the_owner_see_the_owners_calls(mode, inside):
    called = []
    for watched in (False, True):
        torch.manual_seed(0)
        module = Several()
        optimizer = sgd(module)
        watching = vg.exchange.watch(module) if watched else contextlib.nullcontext()
        seeing = mode()
        with contextlib.ExitStack() as opened:
            for each in (watching, seeing) if inside else (seeing, watching):
                opened.enter_context(each)
            for _ in range(2):
                out = module(torch.ones(3, 5, 4))
                out.square().sum().backward()
                optimizer.step()
                optimizer.zero_grad()
                with torch.no_grad():
                    module.eval()(torch.ones(3, 5, 4))
                module.train()
        called.append(seeing.called)
        assert not torch.overrides._get_current_function_mode_stack()
    assert called[0] == called[1]


def test_a_context_that_ends_before_one_inside():
    watching, inside = vg.exchange.watch(network()), Functions()
    watching.__enter__()
    inside.__enter__()
    watching.__exit__(None, None, None)
    assert torch.overrides._get_current_function_mode_stack() == [inside]
    inside.__exit__(None, None, None)
    assert not torch.overrides._get_current_function_mode_stack()


def test_a_context_that_goes_on_behind_one_outside():
    outside, module = vg.exchange.watch(network()), network()
    outside.__enter__()
    with vg.exchange.watch(module) as flow:
        outside.__exit__(None, None, None)
        step(module, sgd(module))
    assert np.isfinite([*flow.loss, *flow.saturated[0]]).all()


def test_anomalies_are_the_owners():
    """Where NaN comes up is found in the owner's backward pass."""
    module = network()
    with vg.exchange.watch(module), torch.autograd.set_detect_anomaly(True):
        loss = loss_of(module, X * torch.nan)
        with pytest.raises(RuntimeError, match="returned nan values"):
            loss.backward()


def test_hooks_of_what_is_saved_may_be_forbidden():
    module = network()
    with vg.exchange.watch(module) as flow, torch.autograd.graph.disable_saved_tensors_hooks("no"):
        step(module, sgd(module))
    assert np.isfinite(flow.saturated).all()


def test_nothing_is_left():
    def all_hooks():
        return {name: len(some) for name, some in vars(global_hooks).items() if "_hooks" in name}

    before, module = all_hooks(), network()
    with vg.exchange.watch(module):
        step(module, sgd(module))
    assert all_hooks() == before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.compile(network(), backend="eager")(X)
