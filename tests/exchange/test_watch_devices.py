"""What is noted of a step stays on the tensors' device until all of it is fetched at once.

Tensors of the meta device have no numbers: whatever reads one, or mixes devices, raises. On a GPU it would
raise, too, or wait.
"""

import numpy as np
import pytest

import vgcore as vg

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.parity


class Reader(nn.Module):
    """A layer of each kind that is watched in its own way."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 8)
        self.lstm = nn.LSTM(8, 8, num_layers=2, batch_first=True)
        self.gru = nn.GRU(8, 4, batch_first=True, bidirectional=True)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0, batch_first=True)
        self.norm, self.hidden, self.out = nn.BatchNorm1d(8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        h = self.block(self.gru(self.lstm(self.embedding(x))[0])[0])[:, -1]
        return self.out(torch.tanh(self.hidden(self.norm(h))))


def test_nothing_is_read_before_all_is_fetched(monkeypatch):
    from vgcore.exchange.watching import measures

    devices = set()

    def fetched(tensors):
        devices.update(tensor.device.type for tensor in tensors)
        return [np.ones(tensor.numel()) for tensor in tensors]

    monkeypatch.setattr(measures, "fetched", fetched)
    with torch.device("meta"):
        module = Reader()
        x, y = torch.zeros(4, 6, dtype=torch.long), torch.zeros(4, dtype=torch.long)
    optimizer = torch.optim.Adam(module.parameters())
    with vg.exchange.watch(module) as flow:
        for _ in range(2):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x), y).backward()
            optimizer.step()
    assert len(flow) == 2 and devices == {"meta"}
    assert flow.time["lstm.1"].shape == (2, 6)
