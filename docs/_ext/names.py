"""Single backticks in docstrings: code, with a link where it is a name that the reference has."""

from docutils import nodes
from sphinx import addnodes

ROOT = "vgcore"


def role(name, rawtext, text, lineno, inliner, options=None, content=None):
    """A name, or any other code."""
    env = inliner.document.settings.env
    code = nodes.literal(rawtext, text, classes=["py", "xref"])
    reference = addnodes.pending_xref(
        rawtext, code, refdomain="py", reftype="obj", reftarget=text.removesuffix("()")
    )
    reference["loose"] = True
    reference["refdoc"] = env.docname
    reference["py:module"] = env.ref_context.get("py:module")
    reference["py:class"] = env.ref_context.get("py:class")
    return [reference], []


def candidates(target, module, owner):
    """Full names that a name may stand for, nearest first."""
    if target.startswith("vg."):
        target = ROOT + target[2:]
    prefixes = [f"{module}.{owner}", module, f"{ROOT}.{owner}", ROOT]
    return [target, *(f"{prefix}.{target}" for prefix in prefixes if prefix)]


def resolve(app, env, node, content):
    """Find what a name is of, by the nearest scope, or else as the only one that ends so."""
    if node.get("refdomain") != "py":
        return None
    domain = env.domains.python_domain
    target, module, owner = node["reftarget"], node.get("py:module"), node.get("py:class")
    found = [full for full in candidates(target, module, owner) if full in domain.objects]
    last = target.rpartition(".")[2]
    if not found and (target == last or target.startswith(f"{ROOT}.")):
        found = [full for full in domain.objects if full.endswith(f".{last}")]
        found = found if len(found) == 1 else []
    if found:
        return domain.resolve_xref(
            env, node["refdoc"], app.builder, "obj", found[0], bare(node), content
        )
    return content if node.get("loose") else None


def bare(node):
    """A reference without its scope, for its target is a full name already."""
    return addnodes.pending_xref("", refdomain="py", reftype="obj", refdoc=node["refdoc"])


def setup(app):
    """Tell Sphinx."""
    app.add_role("name", role)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
