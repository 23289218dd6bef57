"""A live page in a notebook: an anywidget, for JupyterLab, marimo and others.

Its own messages alone carry the frames. A state that is synchronised would be sent at each change, and makes
marimo run cells anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from vgcore import _extras
from vgcore.live import front
from vgcore.live.page import Live


def widget(live: Live) -> Any:
    """Return a new widget that shows a live page.

    Raises
    ------
    ImportError
        If anywidget is not installed.
    """
    with _extras.needing("anywidget", "live pages in notebooks need", "live"):
        from anywidget import AnyWidget

    class LivePage(AnyWidget):  # type: ignore[misc]
        _esm = front.module("widget.js")

    def answer(widget: Any, message: Mapping[str, Any], buffers: Any) -> None:
        widget.send({"id": message["id"]}, [live.frame(message["params"])])

    shown = LivePage()
    shown.on_msg(answer)
    return shown


class Missing:
    """What a notebook shows where a widget cannot be made: why."""

    def __init__(self, live: Live, why: ImportError) -> None:
        self._title, self._why = live.title, str(why)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        html = f"<div><b>{escape(self._title)}</b></div><div>{escape(self._why)}</div>"
        return {"text/plain": f"{self._title}: {self._why}", "text/html": html}
