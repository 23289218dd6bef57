"""The page of illnesses and cures: examples come out as they stand there, findings find their place."""

import doctest
import re
from pathlib import Path

import pytest

from vgcore.diagnosis.symptoms import SYMPTOMS

PAGE = Path(__file__).parents[1] / "docs" / "cures.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = list(re.finditer(r"^```pycon\n(.*?)^```$", TEXT, re.M | re.S))
ANCHORS = re.findall(r'^<a id="([a-z-]+)"></a>$', TEXT, re.M)


def headings():
    """As GitHub makes anchors of them."""
    titles = re.findall(r"^#+ (.+)$", TEXT, re.M)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_examples_come_out_as_they_stand_there():
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    names, said = {}, []
    for block in BLOCKS:
        line = TEXT[: block.start(1)].count("\n")
        test = parser.get_doctest(block[1], names, "cures.md", str(PAGE), line)
        runner.run(test, out=said.append, clear_globs=False)
        names = test.globs
    assert runner.tries > 60
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("name", SYMPTOMS)
def test_every_finding_has_a_place_to_read_on(name):
    assert SYMPTOMS[name].read == f"docs/cures.md#{name.replace('_', '-')}"
    assert name.replace("_", "-") in ANCHORS


def test_links_on_the_page_lead_somewhere():
    assert len(set(ANCHORS)) == len(ANCHORS)
    links = set(re.findall(r"\]\(#([^)]+)\)", TEXT))
    assert len(links) > 40
    assert links <= {*ANCHORS, *headings()}
