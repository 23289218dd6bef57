"""The built site: every public name, links that lead somewhere, nothing from outside, every width.

sphinx-build -W docs docs/_build && pytest tests/docs
"""

import importlib
import inspect
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from browsers import browser

import vgcore as vg

SITE = Path(__file__).parents[2] / "docs/_build"
MODULES = [f"vgcore.{name}" for name in vg.__all__ if inspect.ismodule(getattr(vg, name))]
MODULES += [
    "vgcore.layers",
    "vgcore.optimizers",
    "vgcore.flow",
    "vgcore.diagnosis",
    "vgcore.sklearn",
]

pytestmark = pytest.mark.skipif(
    not (SITE / "objects.inv").exists(),
    reason="the site is not built: sphinx-build docs docs/_build",
)


class Page(HTMLParser):
    """What a page links to and loads, and what can be linked to in it."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loaded, self.anchors = [], [], {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link":
            self.loaded.append(given["href"])
        self.loaded += [given[key] for key in ("src", "poster", "data") if given.get(key)]


@pytest.fixture(scope="module")
def pages():
    paths = (path for path in sorted(SITE.rglob("*.html")) if "_static" not in path.parts)
    return {path: Page(path) for path in paths}


def inventory():
    """The names of Python's domain in objects.inv, whose format is Sphinx's."""
    packed = (SITE / "objects.inv").read_bytes().split(b"\n", 4)[4]
    lines = zlib.decompress(packed).decode().splitlines()
    return {line.split(" ")[0] for line in lines if line.split(" ")[1].startswith("py:")}


def named(name):
    """What a full name stands for; it exists."""
    parts = name.split(".")
    value = importlib.import_module(parts[0])
    for place, part in enumerate(parts[1:], 2):
        if inspect.ismodule(value) and not hasattr(value, part):
            importlib.import_module(".".join(parts[:place]))
        value = getattr(value, part, None)
    return value


def test_every_public_name_has_a_place():
    documented = inventory()
    shown = {id(named(name)) for name in documented}
    missing = []
    for module in ["vgcore", *MODULES]:
        for name in named(module).__all__:
            value = named(f"{module}.{name}")
            elsewhere = (callable(value) or inspect.ismodule(value)) and id(
                value
            ) in shown  # under another of its names
            if f"{module}.{name}" not in documented and not elsewhere:
                missing.append(f"{module}.{name}")
    assert not missing


def test_every_verb_has_a_place():
    documented = inventory()
    for owner in (vg.Sequential, vg.GradientFlow):
        for name in dir(owner):
            if not name.startswith("_"):
                assert f"vgcore.{owner.__name__}.{name}" in documented, name


def test_every_link_leads_somewhere(pages):
    lost = []
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages[target].anchors if target in pages else {""}
            if not target.exists() or (target in pages and unquote(parts.fragment) not in known):
                lost.append(f"{path.relative_to(SITE)}: {link}")
    assert not lost


def test_nothing_is_loaded_from_outside(pages):
    for path, page in pages.items():
        for link in page.loaded:
            assert urlsplit(link).scheme in ("", "data") and not urlsplit(link).netloc, (path, link)


def test_papers_and_pages_that_are_named_are_links(pages):
    def links(name):
        return pages[SITE / f"{name}.html"].links

    assert "https://arxiv.org/abs/1502.01852" in links("cures")
    assert "https://arxiv.org/abs/1611.01232" in links("experiments/depth_scale")
    assert "https://arxiv.org/abs/2302.06675" in links("generated/reference/vgcore.Lion")
    assert "../cures.html" in links("experiments/cures")
    assert "norm_explosion.html" in links("experiments/resnet")
    assert "../experiments/depth_scale.html" in links("howto/sweep")


def test_pictures_lead_to_their_full_size(pages):
    for name in ("experiments/cures", "course/4_recurrence", "howto/sweep"):
        page = pages[SITE / f"{name}.html"]
        pictures = [each for each in page.loaded if "_images/" in each]
        assert pictures and set(pictures) <= set(page.links)


def test_pages_show_what_a_cell_draws_and_not_its_name(pages):
    for path in pages:
        assert "&lt;Axes" not in path.read_text(encoding="utf-8"), path


@pytest.fixture(scope="module")
def chrome():
    with browser() as running:
        yield running


def looked_at(pages):
    """All pages but most of the reference's, which are made alike: the longest of these and every eighth."""
    alike = [
        path for path in pages if path.parent.name == "reference" and "generated" in path.parts
    ]
    longest = sorted(alike, key=lambda path: path.stat().st_size)[-5:]
    return sorted(pages.keys() - set(alike) | set(alike[::8]) | set(longest))


CUT_OFF = """() => [...document.querySelectorAll("main *")].filter(each => {
  const box = each.getBoundingClientRect();
  if (box.width < 2 || box.height < 2 || box.right <= innerWidth + 1) return false;
  for (let above = each.parentElement; above.tagName != "MAIN"; above = above.parentElement)
    if (getComputedStyle(above).overflowX != "visible") return false;
  return getComputedStyle(each).overflowX == "visible" || box.left < innerWidth;
}).map(each => `${each.tagName} ${each.className}: ${each.textContent.slice(0, 60)}`)"""


BROKEN = """() => {
  const broken = [];
  for (const head of document.querySelectorAll("main th")) {
    const texts = document.createTreeWalker(head, NodeFilter.SHOW_TEXT);
    while (texts.nextNode())
      for (const word of texts.currentNode.data.matchAll(/[^\\s-]+/g)) {
        const range = document.createRange();
        range.setStart(texts.currentNode, word.index);
        range.setEnd(texts.currentNode, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map(each => each.top)).size > 1) broken.push(word[0]);
      }
  }
  return broken;
}"""


def test_pages_fit_a_phone_and_a_desk_and_complain_of_nothing(chrome, pages):
    page = chrome.new_page()
    page.set_default_timeout(60_000)
    said, asked = [], []
    page.on("console", lambda message: said.append((message.type, page.url, message.text)))
    page.on("pageerror", lambda error: said.append(("error", page.url, str(error))))
    page.on("request", lambda request: asked.append(request.url))
    wide = []
    for path in looked_at(pages):
        page.goto(path.as_uri())
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            name = f"{path.relative_to(SITE)} at {width}"
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append(f"{name} scrolls sideways")
            wide += [f"{name}: {each}" for each in page.evaluate(CUT_OFF)[:2]]
            wide += [f"{name}: {each} broken in a header" for each in page.evaluate(BROKEN)[:2]]
    page.close()
    assert not wide
    assert not [each for each in said if each[0] in ("warning", "error")]
    assert all(urlsplit(url).scheme in ("file", "data", "blob") for url in asked)


def test_what_it_is_called_here_is_in_view_on_a_phone(chrome):
    page = chrome.new_page(viewport={"width": 390, "height": 900})
    page.goto((SITE / "keras_pytorch.html").as_uri())
    here = page.locator("td", has_text="vg.Dense").first.bounding_box()
    assert here["x"] >= 0 and here["x"] + here["width"] <= 390
    page.close()


def test_search_finds(chrome):
    page = chrome.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{(SITE / 'search.html').as_uri()}?q=gradient_flow")
    page.locator("ul.search li").first.wait_for()
    assert "gradient_flow" in page.locator("ul.search").inner_text()
    page.close()
