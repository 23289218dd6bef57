"""A callback of Lightning's Trainer that watches its module; Lightning takes seconds to import."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from vgcore import _extras
from vgcore.exchange.watching.watch import Watching, chosen, watch
from vgcore.flow import GradientFlow

if find_spec("lightning") is None and find_spec("pytorch_lightning") is not None:
    from pytorch_lightning.callbacks import Callback  # by its older name
else:
    with _extras.needing("lightning", "LightningWatch needs"):
        from lightning.pytorch.callbacks import Callback


class LightningWatch(Callback):  # type: ignore[misc]
    """Watches the module that Lightning's Trainer trains, as `watch` does.

    Parameters
    ----------
    flow : GradientFlow, optional
    every : int
    distributions : bool, int or iterable of int
        As `watch` takes them.

    Attributes
    ----------
    flow : GradientFlow
        What is recorded.
    """

    def __init__(
        self,
        flow: GradientFlow | None = None,
        *,
        every: int = 1,
        distributions: bool | int = False,
    ) -> None:
        super().__init__()
        self.flow = chosen(flow, every, distributions)
        self._watching: Watching | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        watching = watch(pl_module, self.flow)
        watching.__enter__()
        self._watching = watching

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Take away every hook."""
        self._end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Take away every hook."""
        self._end()

    def _end(self) -> None:
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.__exit__(None, None, None)
