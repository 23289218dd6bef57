"""What `Sequential.compile` chooses: loss, optimizer, treatment of gradients, and how time is cut."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vgcore import _validate, losses, metrics, optimizers, treatment
from vgcore.layers.base import Layer, features
from vgcore.layers.parallel import Parallel
from vgcore.metrics import Metric, get_all
from vgcore.treatment import Treatment

if TYPE_CHECKING:
    from vgcore.model.session import Session


@dataclass(frozen=True)
class Compiled:
    """What `Sequential.compile` chose."""

    loss: losses.Loss
    optimizer: optimizers.Optimizer
    treatment: Treatment = field(default_factory=Treatment)
    tbptt: int | None = None
    checkpoint: int | str | None = "auto"
    on_nonfinite: str = "warn"
    metrics: tuple[Metric, ...] = ()

    @property
    def refuses(self) -> bool:
        """Whether a step whose loss or gradient is not finite is not applied."""
        return self.on_nonfinite in ("raise", "stop")

    @cached_property
    def course(self) -> optimizers.Course:
        """The learning rates of the steps."""
        return optimizers.Course(self.optimizer)

    def update(self) -> dict[str, Any]:
        """The numbers of the engine's update."""
        return {
            "rate": self.course.rate(0),
            "weight_decay": getattr(self.optimizer, "weight_decay", 0.0),
            "beta1": 0.0,
            "beta2": 0.0,
            "epsilon": 0.0,
            "step_decay": 0.0,
            "nesterov": False,
            "centered": False,
            "gradient_part": 1.0,
            "moment_part": 1.0,
            "root_part": 1.0,
            "mu_product": 1.0,
            "mu_factors": 0,
            "gradient_scale": 1.0,
            "gradient_shrink": 1.0,
            "gradient_limit": self.treatment.clipping.get("clip_value", math.inf),
            **self.optimizer.numbers(),
        }

    def config(self) -> dict[str, Any]:
        """The arguments of `Sequential.compile`, as JSON can hold them."""
        return {
            "loss": self.loss.spec(),
            "reduction": self.loss.reduction,
            "ignore_index": self.loss.ignore_index,
            "label_smoothing": self.loss.label_smoothing,
            "optimizer": self.optimizer.config(),
            "tbptt": self.tbptt,
            "checkpoint": self.checkpoint,
            "on_nonfinite": self.on_nonfinite,
            "metrics": [metrics.spec(metric) for metric in self.metrics],
            **self.treatment.config(),
        }


def choose(
    session: Session,
    *,
    loss: str | losses.Huber | losses.Custom,
    optimizer: str | optimizers.Optimizer,
    reduction: losses.Reduction,
    ignore_index: int | None,
    label_smoothing: float,
    tbptt: int | None,
    checkpoint: int | str | None,
    on_nonfinite: str,
    metrics: Iterable[str | Metric],
    clipping: dict[str, float | None],
    **treated: Any,
) -> Compiled:
    """The arguments of `Sequential.compile`, checked against the network."""
    last = session.layers[-1]
    if isinstance(loss, str) and loss in optimizers.names() and isinstance(optimizer, str):
        raise ValueError(
            f"loss: expected the loss first, and then the optimizer; got {loss!r} and {optimizer!r}"
        )
    chosen = optimizers.get(optimizer)
    chosen.check_dtype(session.dtype)
    chosen_loss = losses.get(
        loss,
        reduction,
        last.output_activation,
        last.fuses_loss,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
    )
    _check_outputs(session, chosen_loss)
    return Compiled(
        chosen_loss,
        chosen,
        treatment.make(session.layout, clipping=clipping, **treated),
        *_cuts(session, tbptt, checkpoint),
        _validate.one_of("on_nonfinite", on_nonfinite, ("warn", "raise", "stop", "ignore")),
        get_all(metrics, chosen_loss, features(session.shapes[-1])),
    )


def _check_outputs(session: Session, loss: losses.Loss) -> None:
    """Raise where outputs can learn nothing, or would be taken for logits and are not."""
    *before, last = session.layers
    if features(session.shapes[-1]) == 1 and (
        last.output_activation == "softmax" or loss.categorical
    ):
        raise ValueError(
            f"loss: {loss.name} expects more than one output of {last.name}, for a softmax of one unit is 1 "
            "and has no gradient; one output for two classes is Dense(1, 'sigmoid') with binary_crossentropy"
        )
    if isinstance(last, Parallel) and loss.fused and any(map(_is_activated, last.ends())):
        raise ValueError(
            f"loss: {loss.name} expects branches without activations at the end of {last.name}, for it would "
            "take their outputs for logits; put one Activation behind all of them"
        )
    if not (loss.fused and last.passes_on):
        return
    source = next((layer for layer in reversed(before) if not layer.passes_on), last)
    made = source.output_activation
    if made != "identity":
        raise ValueError(
            f"loss: {loss.name} expects the activation of the output behind all other layers, got "
            f"{made!r} of {source.name} in front of {last.name}; give {source.name} none, and put "
            f"Activation({made!r}) last"
        )


def _is_activated(layer: Layer) -> bool:
    return layer.output_activation != "identity"


def _cuts(
    session: Session, tbptt: int | None, checkpoint: int | str | None
) -> tuple[int | None, int | str | None]:
    """Where time is cut: the two arguments, of which one at most may ask for it."""
    cutting = {}
    if tbptt is not None:
        cutting["tbptt"] = _validate.integer("tbptt", tbptt, minimum=1)
    if isinstance(checkpoint, str):
        _validate.one_of("checkpoint", checkpoint, ("auto",))
    elif checkpoint is not None:
        cutting["checkpoint"] = _validate.integer("checkpoint", checkpoint, minimum=1)
    if len(cutting) == 2:
        raise ValueError("checkpoint: expected either tbptt or checkpoint, got both")
    for argument, steps in cutting.items():
        if not session.takes_time or not session.stack.may_checkpoint():
            raise ValueError(
                f"{argument}: expected None, for the model "
                f"{'needs all of time at once' if session.takes_time else 'takes no sequences'}; got "
                f"{steps}"
            )
    return tbptt, checkpoint
