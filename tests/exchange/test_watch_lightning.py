"""The callback of Lightning's Trainer."""

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
# Its metrics import torchvision, which fails with a RuntimeError where it is of another torch
lightning = pytest.importorskip("lightning", exc_type=(ImportError, RuntimeError))
nn = torch.nn
torch.set_num_threads(1)

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]


class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 2)

    def training_step(self, batch, number):
        x, y = batch
        return nn.functional.mse_loss(self.second(nn.functional.relu(self.first(x))), y)

    def validation_step(self, batch, number):
        self.log("loss", self.training_step(batch, number))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)


def trained(*callbacks, **options):
    torch.manual_seed(0)
    net = Net()
    data = torch.utils.data.TensorDataset(torch.randn(64, 4), torch.randn(64, 2))
    loader = torch.utils.data.DataLoader(data, 16)
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        callbacks=[*callbacks],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=0.1,
        **options,
    )
    trainer.fit(net, loader, loader)
    return net


def test_every_step_is_a_row():
    watch = vg.exchange.LightningWatch(distributions=True)
    plain, seen = trained(), trained(watch)
    for one, other in zip(plain.parameters(), seen.parameters(), strict=True):
        assert torch.equal(one, other)
    flow = watch.flow
    assert flow.layers == ["first", "second"]
    assert flow.step.tolist() == list(range(8))
    for name in ("loss", "delta", "weight_grad", "weight_grad_applied", "update_ratio"):
        assert np.isfinite(getattr(flow, name)).all()
    assert (flow.saturated[:, 0] > 0).all()  # the function in training_step is seen
    assert (flow.weight_grad_applied < flow.weight_grad).all()


def test_accumulated_gradients():
    watch = vg.exchange.LightningWatch(every=2)
    trained(watch, accumulate_grad_batches=2)
    assert watch.flow.step.tolist() == [0, 2]


def test_what_stops_a_training_takes_the_hooks_away():
    class Stop(lightning.Callback):
        def on_train_batch_end(self, *given):
            raise ZeroDivisionError

    from torch.nn.modules import module as global_hooks

    before = len(global_hooks._global_forward_hooks)
    watch = vg.exchange.LightningWatch()
    with pytest.raises(ZeroDivisionError):
        trained(watch, Stop())
    assert len(watch.flow) == 1
    assert len(global_hooks._global_forward_hooks) == before
    assert not torch.overrides._get_current_function_mode_stack()
