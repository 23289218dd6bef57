"""The commands of `vgcore`: those of experiments (running.py) those for saved files, `live` and `sweep`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vgcore import _files, consoles, running, serving, sweeping
from vgcore._version import __version__
from vgcore.diagnosis import Diagnosis
from vgcore.experiments import NAMES, module
from vgcore.flow import GradientFlow
from vgcore.model import Sequential
from vgcore.reporting import report
from vgcore.reporting.files import arrays_of, opened


class _Commands(Mapping[str, Any]):
    """The commands of experiments: one is imported where it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if name not in NAMES:
            raise KeyError(name)
        alone = typer.Typer(add_completion=False)
        alone.command(name)(running.command(name, module(name)))
        return typer.main.get_command(alone)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


class _Experiments(TyperGroup):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Commands()  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(
    typer.Typer(cls=_Experiments, no_args_is_help=True, help="Run an experiment."), name="run"
)


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


_Files = Annotated[list[str], typer.Argument(help="Saved models or records; several as NAME=FILE.")]
_Out = Annotated[Path, typer.Option(help="Where to write the page.")]


@app.command("report")
def _report(files: _Files, out: _Out = Path("run.html")) -> None:
    """Write a report of saved records and a saved model: one HTML page with pictures to explore."""
    with consoles.failing_readably():
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
    with consoles.failing_readably():
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


app.command("live")(serving.command)
app.command("sweep")(sweeping.command)
app.command("list")(running.listing)
app.command("demo")(running.command("demo", module("demo")))
