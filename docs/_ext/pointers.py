"""What a text names, as a link: papers by their numbers at arXiv, pages by their files, experiments."""

import re

from docutils import nodes

from vgcore.experiments import NAMES

PAPER = re.compile(r"(?<![\w./])(?:arXiv:? ?)?((?:0[7-9]|[12]\d)(?:0[1-9]|1[0-2])\.\d{4,5})(?!\w)")
PAGE = re.compile(r"\bdocs/([\w/]+)\.md\b")
RUN = re.compile(rf"vgcore run ({'|'.join(NAMES)})")
NO_TEXT = (
    nodes.reference,
    nodes.title,
    nodes.literal_block,
    nodes.math,
    nodes.math_block,
    nodes.raw,
    nodes.comment,
)


def address(app, found, docname):
    """Where a match of one of the patterns leads to from a page; None if nowhere."""
    if found.re is PAPER:
        return f"https://arxiv.org/abs/{found[1]}"
    named = found[1] if found.re is PAGE else f"experiments/{found[1]}"
    if named == docname or named not in app.env.found_docs:
        return None
    return app.builder.get_relative_uri(docname, named)


def linked(app, text, docname):
    """The nodes of a text, with links."""
    found = sorted(
        (match for pattern in (PAPER, PAGE) for match in pattern.finditer(text)),
        key=lambda match: match.start(),
    )
    parts, end = [], 0
    for match in found:
        uri = address(app, match, docname)
        if uri is None:
            continue
        shown = match[0] if match.re is PAPER else app.env.titles[match[1]].astext()
        parts += [nodes.Text(text[end : match.start()]), link(shown, uri)]
        end = match.end()
    return [*parts, nodes.Text(text[end:])] if parts else []


def link(content, uri):
    """A link; of a node or of text."""
    made = nodes.reference("", "", refuri=uri, internal="://" not in uri)
    made += content if isinstance(content, nodes.Node) else nodes.Text(content)
    return made


def point(app, document, docname):
    """Make links of what a page names."""
    for text in list(document.findall(nodes.Text)):
        above, node = [], text
        while node.parent is not None:
            node = node.parent
            above.append(node)
        if any(isinstance(each, NO_TEXT) for each in above):
            continue
        literal = above[0]
        if not isinstance(literal, nodes.literal):
            parts = linked(app, str(text), docname)
            if parts:
                text.parent.replace(text, parts)
            continue
        found = RUN.fullmatch(str(text)) or PAGE.fullmatch(str(text))
        if docname.startswith("experiments") and str(text) in NAMES:  # elsewhere it is other code
            found = RUN.fullmatch(f"vgcore run {text}")
        uri = address(app, found, docname) if found else None
        if uri is not None:
            literal.replace_self(link(literal.deepcopy(), uri))


def setup(app):
    """Tell Sphinx."""
    app.connect("doctree-resolved", point)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
