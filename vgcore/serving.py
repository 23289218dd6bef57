"""The command `vgcore live`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vgcore import consoles, live

_Port = Annotated[int | None, typer.Option(help="On 127.0.0.1; 0 picks one that is free.")]
_Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open it in a browser.")]
_Scene = Annotated[str, typer.Option(help=f"What to begin with: {', '.join(live.SCENES)}.")]
_Export = Annotated[
    Path | None, typer.Option(help="Write a site for any web server to this folder instead.")
]
_Pyodide = Annotated[
    Path | None, typer.Option(help="For --export: a copy of Pyodide and NumPy to take along.")
]
_Wheel = Annotated[Path | None, typer.Option(help="For --export: vgcore's wheel for Pyodide.")]


def command(
    port: _Port = None,
    browser: _Browser = True,
    scene: _Scene = "sigmoid_depth",
    export: _Export = None,
    pyodide: _Pyodide = None,
    wheel: _Wheel = None,
) -> None:
    """Open the playground: networks that train again while a slider moves."""
    with consoles.failing_readably():
        if export is None:
            for name, value in (("pyodide", pyodide), ("wheel", wheel)):
                if value is not None:
                    raise ValueError(f"{name}: expected --export FOLDER beside it")
            live.playground(scene).serve(port=port, browser=browser)
            return
        code = f"import vgcore as vg\n\npage = vg.live.playground({scene!r})\n"
        index = live.export(export, code, wheel=wheel, pyodide=pyodide)
    with consoles.lasting():
        print(f"Site: {index}")
        print("Any web server serves it: python -m http.server --directory", index.parent)
