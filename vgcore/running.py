"""The commands of experiments, made from each one's ``run``, and how a result is printed.

``run``'s parameters become options, their ``Annotated`` text the help. Every command writes its picture to
``--out`` and, where asked, a page and a record, too.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, get_args, get_type_hints

import typer
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from vgcore import _files, consoles, plot
from vgcore.experiments import NAMES, about, base, keep, records

_KEYWORD = inspect.Parameter.KEYWORD_ONLY


def listing() -> None:
    """Print the experiments: what each shows and whose it is."""
    rows = [(name, *about(name)) for name in NAMES]
    table = base.Table("", ("experiment", "shows", "source"), rows)
    with consoles.lasting():
        _print_table(_console(), table, numbers=False)


def command(name: str, experiment: ModuleType) -> Callable[..., None]:
    """The command of an experiment."""
    run = experiment.run
    hints = get_type_hints(run, include_extras=True)
    own = inspect.signature(run).parameters
    options = [_option_of(own[key], hints[key]) for key in own if key != "meter"]
    if "full" not in own:
        help_full = "Changes nothing: this experiment is always of its source's scale."
        options.append(_option("full", bool, False, help_full, "--full"))
    options += [
        _option("out", Path, Path(f"{name}.png"), "Where to write the picture."),
        _option("html", Path | None, None, "Write a page of it, too."),
        _option("json", Path | None, None, "Write its numbers, too."),
    ]

    def work(out: Path, html: Path | None, json: Path | None, **arguments: Any) -> None:
        given = {key: value for key, value in arguments.items() if key in own}
        with consoles.failing_readably():
            _check_apart({**arguments, "out": out, "html": html, "json": json})
            plot.check_path(out)
            for path in (html, json):
                if path is not None:
                    _files.check_writable(path)
            result, seconds = _run(name, run, given)
            figure = result.picture()
            figure.savefig(out)  # before a console may fail
            if html is not None or json is not None:
                record = records.record(name, experiment.ABOUT, result, given, seconds)
            if html is not None:
                records.write_page(html, record, records.png(figure))
            if json is not None:
                records.write_json(json, record)
        with consoles.lasting():
            _show(result)
            for what, where in (("Picture", out), ("Page", html), ("Numbers", json)):
                if where is not None:
                    print(f"{what}: {where}")

    work.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    what = (inspect.getdoc(run) or "").partition("\n\n")[0]
    work.__doc__ = f"{what}\n\nAfter {experiment.ABOUT.source}."
    return work


def _check_apart(arguments: Mapping[str, Any]) -> None:
    """ValueError where what is written would replace what is read, or what is written before it."""
    paths: dict[str, str] = {}
    for key, path in arguments.items():
        if isinstance(path, Path) and (path.is_file() or not path.exists()):
            other = paths.setdefault(os.path.realpath(path), key)
            if other != key:
                raise ValueError(
                    f"{key}: expected another file than --{other}, got {path} for both"
                )


def _run(
    name: str, run: Callable[..., base.Result], given: dict[str, Any]
) -> tuple[base.Result, float]:
    """Run with bars of progress; a run of the source's scale keeps what is finished."""
    if given.get("full") and "keep" in given:
        given["keep"] = given["keep"] or Path(f"{name}.parts")
        print(f"{keep.told(given['keep'])}.", file=sys.stderr)
    bars = _Bars()
    start = perf_counter()
    try:
        result = run(**given, meter=bars)
    except KeyboardInterrupt:
        if given.get("keep") is not None:
            print(f"Stopped: {keep.told(given['keep'])}.", file=sys.stderr)
        raise
    finally:
        bars.end()
    return result, perf_counter() - start


def _option_of(parameter: inspect.Parameter, hint: Any) -> inspect.Parameter:
    kind, help_text = get_args(hint)
    needed = parameter.default is inspect.Parameter.empty
    default = ... if needed else parameter.default  # typer's sign of what must be given
    flags = [f"--{parameter.name}"] if kind is bool else []
    return _option(parameter.name, kind, default, help_text, *flags)


def _option(name: str, kind: Any, default: Any, about: str, *flags: str) -> inspect.Parameter:
    return inspect.Parameter(
        name, _KEYWORD, default=typer.Option(default, *flags, help=about), annotation=kind
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
    console = _console()
    for table in result.tables():
        _print_table(console, table)
    for note in result.notes():
        console.print(_spelled(console, note))
    console.print(_spelled(console, f"\n{result}\n"))
    console.print(_spelled(console, f"Verdict: {result.verdict}", "bold"))


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _print_table(console: Console, content: base.Table, numbers: bool = True) -> None:
    """Print a table; ``numbers``: all columns but the first stand to the right.

    Where the console is too narrow for the words of a row side by side, they stand below each other.
    """
    title = _spelled(console, content.title, "bold") if content.title else None
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, name in enumerate(content.columns):
        justify: Any = "right" if numbers and place else "left"
        table.add_column(_spelled(console, name), justify=justify, overflow="fold")  # never cut
    for row in content.rows:
        table.add_row(*(_spelled(console, cell) for cell in row))
    table.show_header = False
    unbound = console.options.update_width(10_000)
    narrow = Measurement.get(console, unbound, table).minimum > console.width
    table.show_header = True
    if not narrow:
        console.print(table)
        return
    if title:
        console.print(title)
    for row in content.rows:
        lines = [f"{name}: {cell}" for name, cell in zip(content.columns, row, strict=True)]
        console.print(_spelled(console, "\n".join([*lines, ""])), overflow="fold")


def _spelled(console: Console, text: str, style: str = "") -> Text:
    return Text(consoles.spell(text, console.encoding), style)
