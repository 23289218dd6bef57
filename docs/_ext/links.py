"""Markdown pages that hold on a plain Git host, in the site as well.

`<a id="name"></a>` is a target; what lies outside of the site is the page that shows it; pages that a
command writes have a place in the navigation.
"""

import os
import re
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref

TARGET = re.compile(r'<a id="([^"]+)">')
SHOWN = {
    "README": "index",
    "bench": "fast",
    "bench/README": "fast",
    "docs/gallery": "generated/gallery/index",
}
CHILDREN = {"experiments": "experiments/*"}


def grow(app, name, text):
    """Give a page its children."""
    if name in CHILDREN:
        text[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n\n{CHILDREN[name]}\n```\n"


def collect(app, document):
    """Resolve links to raw targets of this page, and let other pages find them."""
    names = {name for raw in document.findall(nodes.raw) for name in TARGET.findall(raw.astext())}
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for name in names:
        slugs.setdefault(name, (None, name, name))
    for title in document.findall(nodes.title):  # which is copied to tables of contents
        for raw in list(title.findall(nodes.raw)):
            title.parent["ids"] += TARGET.findall(raw.astext())
            title.remove(raw)
    for link in list(document.findall(pending_xref)):
        if link["reftype"] == "myst" and link["reftarget"] in names:
            found = nodes.reference("", "", *link.children, refid=link["reftarget"], internal=True)
            link.replace_self(found)


def redirect(app, document):
    """Point links to what lies outside of the site at what shows it; other folders are no links."""
    root, page = app.srcdir.parent, Path(app.srcdir, app.env.docname)
    for link in list(document.findall(pending_xref)):
        if link["reftype"] != "myst":
            continue
        target = Path(os.path.normpath(page.parent / link["reftarget"]))
        name = SHOWN.get(os.path.relpath(target, root))
        if name is not None:
            link.attributes |= {"refdomain": "doc", "reftarget": name}
            link.setdefault("reftargetid", None)
        elif target.is_dir():
            link.replace_self(link.children)


def setup(app):
    """Tell Sphinx."""
    app.connect("source-read", grow)
    app.connect("doctree-read", collect, priority=400)  # before contents are gathered
    app.connect("doctree-read", redirect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
