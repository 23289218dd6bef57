"""The page of pictures runs from top to bottom, and shows every picture there is."""

import importlib.util
import re
from pathlib import Path

import matplotlib

from vgcore import plot

matplotlib.use("Agg")
DOCS = Path(__file__).parents[1] / "docs"


def command():
    spec = importlib.util.spec_from_file_location("make_pictures", DOCS / "make_pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_makes_its_images(tmp_path):
    page = DOCS / "pictures.md"
    made = command().run(page, tmp_path)
    shown = re.findall(r"^!\[.+\]\((.+)\)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [path.relative_to(tmp_path).as_posix() for path in made] == shown
    assert len(set(shown)) == len(shown)
    assert all(path.stat().st_size > 2000 for path in made)
    assert sum(path.stat().st_size for path in made) < 2e6
    assert all((DOCS / name).is_file() for name in shown)


def test_the_page_shows_every_picture():
    text = (DOCS / "pictures.md").read_text(encoding="utf-8")
    elsewhere = {"blank", "check_path", "panels", "history"}  # helpers, and what History.plot draws
    called = {"flow": ".plot(", "time": ".plot_time("}
    for name in plot.__all__:
        assert name in elsewhere or called.get(name, f"vg.plot.{name}(") in text, name
