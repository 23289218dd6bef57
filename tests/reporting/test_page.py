"""A report in a browser: it draws what was recorded, follows pointer and keyboard, and asks for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsers import browser
from pages import synthetic

import vgcore as vg

OVER, STEPS, MAP, LOSS = range(4)  # the first section's pictures


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser() as running:
        yield running


class Page:
    """A report that is open; whatever it asks for or complains of is noted."""

    def __init__(self, chrome: Any, path: Path, **options: Any) -> None:
        self.context = chrome.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(5000)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri())
        self.uri = path.as_uri()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.page, name)

    def figure(self, place: int) -> Any:
        return self.page.locator("figure").nth(place)

    def read(self, place: int) -> str:
        return str(self.figure(place).locator(".readout").inner_text())

    def rows(self, place: int) -> Any:
        """The rows of the table behind a picture, which is opened."""
        self.figure(place).get_by_text("Numbers of this picture").click()
        self.figure(place).locator("tbody tr").first.wait_for()
        return self.figure(place).locator("tbody tr")

    def slide(self, name: str, value: int, section: str = "Over layers and steps") -> None:
        within = self.page.get_by_role("region", name=section)
        within.get_by_role("slider", name=name, exact=True).evaluate(
            "(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }", str(value)
        )

    def end(self) -> None:
        assert self.complaints == []
        assert {url.partition("#")[0] for url in self.asked if not url.startswith("data:")} == {
            self.uri
        }
        self.context.close()


@pytest.fixture
def opened(chrome: Any) -> Iterator[Any]:
    pages: list[Page] = []

    def opening(path: Path, **options: Any) -> Page:
        pages.append(Page(chrome, path, **options))
        return pages[-1]

    yield opening
    for page in pages:
        page.end()


def number(value: float) -> str:
    """As the page says a number: in four digits."""
    if np.isnan(value):
        return "NaN"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{float(f'{value:.4g}'):g}"
    digits, _, exponent = f"{value:.3e}".partition("e")
    return f"{float(digits):g}e{int(exponent)}".replace("-", "−")


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, vg.GradientFlow]:
    """A deep network with its diagnosis."""
    model = vg.Sequential(
        [*[vg.Dense(10, "sigmoid") for _ in range(19)], vg.Dense(3, "softmax")],
        input_shape=4,
        seed=0,
    )
    model.compile("sparse_categorical_crossentropy", vg.SGD(0.1))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(120, 4)), np.arange(120) % 3
    flow = vg.GradientFlow(distributions=5)
    model.fit(x, y, epochs=5, batch_size=20, track=flow)
    path = tmp_path_factory.mktemp("deep") / "r.html"
    vg.report(path, model=model, flow=flow, diagnosis=model.diagnose(x, y, seconds=0.5))
    return path, flow


def test_sliders_clicks_and_selectors_change_what_is_read(opened: Any, deep: Any) -> None:
    path, flow = deep
    page = opened(path)
    assert f"step 29: dense1 {number(flow.delta[29, 0])}" in page.read(STEPS)
    page.slide("Step", 7)
    page.slide("Layer", 4)
    assert f"step 7 {number(flow.delta[7, 4])}" in page.read(OVER)
    assert f"step 7: dense5 {number(flow.delta[7, 4])}" in page.read(STEPS)
    assert page.read(LOSS) == f"step 7: loss {number(flow.loss[7])}"
    page.get_by_label("Field").first.select_option("weight_norm")
    assert f"step 7: dense5 {number(flow.weight_norm[7, 4])}" in page.read(STEPS)
    picture = page.figure(MAP).locator("svg.picture")
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] - 20, "y": 12})  # the last step of the last layer
    assert page.read(MAP) == f"step 29: dense20 {number(flow.weight_norm[29, 19])}"
    assert "dense20" in page.read(OVER)


def test_hovering_reads_without_choosing(opened: Any, deep: Any) -> None:
    path, flow = deep
    page = opened(path)
    page.figure(LOSS).scroll_into_view_if_needed()
    picture = page.figure(LOSS).locator("svg.picture")
    before = page.read(STEPS)
    ground = picture.locator("rect.ground").bounding_box()
    page.mouse.move(ground["x"] + 2, ground["y"] + 50)
    assert page.read(LOSS) == f"step 0: loss {number(flow.loss[0])}"
    assert page.read(STEPS) == before
    page.mouse.move(1, 1)
    assert page.read(LOSS) == f"step 29: loss {number(flow.loss[29])}"


def test_the_keyboard_does_what_the_pointer_does(opened: Any, deep: Any) -> None:
    path, flow = deep
    page = opened(path)
    picture = page.figure(STEPS).locator("svg.picture")
    picture.focus()
    for key, step in (("ArrowLeft", 28), ("PageDown", 18), ("Home", 0), ("ArrowRight", 1)):
        page.keyboard.press(key)
        assert f"step {step}: dense1 {number(flow.delta[step, 0])}" in page.read(STEPS)
        now = page.figure(STEPS).locator("svg.picture")
        assert now.get_attribute("role") == "slider" and now.get_attribute("aria-valuenow") == str(
            step
        )
        assert now.get_attribute("aria-valuetext") == page.read(STEPS)
        assert now.evaluate("e => e === document.activeElement")
    page.figure(MAP).locator("svg.picture").focus()
    page.keyboard.press("ArrowUp")
    assert page.read(MAP) == f"step 1: dense2 {number(flow.delta[1, 1])}"


def test_axes_are_logarithmic_or_linear(opened: Any, deep: Any) -> None:
    page = opened(deep[0])
    texts = page.figure(OVER).locator("svg.picture text")
    assert any(text.startswith("10⁻") for text in texts.all_text_contents())
    page.get_by_label("Scale").select_option("linear")
    labels = page.figure(OVER).locator("svg.picture text").all_text_contents()
    assert not any("10⁻" in text for text in labels) and "0" in labels


def test_every_field_with_values_can_be_chosen(opened: Any, deep: Any) -> None:
    path, flow = deep
    page = opened(path)
    offered = (
        page.get_by_label("Field")
        .first.locator("option")
        .evaluate_all("all => all.map(e => e.value)")
    )
    wanted = [name for name in vg.flow.FIELDS if not np.isnan(getattr(flow, name)).all()]
    assert sorted(offered) == sorted(wanted)
    for name in offered:
        page.get_by_label("Field").first.select_option(name)
        assert page.figure(MAP).locator("path.cell").count() > 0


def test_the_numbers_behind_a_picture_are_a_table(opened: Any, deep: Any) -> None:
    path, flow = deep
    page = opened(path)
    rows = page.rows(LOSS)
    assert rows.count() == len(flow)
    assert rows.nth(3).inner_text().split("\t") == ["step 3", number(flow.loss[3])]


def test_names_are_whole_and_stay_inside(opened: Any, tmp_path: Path) -> None:
    names = [f"a layer whose name is long, number {i}" for i in range(30)]
    flow = vg.GradientFlow()
    flow.declare(names)
    flow.add(0, loss=1.0, delta=np.logspace(-9, 0, 30))
    flow.add(1, loss=1.0, delta=np.logspace(-9, 0, 30))
    vg.report(tmp_path / "r.html", flow=flow)
    for width in (1200, 390):
        page = opened(tmp_path / "r.html", viewport={"width": width, "height": 800})
        outside = """all => all.filter(text => {
            const frame = text.ownerSVGElement.getBoundingClientRect(), box = text.getBoundingClientRect();
            return box.left < frame.left - 1 || box.right > frame.right + 1
                || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
        }).map(text => text.textContent)"""
        assert page.locator("svg.picture text").evaluate_all(outside) == []
        shown = page.figure(OVER).locator("svg.picture text").all_text_contents()
        assert {names[0], names[-1]} <= set(shown)
        assert all(text in names for text in shown if text.startswith("a layer"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Zeros, infinity and NaN in known numbers."""
    flow = vg.GradientFlow()
    flow.declare(["first", "second", "third"])
    for step in range(8):
        delta = [0.0 if step < 3 else 0.1, 1.0, 2.0 + step]
        delta[1] = np.inf if step == 4 else np.nan if step > 5 else 1.0
        flow.add(step, loss=1.0, delta=delta, weight_grad=[np.nan, 1.0, 1.0])
    path = tmp_path_factory.mktemp("spoilt") / "r.html"
    vg.report(path, flow=flow)
    return path


def test_what_an_axis_cannot_show_is_marked_and_counted(opened: Any, spoilt: Path) -> None:
    page = opened(spoilt)
    for place, zeros in ((STEPS, "path.mark.zero"), (MAP, "path.cell.zero")):
        legend = " ".join(page.figure(place).locator(".legend .kind").all_inner_texts())
        assert "0, on the lower edge (3)" in legend or " 0 (3)" in f" {legend}"
        assert "(1)" in legend and "infinite" in legend
        assert "NaN" in legend and "(2)" in legend
        assert page.figure(place).locator(zeros).count() > 0
    assert page.figure(STEPS).locator("path.mark.zero").count() == 3
    assert page.figure(STEPS).locator("path.mark.plus").count() == 1
    lower, upper = (
        page.figure(STEPS).locator(f"path.mark.{kind}").first.bounding_box()["y"]
        for kind in ("zero", "plus")
    )
    frame = page.figure(STEPS).locator("rect.ground").bounding_box()
    assert lower > frame["y"] + 0.9 * frame["height"] and upper < frame["y"] + 0.1 * frame["height"]
    hatched = page.figure(STEPS).locator("svg.picture rect.hatched").bounding_box()
    assert hatched["x"] > frame["x"] + 0.7 * frame["width"]
    page.get_by_label("Scale").select_option("linear")
    assert page.figure(STEPS).locator("path.mark.zero").count() == 0


def test_a_layer_without_a_field_has_no_line_of_it(opened: Any, spoilt: Path) -> None:
    page = opened(spoilt)
    page.get_by_label("Field").first.select_option("weight_grad")
    names = page.figure(STEPS).locator(".legend").inner_text()
    assert "second" in names and "first" not in names
    assert "NaN" not in names


def test_several_runs_lie_over_each_other(opened: Any, tmp_path: Path) -> None:
    flows = {}
    for place, name in enumerate(("one", "<b>two</b>")):
        flows[name] = flow = vg.GradientFlow()
        flow.declare(["first", "second"])
        for step in range(0, 12, 2 + place):
            flow.add(step, loss=step + 1.0, delta=[0.5 * (place + 1), 1.0])
    vg.report(tmp_path / "r.html", flow=flows)
    page = opened(tmp_path / "r.html")
    assert page.read(OVER) == "first: one 0.5; <b>two</b> 1"
    assert page.figure(STEPS).locator("svg.picture path.line").count() == 2
    assert page.read(LOSS) == "step 10: one 11; <b>two</b> 10 at step 9"
    page.get_by_role("checkbox", name="two").uncheck()
    assert page.figure(STEPS).locator("svg.picture path.line").count() == 1
    page.get_by_label("Run of the map").select_option("1")
    assert "<b>two</b>" in page.figure(MAP).inner_text()


def test_runs_that_differ_in_what_they_have(opened: Any, tmp_path: Path) -> None:
    walk = vg.Sequential([vg.RNN(3), vg.Dense(1)], input_shape=(None, 2), seed=0)
    plain = vg.Sequential([vg.Dense(4, "relu") for _ in range(3)], input_shape=2, seed=0)
    flows = {"walk": vg.GradientFlow(distributions=True), "plain": vg.GradientFlow(units=True)}
    rng = np.random.default_rng(0)
    for model, shape, name in ((walk, (8, 5, 2), "walk"), (plain, (8, 2), "plain")):
        model.compile("mse", "sgd")
        y = np.ones((8, 1 if name == "walk" else 4))
        model.fit(rng.normal(size=shape), y, epochs=3, track=flows[name])
    vg.report(tmp_path / "r.html", flow=flows)
    page = opened(tmp_path / "r.html")
    choices = page.get_by_label("Run of the map")
    assert choices.count() == 4
    for place in range(4):
        for run in ("0", "1"):
            choices.nth(place).select_option(run)
    field = page.get_by_label("Field").first
    for name in field.locator("option").evaluate_all("all => all.map(e => e.value)"):
        field.select_option(name)
    assert "layer 3" in page.figure(OVER).locator("svg.picture").text_content()


def test_timesteps_gates_and_their_steps(opened: Any, tmp_path: Path) -> None:
    model = vg.Sequential([vg.LSTM(3), vg.Dense(1)], input_shape=(None, 2), seed=0)
    model.compile("mse", "adam")
    x, y = vg.data.adding_problem(40, length=9, seed=0)
    flow = vg.GradientFlow()
    model.fit(x, y, epochs=3, batch_size=20, track=flow)
    vg.report(tmp_path / "r.html", flow=flow)
    page = opened(tmp_path / "r.html")
    page.slide("Timestep", 2, "Through time")
    page.slide("Step", 4, "Through time")
    assert f"step 4: timestep 2 {number(flow.time['lstm1'][4, 2])}" in page.read(5)
    region = page.get_by_role("region", name="Through time")
    region.get_by_label("Field").select_option("time_gate/f")
    wanted = flow.time_gate["lstm1"][4, 2, flow.gates["lstm1"].index("f")]
    assert page.read(6) == f"step 4: 2 {number(wanted)}"
    assert region.get_by_label("Field").locator("option").count() == 3 + 2 * 4


def test_distributions_are_heatmaps(opened: Any, deep: Any) -> None:
    page = opened(deep[0])
    told = deep[1].distribution("delta")
    page.slide("Step", 0, "Distributions")
    share = told.counts[0, 0].max() / told.total[0, 0]
    row = 1 + int(told.counts[0, 0].argmax())
    picture = page.figure(4).locator("svg.picture")
    picture.focus()
    for _ in range(row):
        page.keyboard.press("ArrowUp")
    assert float(page.read(4).split()[-1]) == pytest.approx(share, abs=1 / 255)


def test_units_are_lines_and_heatmaps(opened: Any, tmp_path: Path) -> None:
    model = vg.Sequential([vg.Dense(200, "relu"), vg.Dense(3, "softmax")], input_shape=4, seed=0)
    model.compile("sparse_categorical_crossentropy", "sgd")
    flow = vg.GradientFlow(units=2)
    x = np.random.default_rng(0).normal(size=(40, 4))
    model.fit(x, np.arange(40) % 3, epochs=3, batch_size=10, track=flow)
    vg.report(tmp_path / "r.html", flow=flow)
    page = opened(tmp_path / "r.html")
    region = page.get_by_role("region", name="Units", exact=True)
    region.get_by_label("Field").select_option("unit_dead")
    region.get_by_label("Layer", exact=True).select_option("dense2")
    page.slide("Step", 4, "Units")
    assert "nothing recorded" in page.figure(4).locator("svg.picture").text_content()
    region.get_by_label("Field").select_option("unit_weight")
    assert page.read(4) == f"unit 0: dense2 {number(flow.unit_weight['dense2'][2, 0])}"
    region.get_by_label("Layer", exact=True).select_option("dense1")
    page.figure(4).locator("svg.picture").focus()
    page.keyboard.press("ArrowRight")
    grouped = flow.unit_weight["dense1"][2, 1:3]
    assert page.read(4) == (
        f"unit 1 (to 2): dense1 {number(grouped[0])} "
        f"({number(grouped.min())} to {number(grouped.max())} within this group)"
    )


def test_a_run_that_is_nan_from_the_start_is_drawn(opened: Any, tmp_path: Path) -> None:
    flow = vg.GradientFlow()
    flow.declare(["first", "second"])
    for step in range(3):
        flow.add(step, loss=np.nan, delta=[np.nan, np.nan])
    vg.report(tmp_path / "r.html", flow=flow)
    page = opened(tmp_path / "r.html")
    assert "NaN, hatched (6)" in page.figure(STEPS).locator(".legend").inner_text()
    assert "NaN, hatched (3)" in page.figure(LOSS).locator(".legend").inner_text()


def test_dark_and_print(opened: Any, deep: Any) -> None:
    light, dark = opened(deep[0]), opened(deep[0], color_scheme="dark")
    colours = """() => [document.body, document.querySelector('path.line')]
        .map(element => getComputedStyle(element))
        .flatMap(style => [style.backgroundColor, style.stroke])"""
    bright, night = light.evaluate(colours), dark.evaluate(colours)
    assert bright[0] == "rgb(255, 255, 255)" and night[0] != bright[0] and night[3] != bright[3]
    dark.emulate_media(media="print")
    assert dark.evaluate(colours) == bright
    assert not dark.locator(".controls").first.is_visible()
    assert dark.figure(OVER).is_visible()
    assert dark.pdf(format="A4").startswith(b"%PDF")
    assert dark.locator("details.printed:not([open])").count() == 0


def test_it_says_what_everything_is(opened: Any, deep: Any) -> None:
    page = opened(deep[0])
    unnamed = """all => all.filter(e => !(e.getAttribute('aria-label') || e.labels?.length
        || e.getAttribute('aria-labelledby'))).map(e => e.outerHTML.slice(0, 80))"""
    named = "svg.picture, select, input, section, [role=region], [role=group]"
    assert page.locator(named).evaluate_all(unnamed) == []
    assert page.locator("h1").count() == 1 and page.locator("html").get_attribute("lang") == "en"


def test_long_records_show_the_extremes_of_their_groups(opened: Any, tmp_path: Path) -> None:
    def spoil(delta: np.ndarray) -> None:
        delta[:, 0] = 1.0
        delta[4_321, 0] = 1e50

    vg.report(tmp_path / "r.html", flow=synthetic(6_000, 40, tmp_path, spoil))
    page = opened(tmp_path / "r.html")
    cells = page.rows(STEPS).locator("td:last-child").all_inner_texts()
    assert [cell for cell in cells if "e50" in cell] == ["1 (1 to 1e50 within this group)"]
    assert "1e50" in page.figure(MAP).locator(".legend").inner_text()
    tops = (
        page.figure(STEPS)
        .locator("svg.picture path")
        .evaluate_all("all => all.map(path => [path.getAttribute('class'), path.getBBox().y])")
    )
    line, band = (dict(tops)[kind] for kind in ("line strong", "band strong"))
    assert band < line - 50


def test_many_runs_are_all_listed(opened: Any, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    vg.report(
        path, flow={f"run {i}": synthetic(4, 3, tmp_path, lambda delta: None) for i in range(13)}
    )
    page = opened(path)
    legend = page.figure(OVER).locator("li")
    assert {f"run {i}" for i in range(13)} <= {text.strip() for text in legend.all_inner_texts()}
