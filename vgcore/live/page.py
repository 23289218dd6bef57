"""What every live page is: something that answers requests with frames, and that hosts show."""

from __future__ import annotations

import math
import pathlib
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from vgcore import _validate
from vgcore._files import Path
from vgcore.live.controls import Control, InvalidError, checked, on_side
from vgcore.live.packing import pack

Settings = dict[str, Any]
_MOST_SESSIONS = 16  # pages that are open at once
_QUIET = 3.0  # seconds without a request, after which one is forgotten if there are more
_PACKAGE = pathlib.Path(__file__).parents[1]  # whose lines are no user's
_LONGEST = 0.1  # seconds that a page may ask a frame to take
_ROOM = 14_000  # bytes, so that a frame with what just exceeds them has 20,000 at most


@dataclass
class Session:
    """One open page: its lock, the newest state of its controls that was heard of, and what belongs to it."""

    born: float = field(default_factory=time.time)
    lock: threading.Lock = field(default_factory=threading.Lock)
    newest: int = -1
    heard: float = 0.0  # when it last asked, by the clock
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
    held : dict of str to str
        Versions of the pictures that the page has, of those that have some.
    whole : bool
        Whether the page asks what it is made of, and for no frame.
    wanted : str
        What else it asks for: "code", for instance.
    room : float
        Bytes of pictures, after which others wait for the next frame.
    """

    session: Session
    turn: int
    settings: list[dict[str, Any]]
    seconds: float
    steps: int | None = None
    shown: set[str] | None = None
    held: dict[str, str] = field(default_factory=dict)
    whole: bool = False
    wanted: str = ""
    room: float = _ROOM

    @classmethod
    def alone(cls, settings: list[Settings]) -> Asked:
        """One that no page asks: for all pictures, in a session of its own."""
        return cls(Session(), 0, settings, _LONGEST, room=math.inf)

    @property
    def superseded(self) -> bool:
        """Whether the page has asked for something newer since."""
        return self.session.newest > self.turn


class Live(ABC):
    """A page that asks for its frames.

    `frame` is what hosts call; a notebook shows the page as the value of a cell.
    """

    def __init__(self, controls: Iterable[Control], *, title: str, about: str = "") -> None:
        self.controls = () if isinstance(controls, Control) else tuple(controls)
        if isinstance(controls, Control) or not all(
            isinstance(each, Control) for each in self.controls
        ):
            raise TypeError(
                f"controls: expected a list of Slider, Choice, Switch or Text; got {controls!r}"
            )
        names = [each.name for each in self.controls]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"controls: expected names of their own, got {name!r} twice")
        for each in self.controls:
            for name in (name for condition in each.conditions for name in condition):
                if name not in names:
                    told = f"{each.name!r} with {name!r} in when"
                    raise ValueError(f"controls: expected conditions of these controls, got {told}")
        self.title = _validate.name("title", title)
        self.about = about
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._left: deque[str] = deque(
            maxlen=100
        )  # names of sessions whose last requests may be late
        self._lock = threading.Lock()

    @abstractmethod
    def answer(self, asked: Asked) -> dict[str, Any]:
        """What a frame holds: "pictures" and whatever else the page shows."""

    def described(self) -> dict[str, Any]:
        """What the page is made of, which it asks for once."""
        controls = [each.shown() for each in self.controls]
        begins = self.begins()
        return {"title": self.title, "about": self.about, "controls": controls, "begins": begins}

    def begins(self) -> list[Settings]:
        """Values of controls that the page begins with, of one network or of two."""
        return [{each.name: each.default for each in self.controls}]

    def recorded(
        self, grid: Sequence[list[Settings]], frames: int, steps: int | None
    ) -> Iterator[list[dict[str, Any]]]:
        """What so many frames hold, or as many as there are, of each of several settings."""
        if steps is not None:
            raise ValueError(
                f"steps: expected None, for this page does not count any; got {steps!r}"
            )
        count = frames if self.described().get("plays") else 1
        for settings in grid:
            asked = Asked.alone(settings)
            told: list[dict[str, Any]] = []
            while len(told) < count and not (told and told[-1].get("over")):
                told.append(self.answer(asked))
            yield told

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
        except (Exception, SystemExit) as error:
            told = {"message": f"{type(error).__name__}: {error}{_where(error)}"}
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

    def record(
        self,
        path: Path,
        over: Mapping[str, Iterable[Any]] | None = None,
        *,
        frames: int = 40,
        steps: int | None = None,
    ) -> None:
        """Write a page that plays recorded frames: one HTML file, for a slide where no Python is.

        All frames of all settings are made now, and lie in the file; its sliders move among the values
        ``over`` lists, and what else the page has is told beside them. It plays, pauses and goes by single
        frames; a moved slider shows the same frame of other settings. The file needs nothing else, and
        opens from a disk.

        Parameters
        ----------
        path : path-like
            Of the file, which is replaced as a whole if it is there.
        over : dict of str to sequence, optional
            Values of controls by their names. Where two networks are compared, a name alone is both networks'
            control, "A.depth" or "B.depth" is one's. All combinations are recorded, 200 at most.
        frames : int
            Of each setting, for a page that plays.
        steps : int, optional
            Of training until the last frame, for the playground: 1000 unless given. The first are of single
            steps, the others by equal factors apart. A `Page` does not count any: its function is called
            for each frame.

        Raises
        ------
        TypeError, ValueError
            If there is no such control, it has no such value or does not count with the other settings, or
            there are too many settings.
        OSError
            If ``path`` cannot be written; nothing is done then.

        Notes
        -----
        The playground's networks train side by side, on all CPUs, as `fit_many` trains them, and each frame
        is what the page shows at that step. Two networks of 10 layers of 30 units beside each other, with 9
        settings, take about 10 seconds of one core, and 1.2 MB; the page alone is 0.15 MB.

        Examples
        --------
        >>> import vgcore as vg
        >>> page = vg.live.playground("edge_of_chaos", depth=20, width=50)
        >>> page.record("chaos.html", {"sigma_w": [0.7, 1, 1.4, 2]})  # doctest: +SKIP
        """
        from vgcore.live.recording import record  # brings zlib and the script along

        record(self, path, {} if over is None else over, frames, steps)

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
        if not isinstance(params, Mapping):
            raise TypeError(f"params: expected a dict, got {_validate.kind(params)}")
        name = str(params.get("session", ""))[:100]
        if params.get("leaves"):  # it was closed, or loads again
            with self._lock:
                self._left.append(name)
                self._sessions.pop(name, None)
            return {}
        asked = self._asked(params, self._session(name))
        if asked.whole:
            return {"page": self.described()}
        session = asked.session
        with self._lock:
            session.newest = max(session.newest, asked.turn)
        with session.lock:
            if asked.superseded:
                return {"superseded": True}
            begin = time.perf_counter()
            tree = {"turn": asked.turn, "born": session.born, **self.answer(asked)}
            tree["took"] = time.perf_counter() - begin
        return tree

    def _asked(self, params: Mapping[str, Any], session: Session) -> Asked:
        steps, shown = params.get("steps"), params.get("show")
        given, held = params.get("settings") or [{}], params.get("held") or {}
        if not isinstance(held, Mapping):
            raise TypeError(f"held: expected a dict, got {_validate.kind(held)}")
        if not isinstance(given, list) or len(given) > 2:
            raise InvalidError("settings: expected a list of one dict or two")
        settings = []
        for side, each in enumerate(given):
            with on_side(side):
                settings.append(checked(self.controls, each))
        return Asked(
            session=session,
            turn=_validate.integer("turn", params.get("turn", 0), minimum=0, maximum=2**53),
            settings=settings,
            seconds=_validate.real(
                "seconds", params.get("seconds", 0.02), minimum=0, maximum=_LONGEST
            ),
            steps=None if steps is None else _validate.integer("steps", steps, minimum=0),
            shown=None if shown is None else {str(each) for each in shown},
            held={str(key): str(each) for key, each in held.items()},
            whole=_validate.boolean("page", params.get("page", False)),
            wanted=str(params.get("want", "")),
        )

    def _session(self, name: str) -> Session:
        with self._lock:
            if name in self._left:
                raise InvalidError("session: expected that of an open page, got one that was left")
            if name not in self._sessions:
                self._make_room()
            session = self._sessions.setdefault(name, Session())
            session.heard = time.monotonic()
            self._sessions.move_to_end(name)
            return session

    def _make_room(self) -> None:
        """Forget the session that was quiet for longest, if there are enough."""
        if len(self._sessions) < _MOST_SESSIONS:
            return
        quietest = next(iter(self._sessions.values()))
        if time.monotonic() - quietest.heard < _QUIET:
            raise InvalidError(
                f"pages: expected at most {_MOST_SESSIONS} that train at once, got one more: "
                "pause or close another, and press play"
            )
        self._sessions.popitem(last=False)


def _where(error: BaseException) -> str:
    """The line of a user's own that an error came from, where there is one."""
    own = [
        each
        for each in traceback.extract_tb(error.__traceback__)
        if not pathlib.Path(each.filename).is_relative_to(_PACKAGE)
    ]
    return f" (line {own[-1].lineno} of {pathlib.Path(own[-1].filename).name})" if own else ""
