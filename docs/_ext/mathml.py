"""Formulas as MathML, which browsers show by themselves: no script and no font from elsewhere."""

from docutils import nodes
from docutils.utils.math import wrap_math_code
from docutils.utils.math.latex2mathml import tex2mathml


def inline(translator, node):
    """A formula within a line."""
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def block(translator, node):
    """A formula in lines of its own."""
    translator.body.append(translator.starttag(node, "div", CLASS="formula"))
    code = wrap_math_code(node.astext(), as_block=True)
    translator.body.append(tex2mathml(code, as_block=True))
    translator.body.append("</div>")
    raise nodes.SkipNode


def setup(app):
    """Tell Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
