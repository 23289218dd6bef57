"""What sphinx-gallery is to show beside open figures."""

import shutil
from pathlib import Path

from sphinx_gallery.scrapers import figure_rst


def moving(block, variables, config, **options):
    """The moving pictures that a block has written beside its script, moved to the site."""
    made = []
    for written in sorted(Path(variables["src_file"]).parent.glob("*.gif")):
        path = Path(next(variables["image_path_iterator"])).with_suffix(".gif")
        shutil.move(written, path)
        made.append(str(path))
    return figure_rst(made, config["src_dir"])
