"""Links of Markdown pages that hold on a plain Git host, in the site as well.

`<a id="name"></a>` is a target; a file outside of docs is the page of the site that shows it, or its path.
"""

import re

from docutils import nodes
from sphinx.addnodes import pending_xref

TARGET = re.compile(r'<a id="([^"]+)">')
PAGES = {"bench/README": "fast", "README": "index"}


def collect(app, document):
    """Resolve links to raw targets of this page, and let other pages find them."""
    names = {name for raw in document.findall(nodes.raw) for name in TARGET.findall(raw.astext())}
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for name in names:
        slugs.setdefault(name, (None, name, name))
    for link in list(document.findall(pending_xref)):
        if link["reftype"] == "myst" and link["reftarget"] in names:
            found = nodes.reference("", "", *link.children, refid=link["reftarget"], internal=True)
            link.replace_self(found)


def redirect(app, document):
    """Point links to pages outside of docs at those that show them; a folder is not linked."""
    page = app.srcdir / app.env.docname
    for link in list(document.findall(pending_xref)):
        if link["reftype"] != "myst":
            continue
        target = page.parent / link["reftarget"]
        if link.get("refdomain") == "doc":
            outside = target.is_relative_to(app.srcdir.parent) and target.relative_to(
                app.srcdir.parent
            )
            link["reftarget"] = PAGES.get(str(outside), link["reftarget"])
        elif target.is_dir():
            link.replace_self(link.children)


def setup(app):
    """Tell Sphinx."""
    app.connect("doctree-read", collect)
    app.connect("doctree-read", redirect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
