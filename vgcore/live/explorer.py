"""The explorer: one network from inside, by layer, unit, timestep, sample and step."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vgcore import _validate
from vgcore.flow import GradientFlow
from vgcore.live.chosen import QUANTITIES, Chosen
from vgcore.live.closeups import CLOSEUPS, FIELDS
from vgcore.live.controls import Choice, Control, Slider
from vgcore.live.kept import Kept
from vgcore.live.packing import pack
from vgcore.live.page import Asked, Live
from vgcore.live.pictures import Picture
from vgcore.model import Sequential

_MOST_BYTES = 19_000  # of the pictures of a frame
_MOST_DRAWN = 64  # pictures that are kept


class Explorer(Live):
    """What `explore` makes."""

    def __init__(self, kept: Kept, flow: GradientFlow | None) -> None:
        super().__init__(_controls(kept, flow), title="vgcore explorer", about=_about(kept))
        self._kept, self._flow = kept, flow
        self._drawn: OrderedDict[tuple[str, str], tuple[Picture, int]] = OrderedDict()

    def answer(self, asked: Asked) -> dict[str, Any]:
        """Pictures that the page has not, as many as one frame holds."""
        chosen = Chosen(self._kept, self._flow, asked.settings[0])
        keys: list[str] = []
        pictures: list[Picture] = []
        room = _MOST_BYTES
        for order, (key, closeup) in enumerate(CLOSEUPS.items()):
            if not closeup.there(chosen):
                continue
            keys.append(key)
            version, held = closeup.version(chosen), asked.held.get(key)
            unseen = asked.shown is not None and key not in asked.shown
            if room < 0 or held == version or (held is not None and unseen):
                continue
            picture, size = self._picture(key, version, chosen)
            room -= size
            if room >= 0 or not pictures:
                pictures.append({**picture, "version": version, "order": order})
        more = "at once" if room < 0 else ""
        return {"pictures": pictures, "keys": keys, "more": more, "ends": chosen.ends()}

    def _picture(self, key: str, version: str, chosen: Chosen) -> tuple[Picture, int]:
        """A picture, and its bytes; those that were drawn last are kept."""
        with self._lock:
            found = self._drawn.get((key, version))
        if found is None:
            picture = CLOSEUPS[key].draw(chosen)
            found = picture, len(pack(picture))
        with self._lock:
            self._drawn[key, version] = found
            self._drawn.move_to_end((key, version))
            while len(self._drawn) > _MOST_DRAWN:
                self._drawn.popitem(last=False)
        return found


def _about(kept: Kept) -> str:
    few = kept.samples < kept.total
    whose = f"the first {kept.samples:,} of {kept.total:,}" if few else f"all {kept.total:,}"
    return (
        f"One pass over {whose} samples, loss {kept.now.loss[-1]:.4g}, as the network was when the page was "
        "made. A click in a picture chooses what the others show, as do the arrow keys in it."
    )


def _controls(kept: Kept, flow: GradientFlow | None) -> list[Control]:
    """The controls; there is none of what would have a single value."""
    extents, layers = kept.extents, kept.layers
    inside = {name: list(kept.matrices(name)) for name in layers}
    matrices = list(dict.fromkeys(each for names in inside.values() for each in names))
    gates = kept.gates
    names = list(dict.fromkeys(gate for of in gates.values() for gate in of))
    made: list[Control] = [Choice("layer", layers, group="Layer")]
    if flow is not None and flow.step[0] < flow.step[-1]:
        first, *_, last = flow.step.tolist()
        apart = np.unique(np.diff(flow.step))
        made.append(
            Slider(
                *("step", first, last, last),
                step=int(apart[0]) if len(apart) == 1 else None,
                integer=True,
                label="training step",
                group="Layer",
            )
        )
    fields = {name: each.title for name, each in FIELDS.items() if flow or name != "update_ratio"}
    quantities = {name: text for name, text in QUANTITIES.items() if kept.has(name)}
    made += [
        Choice("field", fields, label="of each layer", group="Layer"),
        Choice("quantity", quantities, label="of each unit", group="Inside"),
    ]
    if names:
        made.append(Choice("gate", names, group="Inside", when={"layer": list(gates)}))
    made += [
        *_index("unit", max(each.units for each in extents.values())),
        *_index(
            "timestep",
            max(each.times for each in extents.values()),
            [name for name in layers if extents[name].times > 1],
        ),
        *_index("sample", kept.samples),
    ]
    if len(matrices) > 1:
        several = [name for name in layers if len(inside[name]) > 1]
        made.append(Choice("weights", matrices, group="Inside", when={"layer": several}))
    scales = {"linear": "linear, around 0", "log": "magnitude, logarithmic"}
    return [*made, Choice("scale", scales, group="Inside")]


def _index(name: str, count: int, layers: list[str] | None = None) -> list[Control]:
    """A slider over so many, if there are several."""
    if count < 2:
        return []
    when = {} if layers is None else {"layer": layers}
    return [Slider(name, 0, count - 1, 0, integer=True, group="Inside", when=when)]


def explore(
    model: Sequential,
    x: ArrayLike,
    y: ArrayLike,
    flow: GradientFlow | None = None,
    *,
    lengths: ArrayLike | None = None,
) -> Explorer:
    """A page to look into one network: its activations, gradients, gates and weights.

    A layer, a unit, a timestep, a sample and a step of training are chosen by sliders, or by a click in a
    picture; all pictures go along. What there is of a network stays here: the page gets what it shows, of
    large arrays by blocks of which the number that is largest in magnitude stands for all.

    Parameters
    ----------
    model : Sequential
        Compiled. The page shows it as it is now: training that goes on changes nothing in it.
    x, y : array_like
        As in `Sequential.fit`. One pass is made, of training as in `Sequential.internals`, over the first
        500 samples, or as many as whose arrays take 256 MB, at least one. Where they take more than 2 GB
        then, not all layers are kept, and another pass is made when one is chosen that is not there.
    flow : GradientFlow, optional
        What was recorded while the network trained: its steps are on a slider.
    lengths : array_like of int, (n,), optional
        Valid timesteps of each sample.

    Returns
    -------
    Explorer
        As the value of a notebook's cell it shows itself; ``serve()`` opens it in a browser.

    Raises
    ------
    TypeError, ValueError
        For bad data, or a flow that is none, empty, or of other layers.
    RuntimeError
        Before `Sequential.compile`.

    Examples
    --------
    >>> import vgcore as vg
    >>> x, y = vg.data.adding_problem(200, 40, seed=0)
    >>> model = vg.Sequential([vg.LSTM(16), vg.Dense(1)], input_shape=(40, 2), seed=1)
    >>> model.compile("mse", "adam")
    >>> flow = vg.GradientFlow()
    >>> history = model.fit(x, y, epochs=2, verbose=0, track=flow)
    >>> page = vg.live.explore(model, x, y, flow)
    """
    if flow is not None and not isinstance(flow, GradientFlow):
        raise TypeError(f"flow: expected a GradientFlow, got {_validate.kind(flow)}")
    kept = Kept(model, x, y, lengths)
    if flow is not None:
        if not len(flow):
            raise ValueError("flow: expected recorded steps, got none")
        if list(flow.layers) != kept.layers:
            raise ValueError(
                f"flow: expected a record of this network, whose layers are {_listed(kept.layers)}; "
                f"got one of {_listed(flow.layers)}"
            )
        flow = flow[:]
    return Explorer(kept, flow)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
