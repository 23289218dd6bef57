"""A live page without an install: a folder for any web server, whose Python runs in the browser."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

from vgcore import _validate, page
from vgcore._version import __version__
from vgcore.live import front
from vgcore.live.page import Live

PYODIDE_VERSION = "314.0.7"
PYODIDE_ADDRESS = (
    f"https://cdn.jsdelivr.net/pyodide/v{PYODIDE_VERSION}/full/"  # its own distribution
)
BUILDER = ".ci/pyodide_wheel.py"
_PACKAGE = Path(__file__).parents[1]
_LOCK = "pyodide-lock.json"
_RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip", _LOCK)
_WHEEL = re.compile(r"vgcore-(?P<version>[^-]+)-.*pyemscripten_\w+_wasm32\.whl")
_WRITTEN = ("index.html", "live.js", "page.py", "pyodide", "worker.js")
_SITE = "const SITE = "  # which worker.js begins with
_INSIDE = """<p>Loading … If nothing follows, this was opened as a file, which browsers run no such page from:
serve its folder, with <code>python -m http.server</code> for instance, and open the address.</p>"""

PathLike = str | os.PathLike[str]


def export(
    folder: PathLike,
    code: str | os.PathLike[str],
    *,
    wheel: PathLike | None = None,
    pyodide: PathLike | None = None,
) -> Path:
    """Write a live page as a static site: any web server, under any path, serves it where no Python is.

    Parameters
    ----------
    folder : str or path
        To write to: a new one, an empty one, or one that was written by this.
    code : str or path
        Python that makes ``page``, a live page, or a file of such, by its path or a name that ends in .py:
        the browser runs it again, with NumPy, vgcore and no other file.
    wheel : str or path, optional
        vgcore's wheel for Pyodide; left out, the newest in ``dist`` here, or in vgcore's own checkout.
    pyodide : str or path, optional
        Folder of Pyodide 314.0.7, with NumPy's wheel, or a zip file of it, from which what is needed is
        copied; left out, browsers get both from Pyodide's own address.

    Returns
    -------
    Path
        Of the site's index.html.

    Raises
    ------
    OSError
        If a file is not there or cannot be read, or ``folder`` cannot be written to.
    ValueError
        If ``code`` makes no page, ``folder`` holds other things, or the wheel, Pyodide and this vgcore do
        not belong together.
    """
    is_name = isinstance(code, str) and code.endswith(".py") and "\n" not in code
    source = (
        code if isinstance(code, str) and not is_name else Path(code).read_text(encoding="utf-8")
    )
    title = _made(source).title
    copied = wheel_at(wheel)
    needed = []
    if pyodide is not None:
        needed = _needed(Path(_validate.path("pyodide", pyodide)), copied.name)
    target = Path(_validate.path("folder", folder))
    _clear(target, [copied, *needed])
    shutil.copyfile(copied, target / copied.name)
    if needed:
        (target / "pyodide").mkdir()
    for path in needed:
        shutil.copyfile(path, target / "pyodide" / path.name)
    site = {
        "pyodide": "pyodide/" if needed else PYODIDE_ADDRESS,
        "numpy": needed[-1].name if needed else None,
        "wheel": copied.name,
    }
    texts = {
        "page.py": source,
        "worker.js": f"{_SITE}{json.dumps(site)};\n{page.script('worker.js')}",
        "live.js": front.module("site.js"),
        "index.html": front.html(title, inside=_INSIDE),
    }
    for name, text in texts.items():
        (target / name).write_text(text, encoding="utf-8")
    return target / "index.html"


def _made(code: str) -> Live:
    names: dict[str, Any] = {"__name__": "page"}
    try:
        exec(compile(code, "page.py", "exec"), names)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"code: expected Python that makes `page`, got {type(error).__name__}: {error}"
        ) from error
    if not isinstance(names.get("page"), Live):
        found = _validate.kind(names["page"]) if "page" in names else "none"
        raise ValueError(f"code: expected Python that makes `page`, a live page; got {found}")
    made: Live = names["page"]
    return made


def wheel_at(given: PathLike | None) -> Path:
    """Where vgcore's wheel for Pyodide is; OSError, ValueError if there is none that is right."""
    if given is None:
        folders = dict.fromkeys(
            each.resolve() / "dist" for each in (Path(), Path(__file__).parents[2])
        )
        found = [
            path for each in folders for path in each.glob(f"vgcore-{__version__}-*wasm32.whl")
        ]
        if not found:
            raise FileNotFoundError(
                f"wheel: expected vgcore's for Pyodide in {' or '.join(map(str, folders))}, got none; "
                f"{BUILDER} of vgcore's repository builds it"
            )
        path = max(found, key=lambda each: each.stat().st_mtime)
    else:
        path = Path(_validate.path("wheel", given))
        if not path.is_file():
            raise FileNotFoundError(
                f"wheel: expected a file, got {str(path)!r}; {BUILDER} of vgcore's repository builds it"
            )
    name = _WHEEL.fullmatch(path.name)
    if name is None or not is_zipfile(path):
        raise ValueError(f"wheel: expected vgcore's for Pyodide, got {str(path)!r}")
    if name["version"] != __version__:
        raise ValueError(
            f"wheel: expected one of vgcore {__version__}, as this is, got {name['version']}"
        )
    other = _other_source(path)
    if other is not None:
        raise ValueError(
            f"wheel: expected one of the vgcore that runs, got {str(path)!r}, whose {other} is another; "
            f"{BUILDER} of vgcore's repository builds it anew"
        )
    return path


def _other_source(wheel: Path) -> str | None:
    """A module that is not the same in a wheel as here; what is compiled cannot be compared."""
    with ZipFile(wheel) as archive:
        theirs = {name: archive.read(name) for name in archive.namelist() if _is_source(Path(name))}
    own = {
        path.relative_to(_PACKAGE.parent).as_posix(): path.read_bytes()
        for path in _PACKAGE.rglob("*")
        if _is_source(path)
    }
    other = (name for name in sorted(own | theirs) if own.get(name) != theirs.get(name))
    return next(other, None)


def _is_source(path: Path) -> bool:
    return path.suffix in (".py", ".js")


def _needed(folder: Path, wheel: str) -> list[Path]:
    """What a site needs of a copy of Pyodide, NumPy last."""
    expected = f"pyodide: expected a folder of Pyodide {PYODIDE_VERSION}"
    for name in _RUNTIME:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{expected}, with {name}, got {str(folder)!r}")
    abi = json.loads((folder / _LOCK).read_text(encoding="utf-8"))["info"]["abi_version"]
    if f"_{abi}_wasm32" not in wheel:
        raise ValueError(f"{expected}, which {wheel} is for, got one of ABI {abi}")
    numpy = [path for path in folder.iterdir() if re.fullmatch(r"numpy-.*\.(whl|zip)", path.name)]
    if not numpy:
        raise FileNotFoundError(f"{expected}, with numpy-*.whl or numpy-*.zip, got {str(folder)!r}")
    return [*(folder / name for name in _RUNTIME), max(numpy)]


def _clear(folder: Path, sources: Iterable[Path]) -> None:
    """Make the folder, or empty one that was exported to; ValueError if it holds anything else."""
    folder.mkdir(parents=True, exist_ok=True)
    inside = list(folder.iterdir())
    ours = not inside or _exported(folder)
    for path in inside:
        if not ours or (path.name not in _WRITTEN and not _WHEEL.fullmatch(path.name)):
            raise ValueError(
                "folder: expected an empty one, or one that was exported to before, "
                f"got {str(folder)!r} with {path.name}"
            )
    for path in sources:
        if folder.resolve() in path.resolve().parents:
            raise ValueError(
                f"folder: expected one without what is copied, got {str(path)!r} in it"
            )
    for path in inside:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _exported(folder: Path) -> bool:
    try:
        return (folder / "worker.js").read_bytes().startswith(_SITE.encode())
    except OSError:
        return False
