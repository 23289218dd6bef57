"""Scripts of the gallery run, and show every picture there is."""

import importlib.util
import runpy
from pathlib import Path

import matplotlib
import pytest

from vgcore import plot

matplotlib.use("Agg")
DOCS = Path(__file__).parents[2] / "docs"


def images():
    """The command that makes images of the gallery."""
    spec = importlib.util.spec_from_file_location("make_images", DOCS / "make_images.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPTS = images().scripts()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_makes_its_pictures(name, tmp_path, monkeypatch):
    from matplotlib import pyplot

    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(SCRIPTS[name]))
    code = SCRIPTS[name].read_text(encoding="utf-8").split('"""')[2]
    parts = [part for part in code.split("# %%") if ".plot" in part]
    moving = list(tmp_path.glob("*.gif"))
    figures = [pyplot.figure(number) for number in pyplot.get_fignums()]
    assert len(moving) + len(figures) == len(parts)
    assert all(path.stat().st_size > 2000 for path in moving)
    for figure in figures:
        figure.canvas.draw()
        assert any(ax.has_data() for ax in figure.axes)
    pyplot.close("all")


def test_the_gallery_shows_every_picture():
    text = "".join(path.read_text(encoding="utf-8") for path in SCRIPTS.values())
    elsewhere = {"blank", "check_path", "panels", "history"}  # helpers, and what History.plot draws
    called = {"flow": ".plot(", "time": ".plot_time("}
    for name in plot.__all__:
        assert name in elsewhere or called.get(name, f"vg.plot.{name}(") in text, name


def test_pages_show_images_of_the_gallery():
    shown = images().shown()
    assert shown and shown <= SCRIPTS.keys()
    assert {path.name for path in images().IMAGES.iterdir()} == {f"{name}.png" for name in shown}
