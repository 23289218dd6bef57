"""Pages of reports, read as others read them: by Python's own parsers, and by a browser."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vgcore as vg
from vgcore.flow.record import FIELDS


class Read(HTMLParser):
    """A page's tags, texts and scripts; every tag that is opened is closed."""

    VOID = frozenset({"meta", "link", "input", "br"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def data(self) -> dict[str, Any]:
        held: dict[str, Any] = json.loads(self.scripts[0], parse_constant=pytest.fail)
        return held


def doubles(text: str) -> np.ndarray:
    """The numbers of base64 text that has the upper halves of doubles, lower byte first."""
    upper = np.frombuffer(base64.b64decode(text), "<u4")
    return (upper.astype("<u8") << np.uint64(32)).view("<f8")


def synthetic(
    steps: int, layers: int, folder: Path, spoil: Callable[[np.ndarray], None]
) -> vg.GradientFlow:
    """A record of random numbers in every field, as a file of one holds it; ``spoil`` changes delta."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {name: 10 ** rng.uniform(-40, 3, (steps, layers)) for name in FIELDS}
    spoil(arrays["delta"])
    arrays |= {"layers": np.array([f"dense{i}" for i in range(layers)]), "every": np.array([1])}
    np.savez(folder / "flow.npz", step=np.arange(steps), loss=rng.uniform(1, 2, steps), **arrays)
    return vg.GradientFlow.load(folder / "flow.npz")
