"""Run docs/pictures.md from top to bottom, and make its images.

    python docs/make_pictures.py [folder]

Whatever figure a block of code leaves open is the picture that follows it; a block that writes a file by
that name has made it itself. Seeds and the engine are deterministic, so are the images.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

PAGE = Path(__file__).with_name("pictures.md")
DPI = 72


class Block(NamedTuple):
    """Lines of code, where they begin on the page, and the image that follows them, if any."""

    code: str
    line: int
    image: str | None


def blocks(text: str) -> Iterator[Block]:
    """The blocks of code of a page."""
    for found in re.finditer(
        r"^```python\n(.*?)^```\n(?:\n!\[[^]]*\]\(([^)]*)\))?", text, re.M | re.S
    ):
        yield Block(found[1], text[: found.start(1)].count("\n"), found[2])


def run(page: Path, folder: Path) -> list[Path]:
    """Run the code of a page, and write its images below a folder; which they are."""
    from matplotlib import pyplot

    names: dict[str, Any] = {"__name__": "__main__"}
    made = []
    with tempfile.TemporaryDirectory() as scratch:
        before = os.getcwd()
        os.chdir(scratch)
        try:
            for block in blocks(page.read_text(encoding="utf-8")):
                source = "\n" * block.line + block.code  # so that a traceback tells the page's line
                exec(compile(source, str(page), "exec"), names)
                if block.image is not None:
                    made.append(_save(block.image, folder))
                pyplot.close("all")
        finally:
            os.chdir(before)
    return made


def _save(image: str, folder: Path) -> Path:
    """Write the open figure, or move the file that the block has written."""
    from matplotlib import pyplot

    path = folder / image
    path.parent.mkdir(parents=True, exist_ok=True)
    if Path(path.name).exists():
        path.write_bytes(Path(path.name).read_bytes())
        return path
    (number,) = pyplot.get_fignums()
    figure = pyplot.figure(number)
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    return path


def main() -> None:
    """Make the images of the page, in docs or another folder."""
    import matplotlib

    matplotlib.use("Agg")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else PAGE.parent).resolve()
    made = run(PAGE, folder)
    size = sum(path.stat().st_size for path in made)
    print(f"{len(made)} pictures, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
