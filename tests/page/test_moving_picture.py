"""Pictures on a canvas, in a browser: what they show, say, and give away as files."""

from __future__ import annotations

import base64
import io
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.image
import numpy as np
import pytest
from browsers import browser

from vgcore import page

BEGIN = """
const shadow = document.body.attachShadow({ mode: "open" });
const grid = html("div", { class: "grid-of-pictures" });
shadow.append(html("style", {}, STYLE), grid);
const pictures = {};
const begin = (key) => void (pictures[key] = new MovingPicture(grid));
const show = (sent) => {
  if (!pictures[sent.key]) begin(sent.key);
  pictures[sent.key].show(sent);
};
Object.assign(globalThis, { begin, show, pictures });
"""


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser() as running:
        yield running


class Shown:
    """A page with pictures in a shadow root; whatever it complains of is noted."""

    def __init__(self, chrome: Any, path: Path, **options: Any) -> None:
        self.context = chrome.new_context(**{"viewport": {"width": 900, "height": 900}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(5000)
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri())
        self.folder = path.parent

    def show(self, sent: dict[str, Any]) -> None:
        self.page.evaluate("show", sent)

    def figure(self, place: int = 0) -> Any:
        return self.page.locator("figure").nth(place)

    def read(self) -> str:
        return str(self.figure().locator(".readout").inner_text())

    def pixels(self, key: str) -> np.ndarray:
        """What is on a picture's canvas: rows, columns, and of each red, green, blue and opacity."""
        url = self.page.evaluate("key => pictures[key].canvas.toDataURL()", key)
        shares = matplotlib.image.imread(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        return np.round(255 * shares).astype(np.uint8)

    def box(self, key: str) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a picture's plot."""
        box = self.page.evaluate("key => pictures[key].drawn.box", key)
        return box["left"], box["top"], box["right"], box["bottom"]

    def save(self, kind: str, place: int = 0) -> Path:
        with self.page.expect_download() as saved:
            self.figure(place).get_by_role("button", name=kind).click()
        path = self.folder / saved.value.suggested_filename
        saved.value.save_as(path)
        return path

    def end(self) -> None:
        assert self.complaints == []
        self.context.close()


@pytest.fixture
def opened(chrome: Any, tmp_path: Path) -> Iterator[Any]:
    pages: list[Shown] = []
    module = page.module(*page.MOVING, exports=("MovingPicture",))
    text = f"<!doctype html><meta charset=utf-8><body><script type=module>{module}{BEGIN}</script>"
    (tmp_path / "page.html").write_text(text, encoding="utf-8")

    def opening(**options: Any) -> Shown:
        pages.append(Shown(chrome, tmp_path / "page.html", **options))
        return pages[-1]

    yield opening
    for each in pages:
        each.end()


def lines(*values: list[float], **others: Any) -> dict[str, Any]:
    names = [f"layer{i}" for i in range(len(values[0]))]
    return {
        **{"key": "some", "kind": "lines", "title": "Gradient", "label": "dL/dz", "log": True},
        "x": {"names": names, "label": "layer"},
        "lines": [
            {"name": f"line {k}", "values": each, "look": {"hue": k}}
            for k, each in enumerate(values)
        ],
        **others,
    }


def heat(rows: int, columns: int, values: list[float], **others: Any) -> dict[str, Any]:
    return {
        **{"key": "map", "kind": "heat", "title": "Activations", "label": "bin", "share": True},
        "x": {"names": [f"layer{i}" for i in range(columns)], "label": "layer"},
        "rows": [f"row{i}" for i in range(rows)],
        "values": values,
        **others,
    }


def plane(values: list[float], **others: Any) -> dict[str, Any]:
    side = int(len(values) ** 0.5)
    return {
        **{"key": "plane", "kind": "plane", "title": "Decision boundary", "x": [-2, 2]},
        **{"y": [-1, 1], "labels": ["x1", "x2"], "size": [side, side], "values": values},
        **others,
    }


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def test_a_line_is_where_its_axis_says(opened: Any) -> None:
    shown = opened()
    shown.show(lines([1.0] * 30, log=False, share=True, lines=[
        {"name": "one", "values": [1.0] * 30, "look": {"hue": 1}, "strong": True}
    ]))  # fmt: skip
    pixels = shown.pixels("some")
    left, top, right, bottom = shown.box("some")
    y = round(bottom - (1.06 / 1.12) * (bottom - top))  # a share's axis goes from -0.06 to 1.06
    across = pixels[y, round(left) + 30 : round(right) - 30, :3].astype(int)
    assert (abs(across - rgb("#d55e00")).max(axis=1) < 30).mean() > 0.6  # it is dashed
    assert (pixels[y + 12, round(left) + 30 : round(right) - 30, 3] == 0).mean() > 0.9


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ratio", [1, 2])
def test_a_heatmap_has_matplotlibs_colours(opened: Any, scheme: str, ratio: int) -> None:
    shown = opened(color_scheme=scheme, device_scale_factor=ratio)
    values = [0.0, 0.25, 0.5, 0.75, 1.0, 0.1]
    shown.show(heat(2, 3, values))
    pixels = shown.pixels("map")
    left, top, right, bottom = (ratio * each for each in shown.box("map"))
    for i, value in enumerate(values):
        x = left + (i % 3 + 0.3) * (right - left) / 3
        y = bottom - (i // 3 + 0.3) * (bottom - top) / 2
        wanted = np.array(matplotlib.colormaps["viridis"]((value + 0.06) / 1.12)[:3]) * 255
        found = pixels[round(y), round(x)]
        assert found[3] == 255
        assert abs(found[:3] - wanted).max() < 20  # the page has nine colours, and mixes the rest


def test_what_an_axis_cannot_show_is_marked_and_counted(opened: Any) -> None:
    shown = opened()
    values = [0.0, 0.0, 1e-3, 1.0, np.inf, np.nan, np.nan, np.nan]
    shown.show(lines(values))
    legend = shown.figure().locator(".legend").inner_text()
    assert "0, on the lower edge (2)" in legend
    assert "infinite, on the upper edge (1)" in legend and "NaN, hatched (3)" in legend
    pixels, (left, top, right, bottom) = shown.pixels("some"), shown.box("some")
    width = (right - left) / len(values)
    hatched = pixels[:, round(left + 5.2 * width) : round(left + 7.8 * width), 3]
    inside = hatched[round(top) + 20 : round(bottom) - 20] > 60
    assert 0.1 < inside.mean() < 0.6 and (inside.any(axis=1)).all()
    mark = pixels[round(bottom) - 6, round(left + 1.5 * width), :3].astype(int)
    assert abs(mark - rgb("#0072b2")).max() < 30
    shown.show(heat(1, 8, values, log=True, share=False))
    assert shown.figure(1).locator(".legend li").all_inner_texts()[1:] == [
        *(" 0 (2)", " infinite (1)", " NaN (3)")
    ]


def test_the_keyboard_moves_the_cursor_and_what_is_read(opened: Any) -> None:
    shown = opened()
    told: list[Any] = []
    shown.page.expose_function("tell", lambda *where: told.append(list(where)))
    shown.page.evaluate("s => show({ ...s, choose: (i) => tell(i) })", lines([1.0, 0.25, 3e-7]))
    canvas = shown.figure().locator("canvas")
    assert canvas.get_attribute("role") == "slider"
    assert canvas.get_attribute("aria-label") == "Gradient"
    before = shown.pixels("some")
    canvas.focus()
    for key, reading in (("ArrowRight", "layer1: line 0 0.25"), ("End", "layer2: line 0 3e−7")):
        shown.page.keyboard.press(key)
        assert shown.read() == canvas.get_attribute("aria-valuetext") == reading
    assert canvas.get_attribute("aria-valuenow") == "2"
    assert (shown.pixels("some") != before).any()
    assert told == [[1], [2]]
    shown.show(lines([1.0, 0.25, 0.5]))
    shown.page.wait_for_timeout(200)
    assert shown.read() == "layer2: line 0 0.5"
    assert canvas.get_attribute("aria-valuetext") == "layer2: line 0 3e−7"  # it has the keyboard
    assert shown.page.evaluate("pictures.some.canvas.matches(':focus')")


def test_the_pointer_reads_while_the_picture_moves(opened: Any) -> None:
    shown = opened()
    shown.show(lines([1.0, 2.0, 3.0, 4.0]))
    left, top, right, bottom = shown.box("some")
    box = shown.figure().locator("canvas").bounding_box()
    shown.page.mouse.move(box["x"] + left + 0.6 * (right - left), box["y"] + (top + bottom) / 2)
    assert shown.read() == "layer2: line 0 3"
    shown.show(lines([1.0, 2.0, 5.0, 4.0]))
    shown.page.wait_for_timeout(200)
    assert shown.read() == "layer2: line 0 5"
    shown.page.mouse.move(1, 1)
    assert shown.read() == "layer0: line 0 1"


def test_axes_keep_still_until_something_does_not_fit(opened: Any) -> None:
    shown = opened()

    def range_of(*values: float) -> list[float]:
        shown.show(lines(list(values)))
        found = shown.page.evaluate("pictures.some.drawn.scale.range")
        return [found["low"], found["high"]]

    first = range_of(1e-6, 1e-3, 1.0)
    assert first[0] < -6 and first[1] > 0
    assert range_of(2e-6, 1e-3, 0.3) == first  # it fits, and fills more than half
    low, high = range_of(1e-9, 1e-3, 0.3)
    assert low < -9 and high == first[1]  # grown at once, where it had to
    assert range_of(1e-7, 1e-3, 0.3) == [low, high]
    assert range_of(1e-2, 0.1, 0.3)[0] > -4  # of what was, less than half is needed


def test_a_plane_has_points_of_two_shapes_over_its_shares(opened: Any) -> None:
    shown = opened()
    shares = [float(i % 8 >= 4) for i in range(64)]
    points = [-1.5, 0.5, 1.5, -0.5, 9.0, 9.0]
    shown.show(plane(shares, points=points, point_classes=[0, 1, 1]))
    pixels, (left, top, right, bottom) = shown.pixels("plane").astype(int), shown.box("plane")

    def at(x: float, y: float) -> np.ndarray:
        return pixels[
            round(bottom - (y + 1) / 2 * (bottom - top)), round(left + (x + 2) / 4 * (right - left))
        ]

    zero, one = rgb("#0072b2"), rgb("#d55e00")
    assert abs(at(-1.5, 0.5)[:3] - zero).max() < 10 and abs(at(1.5, -0.5)[:3] - one).max() < 10
    for place, hue in ((at(-1.2, -0.5), zero), (at(1.2, 0.5), one)):
        pale = 255 - 0.45 * (255 - hue)
        assert abs(place[:3] - pale).max() < 4 and place[3] == 255
    shown.figure().locator("canvas").focus()
    for _ in range(2):
        shown.page.keyboard.press("ArrowUp")
    shown.page.keyboard.press("End")
    assert shown.read() == "x1 1.75: x2 −0.375 1"
    marks = (
        shown.figure()
        .locator(".legend path")
        .evaluate_all("all => all.map(e => e.attributes.d.value)")
    )
    assert len(set(marks[:2])) == 2
    shown.show(plane([float(i % 3) for i in range(9)], classes=3, key="three"))
    assert len(shown.figure(1).locator(".legend li").all_inner_texts()) == 3


PICTURES = {
    "some": lines(
        [0.0, 1e-4, 1e-2, np.inf, np.nan, 1.0],
        [1e-3, 2e-3, 1e-2, 0.1, 0.2, 0.5],
        guide=1e-3,
        note="a note that is long enough to be broken where the picture ends, " * 3,
    ),
    "map": heat(4, 5, [0.0, np.nan, *np.linspace(0, 1, 17), np.inf], absent=[0] * 19 + [1]),
    "plane": plane(
        list(np.linspace(0, 1, 64)), points=[0, 0, 1, 0.5], point_classes=[0, 1]
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", list(PICTURES))
def test_files_say_what_they_show_and_are_alike(opened: Any, key: str) -> None:
    shown = opened(color_scheme="dark")
    shown.show(PICTURES[key])
    svg, png = shown.save("SVG"), shown.save("PNG")
    assert (svg.name, png.name) == (f"{key}.svg", f"{key}.png")
    text = svg.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert "var(" not in text
    ids = {each.get("id") for each in root.iter("{http://www.w3.org/2000/svg}pattern")}
    assert all(f"url(#{name})" in text for name in ids) and text.count("url(#") >= len(ids)
    letters = "".join("".join(root.itertext()).split())  # spaces between parts are room
    assert "".join(PICTURES[key]["title"].split()) in letters
    for entry in shown.figure().locator(".legend li").all_inner_texts():
        assert "".join(entry.split()) in letters
    painted = matplotlib.image.imread(png)[..., :3]
    viewed = shown.context.new_page()
    width, height = (int(float(root.get(side, ""))) for side in ("width", "height"))
    viewed.set_viewport_size({"width": width, "height": height})
    viewed.goto(svg.as_uri())
    drawn = matplotlib.image.imread(io.BytesIO(viewed.screenshot()))[..., :3]
    assert (drawn[0, 0] == 1).all() and (painted[0, 0] == 1).all()
    half = painted[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
    differ = abs(half - drawn).max(axis=2) > 0.4
    assert painted.shape[0] == 2 * np.ceil(float(root.get("height", "")))
    assert differ.mean() < 0.01  # edges of letters and lines


@pytest.mark.parametrize("width", [900, 360])
def test_it_is_as_wide_as_there_is_room(opened: Any, width: int) -> None:
    shown = opened(viewport={"width": width, "height": 700})
    for sent in PICTURES.values():
        shown.show(sent)
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    for key in PICTURES:
        assert (
            shown.page.evaluate("key => pictures[key].drawn.width", key) == width - 16
            or width > 600
        )
    shown.page.set_viewport_size({"width": 500, "height": 700})
    shown.page.wait_for_function(
        "pictures.some.drawn.width > 400 && pictures.some.drawn.width <= 500"
    )


def test_it_follows_the_scheme_of_the_page_or_of_its_host(opened: Any) -> None:
    shown = opened(color_scheme="light")
    shown.show(lines([1.0, 0.1, 1.0]))

    def brightness() -> float:
        pixels = shown.pixels("some")
        return float(pixels[pixels[..., 3] > 250, 0].mean())

    light = brightness()
    shown.page.emulate_media(color_scheme="dark")
    shown.page.wait_for_timeout(100)
    dark = brightness()
    assert dark > light + 40
    shown.page.evaluate("document.body.dataset.scheme = 'light'; pictures.some.recolour();")
    assert brightness() == light


def test_the_table_has_the_numbers_and_follows(opened: Any) -> None:
    shown = opened()
    shown.show(lines([1.0, 2e-5], [np.nan, 3.0]))
    shown.figure().get_by_text("Numbers of this picture").click()
    rows = shown.figure().locator("tbody tr")
    rows.first.wait_for()
    assert rows.nth(1).inner_text().split("\t") == ["layer1", "2e−5", "3"]
    shown.show(lines([1.0, 7.0], [np.nan, 3.0]))
    shown.page.wait_for_timeout(400)
    assert rows.nth(1).inner_text().split("\t") == ["layer1", "7", "3"]


def test_looks_are_told_apart(opened: Any) -> None:
    shown = opened()
    looks = [{"hue": 0}, {"hue": "theory"}, {"hue": "faint"}, {"hue": 2, "dash": "1 1"}]
    each = [{"name": json.dumps(look), "values": [1.0, 2.0], "look": look} for look in looks]
    shown.show(lines([1.0, 2.0], lines=each))
    styles = shown.figure().locator(".legend path.line").evaluate_all(
        "all => all.map(e => [getComputedStyle(e).stroke, getComputedStyle(e).strokeDasharray].join())"
    )  # fmt: skip
    assert len(set(styles)) == 4 and styles[3].endswith("1px, 1px")
    assert shown.figure().locator(".legend path.marker").count() == 2


def test_before_its_first_frame_it_bears_everything(opened: Any) -> None:
    shown = opened()
    shown.page.evaluate("begin('some')")
    shown.figure().locator("canvas").hover()
    shown.figure().locator("canvas").click()
    shown.figure().get_by_text("Numbers of this picture").click()
    shown.figure().get_by_role("button", name="SVG").click()
    shown.show(lines([1.0, 0.1]))
    assert shown.read() == "layer0: line 0 1"


def test_taken_off_the_page_it_leaves_nothing_behind(opened: Any) -> None:
    shown = opened()
    shown.show(lines([1.0, 0.1]))
    shown.show(lines([1.0, 0.2]))
    shown.page.evaluate("pictures.some.remove()")
    shown.page.wait_for_timeout(1200)
    assert shown.page.locator("figure").count() == 0
