"""The playground for every reader: by keyboard, screen reader, in the dark, on a phone; pictures as files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from browsers import browser
from PIL import Image
from tabs import Tab, close, opened

import vgcore as vg
from vgcore.live import networks

SMALL = {"data": "circles", "depth": 3, "width": 8}
AXE = "axe-core@4.14.1"
FOCUSED = """() => {
  const element = document.querySelector(".vgcore").shadowRoot.activeElement;
  if (!element) return null;
  const name = element.dataset.name || element.getAttribute("aria-label") || element.textContent;
  return [element.tagName, name];
}"""
SPILT = """(width) => {
  const all = [...document.querySelector(".vgcore").shadowRoot.querySelectorAll(".live *")];
  const wrong = all.filter((element) => {
    const {left, right, width: own} = element.getBoundingClientRect();
    const inline = getComputedStyle(element).display === "inline";
    const cut = !inline && element.scrollWidth > element.clientWidth + 1;
    return own && (right > width + 1 || left < -1 || cut) && !element.closest(".numbers, pre, canvas");
  });
  return wrong.map((element) => element.outerHTML.slice(0, 100));
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core, which knows what keeps people from reading a page, from npm."""
    folder, npm = tmp_path_factory.mktemp("npm"), shutil.which("npm")
    ran = npm and subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, AXE],
        capture_output=True,
        check=False,
        timeout=120,
    )
    if not ran or ran.returncode:
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up("npm does not give axe-core")
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


def test_all_is_reached_and_moved_by_the_keyboard_alone(chromium: Any) -> None:
    with opened(chromium, vg.live.playground(**SMALL)) as tab:
        tab.until(tab.shown, "a frame")
        keyboard = tab.page.keyboard
        shown = [each.name for each in networks.CONTROLS if tab.control(each.name).is_visible()]
        wanted = [
            "scene",
            "Pause",
            "Step",
            "Reset",
            "speed",
            "compare",
            "Copy as Python",
            "Copy link",
        ]
        wanted += ["Settings", *shown, "PNG", "SVG", "Gradient", "Numbers of this picture", "Loss"]
        reached: list[str] = []
        while "Gradients by magnitude" not in reached:
            keyboard.press("Tab")
            found = tab.page.evaluate(FOCUSED)
            assert found, f"nothing has the focus after {reached[-1:]}"
            reached.append(found[1])
            assert len(reached) < 200
        places = [reached.index(name) for name in wanted]
        assert places == sorted(places)
        tab.page.reload()
        tab.find(".toolbar").wait_for()
        tab.until(tab.shown, "a frame")
        for _ in range(2):
            keyboard.press("Tab")
        keyboard.press("Enter")  # on Pause
        tab.paused()
        keyboard.press("Tab")
        [step] = tab.shown() or [0]
        keyboard.press("Space")
        tab.until(lambda: tab.shown() == [step + 1], "a step")
        tab.control("depth").focus()
        tab.restarted(lambda: keyboard.press("ArrowRight"))
        assert tab.settings[0]["depth"] == 4


def test_a_pictures_cursor_moves_and_says_what_it_reads(chromium: Any) -> None:
    with opened(chromium, vg.live.playground(**SMALL)) as tab:
        tab.paused()
        values = tab.table("delta")["now"]
        canvas = tab.picture("delta").locator("canvas")
        canvas.focus()
        for key, place in (("ArrowLeft", 3), ("Home", 1), ("ArrowRight", 2), ("End", 4)):
            tab.page.keyboard.press(key)
            told = tab.until(
                lambda place=place: tab.reading("delta").get("") == place and tab.reading("delta"),
                f"the values of layer {place}",
            )
            assert close(told["now"], values[place - 1])
            assert canvas.get_attribute("aria-valuenow") == str(place - 1)
            readout = tab.picture("delta").locator(".readout").inner_text()
            assert canvas.get_attribute("aria-valuetext") == readout
        assert canvas.get_attribute("role") == "slider"
        assert canvas.get_attribute("aria-label") == "Gradient"
        tab.until(lambda: tab.picture("activations").count(), "a map")
        chart = tab.picture("activations").locator("canvas")
        chart.focus()
        before = tab.picture("activations").locator(".readout").inner_text()
        tab.page.keyboard.press("ArrowUp")
        tab.until(
            lambda: tab.picture("activations").locator(".readout").inner_text() != before,
            "another row",
        )


def test_every_control_has_a_name_and_what_changes_is_told(chromium: Any) -> None:
    with opened(chromium, vg.live.playground(data="adding", cell="LSTM", length=9, width=8)) as tab:
        tab.until(tab.shown, "a frame")
        roles = {"slider": "Slider", "combobox": "Choice", "checkbox": "Switch", "textbox": "Text"}
        for control in networks.CONTROLS:
            shown = control.is_shown(tab.settings[0])
            assert tab.control(control.name).is_visible() == shown, control.name
            if not shown:
                continue
            [role] = [role for role, kind in roles.items() if kind == type(control).__name__]
            assert tab.page.get_by_role(role, name=control.label, exact=True).count() == 1
        assert tab.page.get_by_role("combobox", name="Scene").count() == 1
        assert tab.page.get_by_role("combobox", name="Speed").count() == 1
        assert tab.page.get_by_role("checkbox", name="compare two networks").count() == 1
        assert tab.find('[aria-live="polite"]').count() >= 1
        assert tab.find('.seen [role="alert"]').count() == 1
        labels = tab.find("canvas").evaluate_all("(all) => all.map((each) => each.ariaLabel)")
        titles = tab.find("figcaption strong").all_inner_texts()
        assert labels == titles and len(set(labels)) == len(labels)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Any, axe: str, scheme: str) -> None:
    with opened(chromium, vg.live.playground("sigmoid_depth"), color_scheme=scheme) as tab:
        tab.find(".verdict.ill .cure").first.wait_for()
        tab.find("details.behind summary").first.click()
        tab.page.evaluate(axe)
        found = tab.page.evaluate("async () => (await axe.run()).violations")
        assert [(each["id"], [node["html"][:90] for node in each["nodes"]]) for each in found] == []


def brightness(tab: Tab) -> float:
    """Of the page's background, from 0 to 1."""
    corner = tab.page.screenshot(clip={"x": 0, "y": 0, "width": 8, "height": 8})
    return float(pixels(corner).mean() / 255)


def test_a_page_is_dark_where_its_reader_is(chromium: Any) -> None:
    for scheme, dark in (("dark", True), ("light", False)):
        with opened(chromium, vg.live.playground(**SMALL), color_scheme=scheme) as tab:
            tab.until(tab.shown, "a frame")
            assert (brightness(tab) < 0.3) == dark
            assert brightness(tab) < 0.3 or brightness(tab) > 0.9
            before = tab.paused() and tab.drawn()
            tab.page.emulate_media(color_scheme="light" if dark else "dark")
            tab.until(lambda dark=dark: (brightness(tab) < 0.3) != dark, "the other scheme")
            tab.until(lambda before=before: tab.drawn() != before, "pictures in it")


@pytest.mark.parametrize("scene", ["sigmoid_depth", "rnn_lstm"])
def test_nothing_spills_on_a_phone(chromium: Any, scene: str) -> None:
    with opened(chromium, vg.live.playground(scene), viewport={"width": 360, "height": 740}) as tab:
        tab.find(".cure").first.wait_for()
        tab.picture("predictionB" if scene == "sigmoid_depth" else "time").wait_for()
        for folded in (True, False):
            if not folded:
                tab.find("summary").first.click()
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
            assert tab.page.evaluate(SPILT, 360) == []
        box = tab.picture("delta").locator("canvas").bounding_box()
        assert box["width"] > 300


def pixels(png: bytes) -> Any:
    """The colours of a PNG file's pixels."""
    return np.asarray(Image.open(BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("key", ["delta", "prediction", "gradients"])
def test_pictures_are_files_with_title_and_legend(chromium: Any, tmp_path: Path, key: str) -> None:
    with opened(chromium, vg.live.playground(**SMALL), color_scheme="dark") as tab:
        tab.paused()
        picture = tab.picture(key)
        picture.wait_for()
        title = picture.locator("strong").inner_text()
        made = {}
        for kind in ("PNG", "SVG"):
            with tab.page.expect_download() as waiting:
                picture.get_by_role("button", name=kind, exact=True).click()
            path = tmp_path / waiting.value.suggested_filename
            waiting.value.save_as(path)
            assert path.name == f"{key}.{kind.lower()}"
            made[kind] = path
        root = ElementTree.parse(made["SVG"]).getroot()
        space = "{http://www.w3.org/2000/svg}"
        assert root.tag == f"{space}svg" and root.findtext(f"{space}title") == title
        words = ["".join(each.itertext()) for each in root.iter(f"{space}text")]
        assert title in words
        legend = picture.locator(".legend li").all_inner_texts()
        assert legend and all(any(word.strip() in each for word in words) for each in legend)
        image = pixels(made["PNG"].read_bytes())
        assert image.shape[:2] == tuple(
            2 * round(float(root.get(of))) for of in ("height", "width")
        )
        assert (image[:12] == 255).all() and (image[:, :12] == 255).all()  # white around it
        assert image[24:64].min() < 100  # its title
