"""A callback of Lightning's Trainer that watches its module."""

from __future__ import annotations

from functools import cache
from typing import Any

from vgcore.exchange.watching import Watching, chosen, watch
from vgcore.flow import GradientFlow


@cache
def callback() -> Any:
    """The class, which is made when it is asked for: Lightning takes seconds to import."""

    class LightningWatch(_base()):  # type: ignore[misc]
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

    return LightningWatch


def _base() -> Any:
    """Lightning's own class of callbacks, by either of its names."""
    try:
        from lightning.pytorch.callbacks import Callback
    except ModuleNotFoundError as error:
        if error.name != "lightning":
            raise
        try:
            from pytorch_lightning.callbacks import Callback
        except ModuleNotFoundError as other:
            if other.name != "pytorch_lightning":
                raise
            raise ModuleNotFoundError(
                "LightningWatch needs lightning: pip install lightning", name="lightning"
            ) from None
    return Callback
