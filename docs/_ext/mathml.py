"""Formulas as MathML, which browsers show by themselves: no script and no font from elsewhere."""

import html
import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

# What docutils does not read: sizes, which brackets have by themselves, arguments without braces, and dots
SIZES = re.compile(r"\\[bB]igg?[lrm]?(?![a-zA-Z])")
FRACTIONS = re.compile(r"\\([dt]?frac)\s*(\d)\s*(\d)")
DOTS = re.compile(r"\\dots(?![a-zA-Z])")


def converted(node, as_block):
    """The MathML of a formula; what cannot be read is a warning, and left as it is."""
    code = FRACTIONS.sub(r"\\\1{\2}{\3}", SIZES.sub("", node.astext()))
    code = DOTS.sub(r"\\ldots", code)
    try:
        return tex2mathml(code, as_block=as_block)
    except MathError as error:
        logging.getLogger(__name__).warning("%s: %s", error, code, location=node, type="math")
        return f"<code>{html.escape(node.astext())}</code>"


def inline(translator, node):
    """A formula within a line."""
    translator.body.append(converted(node, as_block=False))
    raise nodes.SkipNode


def block(translator, node):
    """A formula in lines of its own."""
    translator.body.append(translator.starttag(node, "div", CLASS="formula"))
    translator.body.append(converted(node, as_block=True))
    translator.body.append("</div>")
    raise nodes.SkipNode


def setup(app):
    """Tell Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
