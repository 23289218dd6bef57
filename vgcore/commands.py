"""The commands of `vgcore`: one for each experiment, made from its ``run``.

``run``'s parameters become options, their ``Annotated`` text the help; every command writes its
picture to ``--out``. To add an experiment, add its line at the end of this file.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from vgcore import consoles, plot
from vgcore._version import __version__
from vgcore.experiments import base, cures, demo, nielsen, text, time

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
experiments = typer.Typer(no_args_is_help=True, help="Run an experiment.")
app.add_typer(experiments, name="run")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"vgcore {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """See what the gradients of deep networks do."""


def command(run: Callable[..., base.Result], picture: str) -> Callable[..., None]:
    """Make a command of an experiment's ``run``, which writes its picture to ``picture``."""
    hints = get_type_hints(run, include_extras=True)
    options = []
    for parameter in inspect.signature(run).parameters.values():
        if parameter.name == "meter":
            continue
        kind, about = get_args(hints[parameter.name])
        needed = parameter.default is inspect.Parameter.empty
        default = ... if needed else parameter.default  # typer's sign of what must be given
        options.append(_option(parameter.name, kind, default, about))
    options.append(_option("out", Path, Path(picture), "Where to write the picture."))

    def work(out: Path, **arguments: Any) -> None:
        try:
            plot.check_path(out)
            bars = _Bars()
            try:
                result = run(**arguments, meter=bars)
            finally:
                bars.end()
            result.picture().savefig(out)  # before a console may fail
        except (OSError, ValueError, ImportError) as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(1) from error
        with consoles.lasting():
            _show(result)
            print(f"Picture: {out}")

    work.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    work.__doc__ = (inspect.getdoc(run) or "").partition("\n\n")[0]
    return work


def _option(name: str, kind: Any, default: Any, about: str) -> inspect.Parameter:
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=typer.Option(default, help=about),
        annotation=kind,
    )


class _Bars(Progress):
    """A progress bar for each part of the work: a `Meter`. On stderr, for results go to stdout."""

    def __init__(self) -> None:
        columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
        stream: Any = consoles.Forgiving(sys.stderr)
        super().__init__(*columns, console=Console(file=stream))
        self._parts: dict[str, TaskID] = {}

    def __call__(self, part: str, done: int, whole: int) -> None:
        if not self._parts:
            self.start()
        if part not in self._parts:
            self._parts[part] = self.add_task(part)
        self.update(self._parts[part], completed=done, total=whole)

    def end(self) -> None:
        """Leave the bars as they are, if there are any; `stop` alone would print an empty line."""
        if self._parts:
            self.stop()


def _show(result: base.Result) -> None:
    console = Console(highlight=False, markup=False, emoji=False)

    def spelled(text: str, style: str = "") -> Text:
        return Text(consoles.spell(text, console.encoding), style)

    for content in result.tables():
        title = spelled(content.title, "bold")
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for place, name in enumerate(content.columns):
            table.add_column(spelled(name), justify="right" if place else "left")
        for row in content.rows:
            table.add_row(*map(spelled, row))
        console.print(table)
    for note in result.notes():
        console.print(spelled(note))


app.command("demo")(command(demo.run, "vgcore.png"))
experiments.command("nielsen")(command(nielsen.run, "nielsen.png"))
experiments.command("time")(command(time.run, "time.png"))
experiments.command("text")(command(text.run, "text.png"))
experiments.command("cures")(command(cures.run, "cures.png"))
