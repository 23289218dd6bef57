"""What else is done while a module is watched goes as it would without, and is not recorded."""

import dataclasses

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
from watched_networks import X, network, sgd, step  # noqa: E402

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


FOREIGN = {
    "a scripted module": lambda module: torch.jit.script(network(1))(X),
    "the module, scripted": lambda module: torch.jit.script(module)(X),
    "a module without a hash": lambda module: Unhashable(2.0)(X),
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
