"""PyTorch's hooks, as they are set here: unseen at work, idle where a run is not plain, gone at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import wraps
from typing import Any

import torch
from torch.nn.modules import module as of_modules
from torch.optim import optimizer as of_optimizers
from torch.utils import _python_dispatch

Hook = Callable[..., None]
Tensor = Any


def plain() -> bool:
    """Whether functions run as they stand: not traced, compiled, exported or transformed by torch.func."""
    return not (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._are_functorch_transforms_active()
    )


def within_backward() -> bool:
    """Whether a backward pass is at work in this thread."""
    return bool(torch._C._current_graph_task_id() >= 0)


def unseen(hook: Hook) -> Hook:
    """A hook whose own calls the owner's modes do not see; where a run is not plain it does nothing."""

    @wraps(hook)
    def called(*given: Any) -> None:
        if plain():
            with torch._C.DisableTorchFunction(), _dispatching():
                hook(*given)

    return called


def _dispatching() -> AbstractContextManager[Any]:
    if _python_dispatch._get_current_dispatch_mode() is None:
        return nullcontext()
    return _python_dispatch._disable_current_modes()  # type: ignore[no-any-return]


def on_call(before: Hook, always_after: Hook, after: Hook) -> ExitStack:
    """Around calls of all modules, so that copies of one have none: ``after`` is told of keywords, too."""
    hooks = ExitStack()
    hooks.callback(of_modules.register_module_forward_pre_hook(before).remove)
    handle = of_modules.register_module_forward_hook(always_after, always_call=True)
    hooks.callback(handle.remove)
    handle = of_modules.register_module_forward_hook(after, with_kwargs=True)
    hooks.callback(handle.remove)
    # PyTorch's handle leaves this behind
    hooks.callback(of_modules._global_forward_hooks_with_kwargs.pop, handle.id, None)
    return hooks


def on_step(before: Hook, after: Hook) -> ExitStack:
    """Around steps of all optimizers."""
    hooks = ExitStack()
    hooks.callback(of_optimizers.register_optimizer_step_pre_hook(before).remove)
    hooks.callback(of_optimizers.register_optimizer_step_post_hook(after).remove)
    return hooks


def on_gradient(parameter: Tensor, hook: Hook) -> Any:
    """When a parameter's gradient has come, before the owner's hooks, which may step and throw it away."""
    handle = parameter.register_post_accumulate_grad_hook(hook)
    hooks = parameter._post_accumulate_grad_hooks
    for number in [each for each in hooks if each != handle.id]:
        hooks[number] = hooks.pop(number)  # behind ours
    return handle
