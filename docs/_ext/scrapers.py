"""What sphinx-gallery is to show beside open figures, and in which order."""

import shutil
from pathlib import Path

from sphinx_gallery.scrapers import figure_rst

# Within their sections, what comes first; others follow by their names
FIRST = ("layers", "update_ratio", "saturation", "heatmap", "activation", "compare_time", "theory")


class Order:
    """The order of scripts."""

    def __init__(self, folder):
        """Which folder it is does not matter."""

    def __call__(self, name):
        """What to sort by."""
        stem = Path(name).stem
        return (FIRST.index(stem) if stem in FIRST else len(FIRST), stem)


def moving(block, variables, config, **options):
    """The moving pictures that a block has written beside its script, moved to the site."""
    made = []
    for written in sorted(Path(variables["src_file"]).parent.glob("*.gif")):
        path = Path(next(variables["image_path_iterator"])).with_suffix(".gif")
        shutil.move(written, path)
        made.append(str(path))
    return figure_rst(made, config["src_dir"])
