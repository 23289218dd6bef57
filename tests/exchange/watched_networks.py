"""A small network of PyTorch, its data, and its training; and how many hooks there are."""

import torch
from torch import nn
from torch.nn.modules import module as global_hooks
from torch.optim import optimizer as optimizers


def network(seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).to(dtype)


def samples(dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(16, 4, generator=generator), torch.randn(16, 2, generator=generator)
    return x.to(dtype), y.to(dtype)


X, Y = samples()


def loss_of(module, x=X, y=Y):
    return nn.functional.mse_loss(module(x), y)


def step(module, optimizer):
    optimizer.zero_grad()
    loss = loss_of(module)
    loss.backward()
    optimizer.step()
    return loss.item()


def sgd(module, rate=0.1):
    return torch.optim.SGD(module.parameters(), rate)


def hooks():
    """How many there are of every kind that is used."""
    return (
        len(global_hooks._global_forward_hooks),
        len(global_hooks._global_forward_pre_hooks),
        len(optimizers._global_optimizer_pre_hooks),
        len(optimizers._global_optimizer_post_hooks),
        len(torch.overrides._get_current_function_mode_stack()),
    )
