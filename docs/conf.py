"""How Sphinx builds the site, in three minutes without a network: `sphinx-build -W docs docs/_build`."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
if not any(
    DOCS.parent.glob("vgcore/_core/*.so")
):  # `python -m sphinx` would find the sources first
    sys.path[:] = [each for each in sys.path if Path(each).resolve() != DOCS.parent.resolve()]
sys.path.insert(0, str(DOCS / "_ext"))
os.environ.pop("MPLBACKEND", None)  # kernels draw into their pages
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # a kernel says on stderr that it is frozen

from vgcore import __version__ as release  # noqa: E402

project = "vgcore"
version = release
author = "the authors of vgcore"
copyright = f"{author}, BSD-3-Clause"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "commands",
    "figures",
    "links",
    "mathml",
    "members",
    "names",
    "pointers",
]
exclude_patterns = ["_build", "gallery", "jupyter_execute", "**.ipynb_checkpoints"]
exclude_patterns += [
    f"generated/gallery/**.{kind}" for kind in ("ipynb", "json", "md5", "py", "zip")
]
templates_path = ["_templates"]
nitpicky = True
default_role = "name"  # of single backticks in docstrings

# Pages and notebooks
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "auto"  # whatever comes without outputs is run
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True  # what pages write is not left behind
nb_merge_streams = True

# Reference
autosummary_generate = True
autodoc_typehints = "none"  # they stand in the docstrings
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"
add_module_names = False

# Gallery
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "generated/gallery",
    "filename_pattern": r"\.py",
    "image_scrapers": ("matplotlib", "scrapers.moving"),
    "within_subsection_order": "scrapers.Order",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 60,
    "remove_config_comments": True,
    "doc_module": ("vgcore",),
    "backreferences_dir": "generated/backreferences",
    "inspect_global_variables": False,
    "capture_repr": (),
    "nested_sections": False,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "vgcore"
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
LEAVES = (
    "index",
    "start",
    "tour",
    "keras_pytorch",
    "architecture",
    "cures",
    "diagnosis",
    "fast",
    "guarantees",
)
html_sidebars = {page: [] for page in LEAVES}  # they have no pages below them
html_sidebars |= {f"{folder}/*": ["sidebar-nav-bs", "page-toc"] for folder in ("course", "howto")}
WIDE = [  # their lines of code and pictures take the place of the right sidebar
    f"{folder}/{path.stem}"
    for folder in ("course", "experiments", "howto")
    for path in (DOCS / folder).iterdir()
    if path.suffix in (".md", ".ipynb")
]
html_theme_options = {
    "navbar_start": ["navbar-logo"],
    "navbar_persistent": ["search-button"],
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 7,
    "show_prev_next": False,
    "secondary_sidebar_items": {"**": ["page-toc"]} | {page: [] for page in WIDE},
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": False,
    "search_as_you_type": True,
}
