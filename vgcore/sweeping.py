"""The command `vgcore sweep`: a sweep that a TOML file describes."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from vgcore import _extras, _files, _validate, consoles, plot, sweeps
from vgcore.model import progress

_File = Annotated[Path, typer.Argument(help="What to train, and on which grid.")]
_Scheduler = Annotated[
    str | None,
    typer.Option(help="Of a cluster of Dask, such as tcp://host:8786; by default all CPUs here."),
]
_KEYS = ("train", "store", "repeats", "retries", "data", "grid", "picture")
_FUNCTIONS = ("train", "data")
_PICTURE = ("x", "y", "value", "log", "path")
_MADE: Mapping[str, Callable[..., Any]] = {
    "range": range,
    "uniform": sweeps.uniform,
    "loguniform": sweeps.loguniform,
}
_FAILURES = 3  # that are told


def command(file: _File, scheduler: _Scheduler = None) -> None:
    """Train on a grid, keep each result in an SQLite file, and go on with what is missing."""
    with consoles.failing_readably():
        given = _read(file)
        folder = file.resolve().parent
        picture = _picture(given.get("picture"), folder)
        sources: dict[str, str] = {name: given[name] for name in _FUNCTIONS if name in given}
        functions = {name: _function(name, spec, folder) for name, spec in sources.items()}
        store = folder / given["store"]
        options = {name: given[name] for name in ("repeats", "retries") if name in given}
        verbose: Any = "auto" if progress.watched() else 2
        with warnings.catch_warnings(), _executor(scheduler, sources, folder) as (executor, call):
            warnings.filterwarnings("ignore", ".* runs have failed, whose tracebacks")
            table = sweeps.sweep(
                functions["train"],
                {name: _values(name, each) for name, each in given["grid"].items()},
                store=store,
                executor=executor,
                data=call(functions["data"]) if "data" in functions else None,
                verbose=verbose,
                **options,
            )
    with consoles.lasting():
        _tell(table, store)
    if picture is not None:
        with consoles.failing_readably():
            path, columns = picture
            figure = plot.blank(6.4, 4.8)
            plot.heatmap(table, ax=figure.subplots(), **columns)
            figure.savefig(path)
        with consoles.lasting():
            print(f"Picture: {path}")
    if table.failures:
        raise typer.Exit(1)


def _read(file: Path) -> dict[str, Any]:
    """What a file says; ValueError where it is not what it should be."""
    parser = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    with _extras.needing("tomli", "reading TOML needs", "cli"):
        toml: Any = importlib.import_module(parser)
    try:
        given: dict[str, Any] = toml.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"file: expected TOML, got {file}: {error}") from error
    for name in given:
        _validate.one_of("file", name, _KEYS)
    for name, kind in (("train", str), ("store", str), ("grid", dict)):
        if not isinstance(given.get(name), kind):
            what = "a table" if kind is dict else "a text"
            raise ValueError(f"{name}: expected {what} in {file}, got {given.get(name)!r}")
    return given


def _function(argument: str, spec: Any, folder: Path) -> Callable[..., Any]:
    """The function that "file.py:function", beside the TOML file, or "package.module:function" names."""
    module, _, name = spec.rpartition(":") if isinstance(spec, str) else ("", "", "")
    if not module or not name:
        raise ValueError(f"{argument}: expected 'file.py:function', got {spec!r}")
    path = folder / module if module.endswith(".py") else None
    if path is not None:
        path.open("rb").close()  # raises, and says what is wrong with it
        sys.path.insert(0, str(path.parent))  # of the processes, too
        module = path.stem
    found = importlib.import_module(module)
    if path is not None and Path(str(found.__file__)).resolve() != path.resolve():
        raise ValueError(f"{argument}: expected a name that no other module has, got {path.name}")
    if not callable(getattr(found, name, None)):
        raise ValueError(f"{argument}: expected a function of {module}, got {name!r}")
    function: Callable[..., Any] = getattr(found, name)
    return function


def _values(name: str, given: Any) -> Any:
    """The values of a name: a list, or a table of what makes them."""
    if not isinstance(given, Mapping):
        return given
    argument, rest = f"grid.{name}", dict(given)
    when = rest.pop("when", None)
    made = rest.keys() & {"values", *_MADE}
    if len(rest) != 1 or not made:
        raise ValueError(
            f"{argument}: expected one of values, {', '.join(_MADE)}, and when; got {', '.join(given)}"
        )
    ((kind, values),) = rest.items()
    if kind in _MADE:
        if not isinstance(values, list):
            raise ValueError(f"{argument}.{kind}: expected a list of arguments, got {values!r}")
        try:
            values = _MADE[kind](*values)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{argument}.{kind}: {error}") from error
    if when is None:
        return values
    if not isinstance(when, Mapping):
        raise ValueError(f"{argument}.when: expected a table of names and values, got {when!r}")
    return sweeps.when(values, **when)


def _picture(given: Any, folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Where a picture goes, and which columns it is of; OSError where it cannot be written."""
    if given is None:
        return None
    if not isinstance(given, Mapping) or not {"x", "y", "value"} <= given.keys():
        raise ValueError(f"picture: expected a table with x, y and value, got {given!r}")
    for name in given:
        _validate.one_of("picture", name, _PICTURE)
    path = folder / given.get("path", "sweep.png")
    plot.check_path(path)
    _files.check_writable(path)
    return path, {name: value for name, value in given.items() if name != "path"}


@contextmanager
def _executor(
    scheduler: str | None, sources: Mapping[str, str], folder: Path
) -> Iterator[tuple[Any, Callable[[Callable[[], Any]], Any]]]:
    """Who is to do it, and what has data loaded: a cluster, where there is one, else nobody and ourselves."""
    if scheduler is None:
        yield None, lambda load: load()
        return
    with _extras.needing("distributed", "a cluster of Dask needs", "sweep"):
        from distributed import Client
    connect: Any = Client
    with connect(scheduler) as client:
        for file in {spec.rpartition(":")[0] for spec in sources.values()}:
            if file.endswith(".py"):
                client.upload_file(str(folder / file))
        yield client.get_executor(), client.submit


def _tell(table: sweeps.Table, store: Path) -> None:
    print(f"{len(table)} runs, {len(table.failures)} failed: {store}")
    for row in table.failures[:_FAILURES]:
        last = str(row.traceback).rstrip().splitlines()[-1]
        text = f"{row.config}, repeat {row.repeat}: {last}"
        print(consoles.spell(text, sys.stdout.encoding))
