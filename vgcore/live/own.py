"""A live page of one's own: a function makes its pictures."""

from __future__ import annotations

import inspect
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from vgcore import _validate
from vgcore.live.controls import Control
from vgcore.live.page import Asked, Live
from vgcore.live.pictures import KINDS, Picture

_SPEEDS = [("", "as fast as it goes"), ("slow", "3 frames a second")]


class Page(Live):
    """A live page of one's own: a function that makes pictures from the values of controls.

    Parameters
    ----------
    frame : callable
        Takes a dict with the value of each control, by its name; returns a picture (`vgcore.live.lines`,
        `heat`, `plane`) or a list of them. A function that returns is called whenever a control moves and,
        while the page plays, again and again. One that yields (a generator) is called when a control moves
        or reset is pressed, and goes on to its next ``yield`` for each frame: what lives between them, such
        as a network that trains, is its own variable. What takes longer than about 25 ms from frame to frame
        moves less smoothly.
    controls : sequence of Slider, Choice, Switch or Text
    title : str
    about : str
        A sentence or two below the title.
    plays : bool, optional
        Whether frames are asked for while no control moves, too; left out, whether ``frame`` yields.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or two controls have one name.

    Examples
    --------
    >>> import vgcore as vg
    >>> x, y = vg.data.circles(500, seed=0)
    >>> def frame(params):
    ...     layers = [vg.Dense(30, params["activation"]) for _ in range(params["depth"])]
    ...     model = vg.Sequential([*layers, vg.Dense(2, "softmax")], input_shape=2, seed=0)
    ...     model.compile("sparse_categorical_crossentropy", "adam")
    ...     flow = model.gradient_flow(x, y)
    ...     return vg.live.lines("Gradient", flow.delta[0], flow.layers, log=True)
    >>> controls = [
    ...     vg.live.Slider("depth", 1, 50, 10, integer=True),
    ...     vg.live.Choice("activation", ["sigmoid", "tanh", "relu"]),
    ... ]
    >>> page = vg.live.Page(frame, controls, title="Depth")

    One that goes on training until a control moves, when it begins anew:

    >>> def training(params):
    ...     layers = [vg.Dense(30, params["activation"]) for _ in range(params["depth"])]
    ...     model = vg.Sequential([*layers, vg.Dense(2, "softmax")], input_shape=2, seed=0)
    ...     model.compile("sparse_categorical_crossentropy", "adam")
    ...     flow = vg.GradientFlow()
    ...     while True:
    ...         history = model.fit(x, y, track=flow, verbose=0)
    ...         loss = f"loss {history['loss'][-1]:.3f}"
    ...         yield vg.live.lines("Gradient", flow.delta[-1], flow.layers, log=True, note=loss)
    >>> page = vg.live.Page(training, controls, title="Depth")
    """

    def __init__(
        self,
        frame: Callable[[dict[str, Any]], Any],
        controls: Iterable[Control] = (),
        *,
        title: str = "vgcore",
        about: str = "",
        plays: bool | None = None,
    ) -> None:
        if not callable(frame):
            raise TypeError(f"frame: expected a function, got {_validate.kind(frame)}")
        super().__init__(controls, title=title, about=about)
        self._draw = frame
        self._plays = _yields(frame) if plays is None else _validate.boolean("plays", plays)
        self._turn = threading.Lock()  # of a function that knows nothing of threads

    def described(self) -> dict[str, Any]:
        """What the page is made of."""
        return {**super().described(), "plays": self._plays, "speeds": _SPEEDS}

    def answer(self, asked: Asked) -> dict[str, Any]:
        """The pictures that the function has made."""
        with self._turn:
            made: _Made | None = asked.session.held.get("made")
            if made is None or made.turn != asked.turn or not made.yields:
                made = asked.session.held["made"] = _Made(
                    asked.turn, self._draw(dict(asked.settings[0]))
                )
            if made.new or made.wrong or asked.steps != 0:
                made.go_on()
        return {
            "pictures": made.pictures,
            "keys": [each["key"] for each in made.pictures],
            "over": made.over,
        }


class _Made:
    """What a page's function has made since a control last moved."""

    def __init__(self, turn: int, given: Any) -> None:
        self.turn, self._given, self.yields = turn, given, isinstance(given, Iterator)
        self.pictures: list[Picture] = []
        self.new, self.over = True, False
        self.wrong: Exception | None = None  # which ends what is yielded

    def go_on(self) -> None:
        """Make the next pictures."""
        self.new = False
        if self.wrong is not None:
            raise self.wrong
        try:
            self.pictures = _pictures(next(self._given) if self.yields else self._given)
        except StopIteration:
            self.over = True
        except Exception as error:
            self.wrong = error
            raise


def _pictures(given: Any) -> list[Picture]:
    """The pictures that a page's function gave, checked."""
    expected = "a picture, as vgcore.live.lines, heat and plane make them, or a list of such"
    made = [given] if isinstance(given, Mapping) else [*_validate.items("frame", given, expected)]
    for each in made:
        if not isinstance(each, Mapping) or "key" not in each or each.get("kind") not in KINDS:
            raise TypeError(f"frame: expected {expected}, got a list with {_validate.kind(each)}")
    keys = Counter(each["key"] for each in made)
    if len(keys) < len(made):
        [(again, _)] = keys.most_common(1)
        raise ValueError(
            f"frame: expected a title or key of its own for each picture, got {again!r} twice"
        )
    return [{"order": place, **each} for place, each in enumerate(made)]


def _yields(function: Callable[..., Any]) -> bool:
    """Whether it is a generator function, or an object that is called like one."""
    return any(map(inspect.isgeneratorfunction, (function, type(function).__call__)))
