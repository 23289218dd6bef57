"""The playground: networks that retrain while sliders move."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vgcore import _validate
from vgcore.live import cures, networks, sights
from vgcore.live.controls import on_side
from vgcore.live.course import Course, train_together
from vgcore.live.packing import pack
from vgcore.live.page import Asked, Live, Settings
from vgcore.live.pictures import Picture
from vgcore.live.scenes import SCENES, Scene
from vgcore.live.theory import Theorist
from vgcore.theory.meanfield import critical

_SHARE = 0.12  # of the time, what pictures that run the network, and verdicts, may take each
_RESTING = 0.2  # seconds that settings have to rest for theory and a verdict
_RECORDED_STEPS = 1000  # unless so many are asked for
_TOGETHER = 8  # settings whose networks train side by side, and are in memory at once


class Purse:
    """Lets something be done as often as takes a share of the time, at most.

    A page's purses outlast its networks, so that a slider that moves on and on leaves time for the rest.
    """

    def __init__(self) -> None:
        self._due = 0.0

    def spend(self, work: Callable[[], Any]) -> Any:
        """What the work gives; None while it is not due."""
        begin = time.perf_counter()
        if begin < self._due:
            return None
        made = work()
        end = time.perf_counter()
        self._due = end + (end - begin) / _SHARE
        return made


@dataclass
class Run:
    """What a page's networks have come to since its controls last moved."""

    turn: int
    settings: list[dict[str, Any]]
    courses: list[Course]
    began: float = field(default_factory=time.monotonic)
    verdicts: list[Any] = field(default_factory=list)
    judged: int = 0  # at which step
    told: dict[str, int] = field(default_factory=dict)  # steps of pictures

    def of_each(self) -> Iterator[tuple[str, str, int | None, Course]]:
        """Pictures of one network alone: their names, keys, sides, and whose they are."""
        for name in sights.OF_EACH:
            for i, course in enumerate(self.courses):
                side = i if len(self.courses) > 1 else None
                yield name, sights.key_of(name, side), side, course

    @property
    def rests(self) -> bool:
        """Whether no control has moved for a while."""
        return time.monotonic() - self.began > _RESTING


class Playground(Live):
    """What `playground` makes."""

    def __init__(self, scene: str | None, settings: dict[str, Any]) -> None:
        super().__init__(networks.CONTROLS, title="vgcore playground")
        self._scene, self._settings = scene, settings
        self._theorist = Theorist()

    def described(self) -> dict[str, Any]:
        """What the page is made of."""
        scenes = [
            {
                "name": name,
                "title": each.title,
                "lesson": each.lesson,
                "begins": self._entered(each),
                "moves": each.moves,
            }
            for name, each in SCENES.items()
        ]
        return {
            **super().described(),
            "plays": True,
            "compares": True,
            "scenes": scenes,
            "scene": self._scene,
            "shared": [each.name for each in networks.CONTROLS if each.group == "Data"],
        }

    def answer(self, asked: Asked) -> dict[str, Any]:
        """Train for a while, and show what has come of it."""
        run: Run | None = asked.session.held.get("run")
        if run is None or run.turn != asked.turn:
            courses = []
            for side, values in enumerate(asked.settings):
                with on_side(side):
                    courses.append(Course(values))
            run = asked.session.held["run"] = Run(asked.turn, asked.settings, courses)
        if asked.wanted == "code":
            return {"code": [_code(course) for course in run.courses]}
        _train(run, asked)
        return {"superseded": True} if asked.superseded else self._told(run, asked)

    def begins(self) -> list[Settings]:
        """The scene's settings, with what was asked for."""
        if self._scene is not None:
            return self._entered(SCENES[self._scene], self._settings)
        [own] = super().begins()
        return [own | self._settings]

    def _entered(self, scene: Scene, asked_for: Settings | None = None) -> list[Settings]:
        [own] = super().begins()
        own |= scene.settings | (asked_for or {})
        return [own] if scene.other is None else [own, own | scene.other]

    def recorded(
        self, grid: Sequence[list[Settings]], frames: int, steps: int | None
    ) -> Iterator[list[dict[str, Any]]]:
        """Frames at steps between which there are equal factors, as far as they are whole."""
        last = _RECORDED_STEPS if steps is None else _validate.integer("steps", steps, minimum=1)
        if frames > last:
            raise ValueError(f"frames: expected at most as many as steps, {last}; got {frames}")
        taken = _spread(last, frames)
        for first in range(0, len(grid), _TOGETHER):
            yield from self._recorded(grid[first : first + _TOGETHER], taken)

    def _recorded(
        self, grid: Sequence[list[Settings]], taken: list[int]
    ) -> list[list[dict[str, Any]]]:
        courses: dict[str, Course] = {}
        runs = []
        for settings in grid:
            own = []
            for side, values in enumerate(settings):
                with on_side(side):
                    own.append(courses.get(repr(values)) or Course(values))
                courses[repr(values)] = own[-1]
            runs.append(Run(0, settings, own, began=-math.inf))
        told: list[list[dict[str, Any]]] = [[] for _ in runs]
        for step in taken:
            train_together([*courses.values()], step)
            for run, frames in zip(runs, told, strict=True):
                for course in run.courses:
                    self._theorist.settle(course)
                frames.append(self._told(run, Asked.alone(run.settings)))
        return told

    def _told(self, run: Run, asked: Asked) -> dict[str, Any]:
        """What a frame shows."""
        settled = run.rests and all(map(self._theorist.knows, run.courses))  # before it is drawn
        pictures, verdicts = self._pictures(run, asked), _verdicts(run, asked)
        return {
            "pictures": pictures,
            "keys": _keys(run),
            "more": not settled or _is_behind(run, asked),
            "states": [_state(course) for course in run.courses],
            "verdicts": verdicts,
            "marks": [_marks(course) for course in run.courses],
        }

    def _pictures(self, run: Run, asked: Asked) -> list[Picture]:
        expected = [self._theorist.expected(each) if run.rests else None for each in run.courses]
        made = [
            picture
            for key, draw in sights.OVER_BOTH.items()
            if _seen(asked, key) and (picture := draw(run.courses, expected)) is not None
        ]
        purses = _purses(asked)
        room = asked.room - sum(len(pack(each)) for each in made)
        waiting = sorted(run.of_each(), key=lambda each: run.told.get(each[1], -1))
        for name, key, side, course in waiting:
            if room > 0 and _seen(asked, name, key):
                picture = purses[key].spend(partial(sights.OF_EACH[name], course, side))
                if picture is not None:
                    run.told[key] = course.step
                    room -= len(pack(picture))
                    made.append(picture)
        order = _order(run)
        return [{**each, "order": order.index(str(each.get("base", each["key"])))} for each in made]


def _verdicts(run: Run, asked: Asked) -> list[Any]:
    def judge() -> list[Any]:
        return [cures.judged(each) for each in run.courses]

    if not run.rests:
        return run.verdicts
    made = _purses(asked)["verdict"].spend(judge)
    if made is not None:
        run.verdicts, run.judged = made, run.courses[0].step
    return run.verdicts


def _train(run: Run, asked: Asked) -> None:
    """Train the networks for equally many steps, as far as time goes."""
    steps = asked.steps
    if not run.courses[0].step and (steps == 0 or len(run.courses) > 1):
        steps = 1  # which is the start, and says what a step costs
    if steps == 0:
        return
    slow, *fast = sorted(run.courses, key=lambda each: (each.broken, -each.pace))
    share = 1 / len(run.courses)
    slow.train(asked.seconds * share, steps, lambda: asked.superseded)
    for each in fast:
        left = slow.step - each.step
        if slow.broken:
            each.train(asked.seconds * share, steps, lambda: asked.superseded)
        elif left > 0:
            each.train(asked.seconds, left, lambda: asked.superseded)


def _seen(asked: Asked, *names: str) -> bool:
    """Whether a picture is to be shown: one is asked for by its name for both networks, or by its own key."""
    return asked.shown is None or not asked.shown.isdisjoint(names)


def _purses(asked: Asked) -> defaultdict[str, Purse]:
    held: defaultdict[str, Purse] = asked.session.held.setdefault("purses", defaultdict(Purse))
    return held


def _is_behind(run: Run, asked: Asked) -> bool:
    """Whether a picture, or the verdict, is of an earlier step."""
    return run.judged != run.courses[0].step or any(
        run.told.get(key) != course.step
        for name, key, _, course in run.of_each()
        if _seen(asked, name, key)
    )


def _spread(last: int, count: int) -> list[int]:
    """So many steps from the first to the last, by equal factors, and by 1 at least."""
    found: list[int] = []
    for i in range(count):
        even = round(last ** (i / (count - 1))) if count > 1 else last
        found.append(max(even, found[-1] + 1 if found else 1))
    return found


def _order(run: Run) -> list[str]:
    """Keys of pictures as they stand: the gradient over what the network is deep in, and what it learns."""
    first = ["time" if run.courses[0].task.in_time else "delta", "loss", "prediction"]
    return [*first, *(key for key in (*sights.OVER_BOTH, *sights.OF_EACH) if key not in first)]


def _keys(run: Run) -> list[str]:
    """Keys of all pictures that there are."""
    in_time = run.courses[0].task.in_time
    shared = [key for key in sights.OVER_BOTH if in_time or key != "time"]
    return [*shared, *(key for _, key, _, _ in run.of_each())]


def _state(course: Course) -> dict[str, Any]:
    loss = float(course.loss)
    return {
        "step": course.step,
        "epoch": course.epoch,
        "loss": loss if abs(loss) < float("inf") else str(loss),
        "broken": course.broken,
        "seconds": course.seconds,
    }


def _marks(course: Course) -> dict[str, Any]:
    """Marks on sliders: where theory has the edge of chaos."""
    values = course.values
    plain = not (course.task.in_time or values["skips"]) and values["norm"] == "none"
    if not plain or values["activation"] == "formula" or values["start"] != "gaussian":
        return {}
    try:
        point = critical(values["activation"], values["sigma_b"])
    except ValueError:
        return {}
    return {"sigma_w": {"at": float(point.sigma_w), "text": "edge of chaos"}}


def _code(course: Course) -> str:
    """Lines that make the network, and train it as the page has."""
    epochs = max(round(course.epoch), 1)
    return "\n".join(
        [
            "import vgcore as vg",
            "",
            f"x, y = {course.task.code(course.values)}",
            networks.code(course.values),
            "",
            "flow = vg.GradientFlow()",
            f"model.fit(x, y, epochs={epochs}, batch_size={course.batch}, track=flow)",
            "flow.plot_time()" if course.task.in_time else "flow.plot()",
        ]
    )


def playground(scene: str | None = None, **settings: Any) -> Playground:
    """A page on which networks retrain while sliders move.

    Parameters
    ----------
    scene : str, optional
        A ready-made lesson to begin with: a name of `vgcore.live.SCENES`.
    **settings
        Values of controls to begin with: ``data="spirals"``, ``depth=20``, ``activation="sigmoid"``, ...

    Returns
    -------
    Playground
        As the value of a notebook's cell it shows itself; ``serve()`` opens it in a browser.

    Raises
    ------
    TypeError, ValueError
        If there is no such scene or control, or a control has no such value.

    Examples
    --------
    >>> import vgcore as vg
    >>> page = vg.live.playground("edge_of_chaos")
    >>> page = vg.live.playground(data="spirals", depth=20, activation="sigmoid")
    """
    if scene is not None:
        _validate.one_of("scene", scene, SCENES)
    known = {each.name: each for each in networks.CONTROLS}
    for name, value in settings.items():
        _validate.one_of("settings", name, known)
        settings[name] = known[name].checked(value)
    return Playground(scene, settings)
