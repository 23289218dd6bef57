"""What every live page is: something that answers requests with frames, and that hosts show."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vgcore import _validate
from vgcore.live.controls import Control, InvalidError, checked, on_side
from vgcore.live.packing import pack

_MOST_SESSIONS = (
    8  # pages that are open at once; of more, those that were quiet for longest begin anew
)
_LONGEST = 0.1  # seconds that a page may ask a frame to take


@dataclass
class Session:
    """One open page: its lock, the newest state of its controls that was heard of, and what belongs to it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    newest: int = -1
    held: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a page asks for with one frame.

    Attributes
    ----------
    session : Session
        Of the page.
    turn : int
        Rises whenever a control moves, or a restart is wanted.
    settings : list of dict
        The values of controls, of one network or of two.
    seconds : float
        For how long a frame may train.
    steps : int or None
        How many steps at most.
    shown : set of str or None
        Keys of the pictures that can be seen; None: all.
    whole : bool
        Whether the page asks what it is made of, and for no frame.
    wanted : str
        What else it asks for: "code", for instance.
    """

    session: Session
    turn: int
    settings: list[dict[str, Any]]
    seconds: float
    steps: int | None
    shown: set[str] | None
    whole: bool
    wanted: str

    @property
    def superseded(self) -> bool:
        """Whether the page has asked for something newer since."""
        return self.session.newest > self.turn


class Live(ABC):
    """A page that asks for its frames.

    `frame` is what hosts call; a notebook shows the page as the value of a cell.
    """

    def __init__(self, controls: Iterable[Control], *, title: str, about: str = "") -> None:
        self.controls = tuple(controls)
        names = [each.name for each in self.controls]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"controls: expected names of their own, got {name!r} twice")
        self.title = _validate.name("title", title)
        self.about = about
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    @abstractmethod
    def answer(self, asked: Asked) -> dict[str, Any]:
        """What a frame holds: "pictures" and whatever else the page shows."""

    def described(self) -> dict[str, Any]:
        """What the page is made of, which it asks for once."""
        controls = [each.shown() for each in self.controls]
        return {"title": self.title, "about": self.about, "controls": controls}

    def frame(self, params: Mapping[str, Any]) -> bytes:
        """Return one frame, as `vgcore.live.packing` packs it.

        Parameters
        ----------
        params : dict
            What the page has sent: "settings", "turn", "seconds" and the like.

        Returns
        -------
        bytes
            Of what is wrong with ``params`` the frame says so; nothing is raised for it.
        """
        told: dict[str, Any]
        try:
            return pack(self._framed(params))
        except KeyboardInterrupt:
            told = {"message": "interrupted; press play to go on"}
        except InvalidError as error:
            told = {"message": str(error), "control": error.control, "side": error.side}
        except MemoryError:
            told = {"message": "there is not enough memory for this; choose something smaller"}
        except Exception as error:
            told = {"message": f"{type(error).__name__}: {error}"}
        turn = params.get("turn") if isinstance(params, Mapping) else None
        return pack({"error": told, **({"turn": turn} if isinstance(turn, int) else {})})

    def serve(self, *, port: int | None = None, browser: bool = True) -> None:
        """Serve the page to this machine's browser until Ctrl-C, or until the kernel is interrupted.

        Parameters
        ----------
        port : int, optional
            On which 127.0.0.1 is listened at; 0 picks one that is free; left out, 8765 if that is free.
        browser : bool
            Whether to open the page in one.

        Raises
        ------
        OSError
            If the port is in use, or not allowed.
        TypeError, ValueError
            If an argument is of another kind.
        """
        from vgcore.live.server import serve  # brings HTTP along, which takes time

        serve(self, port=port, browser=browser)

    @cached_property
    def widget(self) -> Any:
        """The page as an anywidget, for layouts of widgets; ImportError if that is not installed."""
        from vgcore.live.widget import widget

        return widget(self)

    def _display_(self) -> Any:
        """What a notebook shows: of marimo, this is asked for."""
        from vgcore.live.widget import Missing

        try:
            return self.widget
        except ImportError as error:
            return Missing(self, error)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self._display_()._repr_mimebundle_(**options)

    def _framed(self, params: Mapping[str, Any]) -> dict[str, Any]:
        asked = self._asked(params)
        if asked.whole:
            return {"page": self.described()}
        session = asked.session
        with self._lock:
            session.newest = max(session.newest, asked.turn)
        with session.lock:
            if asked.superseded:
                return {"superseded": True}
            begin = time.perf_counter()
            tree = {"turn": asked.turn, **self.answer(asked)}
            tree["took"] = time.perf_counter() - begin
        return tree

    def _asked(self, params: Mapping[str, Any]) -> Asked:
        if not isinstance(params, Mapping):
            raise TypeError(f"params: expected a dict, got {_validate.kind(params)}")
        steps, shown = params.get("steps"), params.get("show")
        given = params.get("settings") or [{}]
        if not isinstance(given, list) or len(given) > 2:
            raise InvalidError("", "settings: expected a list of one dict or two")
        settings = []
        for side, each in enumerate(given):
            with on_side(side):
                settings.append(checked(self.controls, each))
        return Asked(
            session=self._session(str(params.get("session", ""))[:100]),
            turn=_validate.integer("turn", params.get("turn", 0), minimum=0, maximum=2**53),
            settings=settings,
            seconds=_validate.real(
                "seconds", params.get("seconds", 0.02), minimum=0, maximum=_LONGEST
            ),
            steps=None if steps is None else _validate.integer("steps", steps, minimum=0),
            shown=None if shown is None else {str(each) for each in shown},
            whole=_validate.boolean("page", params.get("page", False)),
            wanted=str(params.get("want", "")),
        )

    def _session(self, name: str) -> Session:
        with self._lock:
            session = self._sessions.setdefault(name, Session())
            self._sessions.move_to_end(name)
            while len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
            return session


class Page(Live):
    """A live page of one's own: a function that makes pictures from the values of controls.

    Parameters
    ----------
    frame : callable
        Takes a dict with the value of each control, by its name; returns a picture (`vgcore.live.lines`,
        `heat`, `plane`) or a list of them. It is called whenever a control moves and, while the page plays,
        again and again: what takes longer than about 25 ms moves less smoothly.
    controls : sequence of Slider, Choice, Switch or Text
    title : str
    about : str
        A sentence or two below the title.
    plays : bool
        Whether frames are asked for while no control moves, too: for a network that goes on training.

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
    """

    def __init__(
        self,
        frame: Callable[[dict[str, Any]], Any],
        controls: Iterable[Control] = (),
        *,
        title: str = "vgcore",
        about: str = "",
        plays: bool = False,
    ) -> None:
        if not callable(frame):
            raise TypeError(f"frame: expected a function, got {_validate.kind(frame)}")
        super().__init__(controls, title=title, about=about)
        self._draw, self._plays = frame, _validate.boolean("plays", plays)
        self._turn = threading.Lock()  # of a function that knows nothing of threads

    def described(self) -> dict[str, Any]:
        """What the page is made of."""
        return {**super().described(), "plays": self._plays}

    def answer(self, asked: Asked) -> dict[str, Any]:
        """The pictures that the function has made."""
        with self._turn:
            made = self._draw(dict(asked.settings[0]))
        return {"pictures": [made] if isinstance(made, Mapping) else list(made)}
