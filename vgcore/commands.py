"""The commands of `vgcore`: one for each experiment, made from its ``run``, and those for saved files.

``run``'s parameters become options, their ``Annotated`` text the help; every command writes its
picture to ``--out``. To add an experiment, add its line at the end of this file.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from vgcore import _files, consoles, plot
from vgcore._version import __version__
from vgcore.diagnosis import Diagnosis
from vgcore.experiments import base, cures, demo, nielsen, text, time
from vgcore.flow import GradientFlow
from vgcore.model import Sequential
from vgcore.reporting import report
from vgcore.reporting.files import arrays_of, opened

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
        with _failing_readably():
            plot.check_path(out)
            bars = _Bars()
            try:
                result = run(**arguments, meter=bars)
            finally:
                bars.end()
            result.picture().savefig(out)  # before a console may fail
        with consoles.lasting():
            _show(result)
            print(f"Picture: {out}")

    work.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    work.__doc__ = (inspect.getdoc(run) or "").partition("\n\n")[0]
    return work


@contextmanager
def _failing_readably() -> Iterator[None]:
    """Say in a line what was wrong with what was asked for, and end."""
    try:
        yield
    except (OSError, ValueError, TypeError, ImportError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


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


_Files = Annotated[list[str], typer.Argument(help="Saved models or records; several as NAME=FILE.")]
_Out = Annotated[Path, typer.Option(help="Where to write the page.")]


@app.command("report")
def _report(files: _Files, out: _Out = Path("run.html")) -> None:
    """Write a report of saved records and a saved model: one HTML page with pictures to explore."""
    with _failing_readably():
        _files.check_writable(out)
        model, flows = _opened(files)
        report(out, model=model, flow=flows or None)
        print(f"Report: {out}")


@app.command("diagnose")
def _diagnose(
    file: Annotated[Path, typer.Argument(help="A saved model or record.")],
    data: Annotated[
        Path | None,
        typer.Option(help="For a model: .npz with arrays x, y and, if needed, lengths."),
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--report", help="Write a report to this page, too.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long it may take, at most.")] = 20,
) -> None:
    """Say what is wrong with a saved network, where, why, and which cures help."""
    with _failing_readably():
        if page is not None:
            _files.check_writable(page)
        held = opened(file)
        found = _diagnosed(held, data, seconds)
        if page is not None:
            kind = "model" if isinstance(held, Sequential) else "flow"
            report(page, diagnosis=found, **{kind: held})  # type: ignore[arg-type]
    with consoles.lasting():
        _print(str(found))
        if page is not None:
            print(f"Report: {page}")


def _opened(given: list[str]) -> tuple[Sequential | None, dict[str, GradientFlow]]:
    """The one model and the records of FILE or NAME=FILE; a single record needs no name."""
    model, flows = None, {}
    for each in given:
        name, _, path = each.rpartition("=") if not Path(each).exists() else ("", "", each)
        held = opened(path)
        if isinstance(held, GradientFlow):
            name = name or Path(path).stem
            if name in flows:
                raise ValueError(
                    f"files: expected a name for each record, NAME=FILE, got {name!r} twice"
                )
            flows[name] = held
        elif model is not None:
            raise ValueError(f"files: expected one model at most, got {path!r} beside another")
        else:
            model = held
    return model, flows


def _diagnosed(held: Sequential | GradientFlow, data: Path | None, seconds: float) -> Diagnosis:
    if isinstance(held, GradientFlow):
        if data is not None:
            raise ValueError(
                "data: expected none for a record, which holds all that there is to look at"
            )
        return held.diagnose()
    if data is None:
        raise ValueError("data: expected --data FILE.npz with arrays x and y, for a model has none")
    arrays = arrays_of(data)
    return held.diagnose(arrays["x"], arrays["y"], arrays.get("lengths"), seconds=seconds)


def _print(text: str) -> None:
    for line in text.splitlines():
        print(consoles.spell(line, sys.stdout.encoding))


app.command("demo")(command(demo.run, "vgcore.png"))
experiments.command("nielsen")(command(nielsen.run, "nielsen.png"))
experiments.command("time")(command(time.run, "time.png"))
experiments.command("text")(command(text.run, "text.png"))
experiments.command("cures")(command(cures.run, "cures.png"))
