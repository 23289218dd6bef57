"""A live page as a static site: Python runs in the browser, and its numbers are those of here."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from browsers import browser

import vgcore as vg
from vgcore._version import __version__
from vgcore.live import site
from vgcore.live.packing import unpack

WHEEL = f"vgcore-{__version__}-cp311-abi3-pyemscripten_2026_0_wasm32.whl"
CODE = """
import numpy as np
import vgcore as vg

count = 0


def frame(params):
    global count
    count += 1
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 2)), rng.integers(0, 2, 50)
    layers = [vg.Dense(10, "tanh") for _ in range(params["depth"])]
    model = vg.Sequential([*layers, vg.Dense(2, "softmax")], input_shape=2, seed=0)
    model.compile("sparse_categorical_crossentropy", "adam")
    flow = model.gradient_flow(x, y)
    note = f"frame {count}: {flow.delta[0, 0]:.6e}"
    return vg.live.lines("Gradient", flow.delta[0], flow.layers, log=True, note=note)


page = vg.live.Page(frame, [vg.live.Slider("depth", 1, 9, 5, integer=True)], title="A <site>", plays=True)
if __name__ == "__main__":
    page.serve()
"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A stand-in: what is checked of a wheel before a browser sees it."""
    path = tmp_path / "wheels" / WHEEL
    path.parent.mkdir()
    package = Path(vg.__file__).parent
    with ZipFile(path, "w") as archive:
        for each in package.rglob("*"):
            if each.suffix in (".py", ".js"):
                archive.write(each, each.relative_to(package.parent))
    return path


@pytest.fixture
def pyodide(tmp_path: Path) -> Path:
    """A stand-in for a copy of Pyodide."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip"):
        (folder / name).write_text(name)
    (folder / "pyodide-lock.json").write_text('{"info": {"abi_version": "2026_0"}}')
    (folder / "numpy-2.4.6-pyodide.zip").write_text("numpy")
    (folder / "console.html").write_text("not needed")
    return folder


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


OWN = {"index.html", "live.js", "page.py", "worker.js", WHEEL}


def test_a_site_holds_what_it_needs(tmp_path: Path, wheel: Path, pyodide: Path) -> None:
    folder = tmp_path / "new" / "site"
    assert vg.live.export(folder, CODE, wheel=wheel, pyodide=pyodide) == folder / "index.html"
    local = {path.name for path in pyodide.iterdir()} - {"console.html"}
    assert files(folder) == OWN | {f"pyodide/{name}" for name in local}
    assert "https:" not in (folder / "worker.js").read_text(encoding="utf-8")
    html = (folder / "index.html").read_text(encoding="utf-8")
    assert "<title>A &lt;site&gt;</title>" in html and "http.server" in html
    vg.live.export(folder, CODE, wheel=wheel)  # again, from Pyodide's own address
    assert files(folder) == OWN
    assert site.PYODIDE_ADDRESS in (folder / "worker.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [Path, str])
def test_code_may_be_a_file(tmp_path: Path, wheel: Path, kind: Any) -> None:
    (tmp_path / "lecture.py").write_text(CODE, encoding="utf-8")
    index = vg.live.export(tmp_path / "site", kind(tmp_path / "lecture.py"), wheel=wheel)
    assert index.with_name("page.py").read_text(encoding="utf-8") == CODE


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("pag = 1", "code: expected Python that makes `page`, a live page; got none"),
        ("page = 1", "a live page; got .*int"),
        ("page = (", "code: .*SyntaxError"),
        ("import sys; sys.exit()", "code: .*SystemExit"),
        ("import vgcore.nowhere", "code: .*ModuleNotFoundError.*nowhere"),
    ],
)
def test_code_that_makes_no_page_is_refused(
    tmp_path: Path, wheel: Path, code: str, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        vg.live.export(tmp_path / "site", code, wheel=wheel)
    assert not (tmp_path / "site").exists()


def other_folder(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    folder.mkdir()
    (folder / "thesis.tex").write_text("all of it")
    return {}


def folder_with_the_same_names(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    shutil.copytree(pyodide, folder / "pyodide")
    return {"pyodide": folder / "pyodide"}


def folder_that_it_is_copied_from(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    vg.live.export(folder, CODE, wheel=wheel, pyodide=pyodide)
    return {"pyodide": folder / "pyodide"}


def file_for_folder(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    folder.write_text("a file")
    return {}


def wheel_that_is_not_there(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    return {"wheel": wheel.with_name("none.whl")}


def wheel_for_another_machine(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    return {"wheel": wheel.rename(wheel.with_name("vgcore-0.1.0-cp311-abi3-linux_x86_64.whl"))}


def wheel_of_another_version(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    return {"wheel": wheel.rename(wheel.with_name(WHEEL.replace(__version__, "99.0")))}


def wheel_of_other_sources(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    with ZipFile(wheel, "a") as archive:
        archive.writestr("vgcore/added.py", "")
    return {"wheel": wheel}


def wheel_that_is_none(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    wheel.write_text("<html>not found</html>")
    return {}


def pyodide_without_its_module(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    (pyodide / "pyodide.mjs").unlink()
    return {"pyodide": pyodide}


def pyodide_without_numpy(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    (pyodide / "numpy-2.4.6-pyodide.zip").unlink()
    return {"pyodide": pyodide}


def pyodide_of_another_abi(folder: Path, wheel: Path, pyodide: Path) -> dict[str, Any]:
    (pyodide / "pyodide-lock.json").write_text('{"info": {"abi_version": "2025_0"}}')
    return {"pyodide": pyodide}


@pytest.mark.parametrize(
    ("prepare", "error", "says"),
    [
        (other_folder, ValueError, "folder: .* with thesis.tex"),
        (folder_with_the_same_names, ValueError, "folder: .* with pyodide"),
        (folder_that_it_is_copied_from, ValueError, "folder: .*pyodide.mjs' in it"),
        (file_for_folder, OSError, "site"),
        (wheel_that_is_not_there, OSError, "wheel: .*none.whl.*pyodide_wheel.py.* builds it"),
        (wheel_for_another_machine, ValueError, "wheel: .*linux"),
        (wheel_of_another_version, ValueError, f"wheel: .*{__version__}.* got 99.0"),
        (wheel_of_other_sources, ValueError, "whose vgcore/added.py is another; .* builds it anew"),
        (wheel_that_is_none, ValueError, "wheel: expected vgcore's for Pyodide, got"),
        (pyodide_without_its_module, OSError, "pyodide: .*314.*with pyodide.mjs, got"),
        (pyodide_without_numpy, OSError, "pyodide: .*numpy-"),
        (pyodide_of_another_abi, ValueError, "pyodide: .*got one of ABI 2025_0"),
    ],
)
def test_what_is_not_right_is_refused_and_nothing_changes(
    tmp_path: Path,
    wheel: Path,
    pyodide: Path,
    prepare: Callable[[Path, Path, Path], dict[str, Any]],
    error: type[Exception],
    says: str,
) -> None:
    folder = tmp_path / "site"
    given = {"wheel": wheel, **prepare(folder, wheel, pyodide)}
    before = files(tmp_path)
    with pytest.raises(error, match=says):
        vg.live.export(folder, CODE, **given)
    assert files(tmp_path) == before


def test_the_newest_wheel_in_dist_is_found(
    tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "__file__", str(tmp_path / "a" / "b" / "c.py"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"wheel: .* in .*dist, got none; .* builds it"):
        vg.live.export(tmp_path / "site", CODE)
    (tmp_path / "dist").mkdir()
    for minute, name in enumerate((WHEEL, WHEEL.replace("2026_0", "2027_0"))):
        path = shutil.copyfile(wheel, tmp_path / "dist" / name)
        os.utime(path, (60 * minute, 60 * minute))
    vg.live.export(tmp_path / "site", CODE)
    assert WHEEL.replace("2026_0", "2027_0") in files(tmp_path / "site")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def real(tmp_path: Path) -> dict[str, Path]:
    """The wheel that was built, and a folder of npm's Pyodide and NumPy for it."""
    given = os.environ.get("VGCORE_PYODIDE")
    if given is None:
        pytest.skip("VGCORE_PYODIDE names no folder of Pyodide and NumPy for it")
    try:
        return {"wheel": site.wheel_at(None), "pyodide": Path(given)}
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_python_in_the_browser_says_the_same_as_here(tmp_path: Path) -> None:
    vg.live.export(tmp_path / "course" / "site", CODE, **real(tmp_path))
    names: dict[str, Any] = {}
    exec(CODE, names)
    (picture,) = unpack(names["page"].frame({}))["pictures"]
    number = picture["note"].partition(": ")[2]
    with browser() as chromium, served(tmp_path) as address:
        tab = chromium.new_page()
        asked: list[str] = []
        said: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.goto(f"{address}/course/site/")
        tab.get_by_role("status").get_by_text("Loading").wait_for()
        tab.get_by_text(number).first.wait_for(timeout=60_000)
        assert all(url.startswith(f"{address}/course/site/") for url in asked)
        assert said == []


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda folder: (folder / "page.py").write_text("import nowhere"),
            "No module named 'nowhere'",
        ),
        (lambda folder: (folder / WHEEL).unlink(), "could not be loaded: 404"),
        (
            lambda folder: (folder / "pyodide" / "pyodide.mjs").unlink(),
            "pyodide.mjs could not be loaded",
        ),
    ],
)
def test_the_page_says_what_lacks(
    tmp_path: Path, spoil: Callable[[Path], object], says: str
) -> None:
    vg.live.export(tmp_path, CODE, **real(tmp_path))
    spoil(tmp_path)
    with browser() as chromium, served(tmp_path) as address:
        tab = chromium.new_page()
        tab.goto(address)
        tab.get_by_role("status").get_by_text(says).wait_for(timeout=60_000)


def test_a_site_that_is_opened_as_a_file_says_how(tmp_path: Path, wheel: Path) -> None:
    index = vg.live.export(tmp_path / "site", CODE, wheel=wheel)
    with browser() as chromium:
        tab = chromium.new_page()
        tab.goto(index.as_uri())
        assert "python -m http.server" in tab.inner_text("main")
