"""Make the images of the gallery that pages on a plain Git host show, in docs/images/pictures.

    python docs/make_images.py

An image bears the name of the script in docs/gallery whose first picture it is: compare.png is that of
compare.py. Which are shown is read from README and the pages in docs. Seeds and the engine are
deterministic, so are the images.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path

DOCS = Path(__file__).resolve().parent
GALLERY, IMAGES = DOCS / "gallery", DOCS / "images/pictures"
DPI = 72


def shown() -> set[str]:
    """The names of the images that pages show."""
    pages = [DOCS.parent / "README.md"]
    for kind in ("md", "ipynb"):
        pages += [page for page in DOCS.rglob(f"*.{kind}") if "_build" not in page.parts]
    texts = (page.read_text(encoding="utf-8") for page in pages)
    return {name for text in texts for name in re.findall(r"images/pictures/(\w+)\.png", text)}


def scripts() -> dict[str, Path]:
    """Every script of the gallery, by the name of its image."""
    return {path.stem: path for path in sorted(GALLERY.glob("*/*.py"))}


def main() -> None:
    """Make what is shown anew, and remove what is not."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    IMAGES.mkdir(parents=True, exist_ok=True)
    for path in IMAGES.iterdir():
        path.unlink()
    for name in sorted(shown()):
        runpy.run_path(str(scripts()[name]))
        figure = pyplot.figure(pyplot.get_fignums()[0])
        figure.savefig(IMAGES / f"{name}.png", dpi=DPI, metadata={"Software": None})
        pyplot.close("all")
        print(f"{name}.png")


if __name__ == "__main__":
    main()
