"""The page of guarantees: the tests that it names are there, and what no other test keeps."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
FILES = sorted(set(re.findall(r"`(tests/[\w/]+\.py)`", TEXT)))


def kept():
    """Each named test, and the file that the page says it is in: the one before it, or right behind."""
    file = None
    for found in re.finditer(r"`(tests/[\w/]+\.py)`|`(test_\w+)`(?: in `([^`]+)`)?", TEXT):
        if found[1]:
            file = found[1]
        else:
            yield found[3] or file, found[2]


def functions(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}


@pytest.mark.parametrize("file", FILES)
def test_files_have_tests(file):
    assert any(name.startswith("test_") for name in functions(file))


@pytest.mark.parametrize(("file", "name"), sorted(set(kept())))
def test_named_tests_are_there(file, name):
    assert name in functions(file)


def test_every_promise_names_a_test():
    promises, _, _ = TEXT.partition("## What is not promised")
    for section in promises.split("\n## ")[1:]:
        if not section.startswith("Speed"):  # which is measured
            assert "`tests/" in section, section.splitlines()[0]


def test_nothing_but_a_new_thread_asks_for_memory():
    """Read from the engine's sources: steps run without the GIL, where Python cannot be asked either."""
    asks = re.compile(
        r"\b(?:m|c|re|aligned_)alloc\s*\(|\bposix_memalign\s*\(|\bstrdup\s*\(|\bmmap\s*\("
    )
    found = [
        (path.name, line.strip())
        for path in sorted((ROOT / "src").rglob("*.*"))
        if path.suffix in {".c", ".h", ".pyx", ".pxd"}
        for line in path.read_text(encoding="utf-8").splitlines()
        if asks.search(line)
    ]
    assert found == [("team.c", "worker *new = calloc(1, sizeof(worker));")]
