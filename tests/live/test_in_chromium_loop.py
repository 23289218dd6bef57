"""The playground's loop in Chromium: play and pause, links, servers that end, errors; nothing queues up."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from browsers import browser
from tabs import Tab, close, measured, opened, trained

import vgcore as vg
from vgcore.live import networks
from vgcore.live.controls import Slider
from vgcore.live.playing import Playground
from vgcore.live.server import Server

SMALL = {"data": "circles", "depth": 3, "width": 8}
MOST_UNDER_WAY = 4


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


class Counted(Playground):
    """A playground that knows how many frames it was asked for, and how many it is making."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(None, settings)
        self.calls = self.making = 0

    def frame(self, params: Any) -> bytes:
        """Count it."""
        self.calls += 1
        self.making += 1
        try:
            return super().frame(params)
        finally:
            self.making -= 1


def frames_of(tab: Tab, count: int) -> list[dict[str, Any]]:
    """The next frames that come."""
    before = tab.asked("count")
    tab.until(lambda: tab.asked("count") > before + count, f"{count} requests")
    found: list[dict[str, Any]] = tab.asked("frames")
    return found[-count:]


def drawn_frames_pass(tab: Tab) -> None:
    """Let the browser draw thirty times."""
    tab.page.evaluate(
        "() => new Promise((done) => {"
        " let left = 30; const next = () => (left-- ? requestAnimationFrame(next) : done()); next(); })"
    )


def test_play_pause_step_and_reset_do_what_they_say(chromium: Any) -> None:
    with opened(chromium, vg.live.playground(**SMALL)) as tab:
        tab.until(lambda: (tab.shown() or [0])[0] > 50, "training")
        [held] = tab.paused()
        drawn_frames_pass(tab)
        assert tab.shown() == [held]
        tab.page.get_by_role("button", name="Play", exact=True).click()
        tab.until(lambda: (tab.shown() or [0])[0] > held, "more training")
        tab.press("Step")  # which holds, too
        [held] = tab.paused()
        tab.step(5)
        assert tab.shown() == [held + 5]
        tab.restarted(lambda: tab.press("Reset"))
        first = measured(trained(tab.settings[0], 1), "delta")[-1]
        tab.until(lambda: close(tab.reading("delta")["now"], first), "the first step's gradient")
        assert tab.find(".states").inner_text().startswith("step 1,")


def test_speed_is_steps_of_a_frame(chromium: Any) -> None:
    with opened(chromium, vg.live.playground(**SMALL)) as tab:
        speed = tab.find('[data-name="speed"]')
        for name, steps in (("100", 100), ("10", 10), ("1", 1)):
            tab.restarted(
                lambda name=name: (speed.select_option(name), tab.press("Reset")), still=False
            )
            told = sorted(frame["steps"][0] for frame in frames_of(tab, 26))
            # Some overtake others: of the first and last ones those between may not have come
            gone = [later - earlier for earlier, later in pairwise(told[3:-3])]
            assert all(0 <= each <= steps for each in gone)
            assert max(gone) == steps  # some are cut short on a busy machine
        speed.select_option("slow")
        tab.until(
            lambda: len([each for each in tab.asked("sent")[-4:] if each["steps"] == 1]) == 4,
            "steps",
        )
        before = tab.asked("sent.length")
        tab.until(
            lambda: len([s for s in tab.asked("sent")[before:] if s["steps"] == 1]) >= 3, "steps"
        )
        times = [each["at"] for each in tab.asked("sent")[before:] if each["steps"] == 1]
        assert all(b - a > 300 for a, b in pairwise(times))


def test_settings_stand_in_the_address_and_come_back(chromium: Any) -> None:
    with opened(chromium, vg.live.playground("skips", depth=4)) as tab:
        tab.paused()
        tab.restarted(lambda: tab.control("width", 1).fill("30"))
        tab.page.get_by_role("tab", name="Network A").click()
        tab.restarted(lambda: tab.control("activation").select_option("formula"))
        tab.restarted(lambda: tab.control("formula").fill("z * sigmoid(z) + 0.1"))
        settings = tab.settings
        link = tab.until(lambda: "sigmoid" in tab.page.url and tab.page.url, "a link")
        tab.page.reload()
        tab.find(".toolbar").wait_for()
        tab.until(lambda: min(tab.shown() or [0]) > 1, "training")
        assert tab.settings == settings
        assert tab.find(".lesson").inner_text() == vg.live.SCENES["skips"].lesson
        tab.page.evaluate("location.hash = '#data=xor&depth=2&B.depth=7&compare=1'")  # a pasted one
        tab.until(lambda: tab.settings[0]["data"] == "xor", "the pasted link's settings")
        assert [each["depth"] for each in tab.settings] == [2, 7]
        tab.page.evaluate("(link) => { location.href = link; }", link)
        tab.until(lambda: tab.settings == settings, "the first link's settings")
        tab.page.evaluate("location.hash = ''")  # as is the address that the page was opened at
        tab.until(lambda: tab.settings[0]["activation"] != "formula", "what Python began with")
        assert [each["depth"] for each in tab.settings] == [4, 4]


def test_an_address_without_settings_is_what_python_began_with(chromium: Any) -> None:
    with opened(chromium, vg.live.playground(depth=4)) as tab:
        settings = tab.settings
        tab.page.evaluate("location.hash = '#scene=skips&depth=7&width=9'")
        tab.until(lambda: tab.settings[0]["width"] == 9, "the pasted link's settings")
        tab.page.evaluate("location.hash = ''")
        tab.until(lambda: tab.settings == settings, "what Python began with")
        assert tab.find('[data-name="scene"]').input_value() == ""


@pytest.mark.parametrize(
    ("hash_", "kept"),
    [
        ("#%", {}),
        ("#depth=1e9&width=abc&rate=&seed=-1&noise=NaN&sigma_w=Infinity", {}),
        (
            "#data=iris&activation=%FF%00&skips=maybe&__proto__=1&constructor=2&depth=5",
            {"depth": 5},
        ),
        ("#scene=nowhere&compare=<script>&B.depth=-3&B.data=moons", {}),
        ("#depth=2.6&formula=" + "z" * 5000, {"depth": 3, "formula": "z" * 200}),
        ("#=&&&==#?&depth", {}),
    ],
)
def test_a_link_of_nonsense_does_no_harm(chromium: Any, hash_: str, kept: dict[str, Any]) -> None:
    with opened(chromium, of=hash_) as tab:
        tab.until(lambda: (tab.shown() or [0])[0] > 1, "training")
        first = tab.settings[0]
        assert {name: value for name, value in first.items() if value != default(name)} == kept
        assert (
            tab.find(".states p").count() == len(tab.settings) == (2 if "compare=1" in hash_ else 1)
        )
        assert not tab.find(".wrong >> visible=true").count()


def default(name: str) -> Any:
    return next(each.default for each in networks.CONTROLS if each.name == name)


MOVE_A_LOT = """([moves, pause]) => new Promise((done) => {
  const root = document.querySelector(".vgcore").shadowRoot;
  const next = () => {
    const [name, share] = moves.shift();
    const input = root.querySelector(`.panel [data-name="${name}"]`);
    input.value = Math.round(share * input.max);
    input.dispatchEvent(new Event("input", {bubbles: true}));
    if (moves.length) setTimeout(next, pause);
    else done();
  };
  next();
})"""


def test_a_hundred_moves_leave_no_backlog(chromium: Any) -> None:
    rng = random.Random(0)
    shown = [
        each.name
        for each in networks.CONTROLS
        if isinstance(each, Slider) and not any("data" in some for some in each.conditions)
    ]
    with opened(chromium, vg.live.playground("edge_of_chaos")) as tab:
        tab.until(tab.shown, "a frame")
        late = []
        for _ in range(3):  # of which one at least has the machine to itself
            moves = [(rng.choice(shown), rng.random()) for _ in range(100)]
            moves[-1] = ("depth", 0.3)
            tab.page.evaluate(MOVE_A_LOT, [moves, 50])
            begin = time.monotonic()
            tab.until(lambda: tab.shown(), "the last settings")
            late.append(time.monotonic() - begin)
            assert tab.settings[0]["depth"] == 31
            assert tab.asked("most") <= MOST_UNDER_WAY
            if late[-1] < 1:
                break
        assert min(late) < 1, late


def test_a_closed_or_hidden_tab_trains_nothing(chromium: Any) -> None:
    live = Counted(**SMALL)
    with Server(live, port=0) as server, opened(chromium, url=server.url) as tab:
        tab.until(lambda: (tab.shown() or [0])[0] > 1, "training")
        tab.page.evaluate(
            "() => { window.away = true;"
            " Object.defineProperty(document, 'hidden', {get: () => window.away});"
            " document.dispatchEvent(new Event('visibilitychange')); }"
        )
        assert quiet(live) < 0.5
        tab.page.evaluate(
            "() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }"
        )
        before = live.calls
        tab.until(lambda: live.calls > before + 5, "training that goes on")
        tab.page.close()
        assert quiet(live) < 0.5


def quiet(live: Counted) -> float:
    """Wait until no frame is made; what share of a core is used in the half second after it."""
    end = time.monotonic() + 30
    while live.making and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0.1)  # of a request that was on its way
    calls, used, begin = live.calls, time.process_time(), time.monotonic()
    time.sleep(0.5)
    assert live.calls == calls and not live.making
    return (time.process_time() - used) / (time.monotonic() - begin)


def test_a_server_that_ends_is_told_and_one_that_comes_back_goes_on(chromium: Any) -> None:
    live = vg.live.playground(**SMALL)
    server = Server(live, port=0)
    port, token = urlsplit(server.url).port, server._http.token
    context = chromium.new_context()
    try:
        tab = Tab(context, server.url)
        tab.until(lambda: (tab.shown() or [0])[0] > 1, "training")
        server.close()
        tab.page.get_by_text("nothing answers any more").wait_for()
        tab.control("depth").press("ArrowRight")
        with Server(live, port=port):  # another one, with a token of its own
            tab.page.get_by_text("expected this server's token").wait_for()
        with Server(live, port=port) as again:
            again._http.token = token
            tab.until(lambda: (tab.shown() or [0])[0] > 1, "training of what was moved meanwhile")
            assert tab.settings[0]["depth"] == 4
            tab.until(lambda: not tab.find(".wrong >> visible=true").count(), "no error any more")
        assert all("ERR_CONNECTION_REFUSED" in each or "403" in each for each in tab.wrong)
    finally:
        server.close()
        context.close()


def test_two_tabs_do_not_disturb_each_other(chromium: Any) -> None:
    live = Counted(**SMALL)
    with (
        Server(live, port=0) as server,
        opened(chromium, url=server.url) as one,
        opened(chromium, url=server.url) as other,
    ):
        assert one.asked("params.session") != other.asked("params.session")
        for tab in (one, other):
            tab.paused()
            tab.restarted(lambda tab=tab: tab.press("Reset"))
        one.step(4)
        for _ in range(3):
            other.restarted(lambda: other.control("depth").press("ArrowRight"))
        one.step(2)
        assert one.shown() == [7] and other.shown() == [1]
        assert one.settings[0]["depth"] == 3 and other.settings[0]["depth"] == 6
        one.page.close()
        other.step(1)


def test_what_is_wrong_stands_at_its_control_until_it_is_mended(chromium: Any) -> None:
    with opened(chromium, vg.live.playground(activation="formula", **SMALL)) as tab:
        tab.until(lambda: (tab.shown() or [0])[0] > 1, "training")
        formula = tab.control("formula")
        formula.fill("z +")
        wrong = tab.find(".panel .wrong").first
        wrong.wait_for()
        assert "cannot be read" in wrong.inner_text()
        assert tab.find(".knob.bad").count() == 1
        assert tab.find(".knob.bad input").get_attribute("data-name") == "formula"
        before = tab.asked("count")
        drawn_frames_pass(tab)
        assert tab.asked("count") == before  # nothing is asked again and again
        assert not tab.find(".verdict").count() and tab.until(
            lambda: tab.find("figure.old").count(), "dimmed pictures"
        )
        tab.press("Copy as Python")
        formula.fill("z + 0.1")
        tab.until(lambda: (tab.shown() or [0])[0] > 1, "training that goes on")
        assert not wrong.is_visible() and not tab.find(".knob.bad").count()
        assert (
            not tab.find("dialog").is_visible()
            and not tab.find('figure.old[data-key="loss"]').count()
        )


def test_an_error_of_a_network_is_shown_at_it_or_where_it_is_seen(chromium: Any) -> None:
    own = {"data": "adding", "cell": "LSTM", "width": 512, "length": 50, "batch": 8}
    settings = "&".join(f"{name}={value}" for name, value in own.items())
    with opened(chromium, of=f"#{settings}&compare=1&B.batch=512&B.layers=5") as tab:
        tab.find(".panel .wrong >> nth=1").wait_for()
        assert "expected a network that fits into" in tab.errors(1) and not tab.errors(0)
        above = tab.find(".seen > .wrong")
        assert not above.is_visible()
        tab.page.get_by_role("tab", name="Network A").click()  # B's controls are not seen
        assert above.inner_text().startswith("B: width: expected a network that fits")
        tab.page.get_by_role("tab", name="Network B").click()
        assert not above.is_visible()
        tab.find("summary").first.click()
        above.wait_for()
        tab.find("summary").first.click()
        tab.control("width", 1).press("Home")
        tab.until(tab.shown, "a frame")
        assert not tab.find(".wrong >> visible=true").count()
