"""PyTorch, its loop over time in Python: how to see the gradient at every timestep there."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from peers.pytorch import PyTorchEager
from workloads import RecurrentWorkload, Workload

CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


class PyTorchUnrolled(PyTorchEager):
    """Retain the gradient of every state, as nn.RNN, nn.LSTM and nn.GRU cannot; take its norm."""

    name = "pytorch-unrolled"
    workload: RecurrentWorkload

    @classmethod
    def runs(cls, workload: Workload) -> bool:
        return isinstance(workload, RecurrentWorkload)

    def _build(self) -> nn.Module:
        workload = self.workload
        modules: OrderedDict[str, nn.Module] = OrderedDict()
        modules[workload.layer] = CELLS[workload.cell](workload.inputs, workload.units)
        modules["dense1"] = nn.Linear(workload.units, 1)
        return nn.Sequential(modules)

    def _step(self, x: Tensor, y: Tensor) -> Tensor:
        cell, dense = self._network.children()
        self._optimizer.zero_grad(set_to_none=True)
        state: Any = None
        states: list[tuple[Tensor, ...]] = []  # of each timestep h, and of an LSTM c
        for x_t in x.unbind(1):
            state = cell(x_t, state)
            states.append(state if isinstance(state, tuple) else (state,))
            for tensor in states[-1]:
                tensor.retain_grad()
        loss = self._loss(dense(states[-1][0]), y)
        loss.backward()
        self._optimizer.step()
        self.norms = [  # (times,) of h, and of an LSTM c
            torch.linalg.vector_norm(torch.stack([tensor.grad for tensor in each]), dim=(1, 2))
            for each in zip(*states, strict=True)
        ]
        return loss.detach()
