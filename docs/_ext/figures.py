"""Every picture is a link to itself in its full size, where it is no other link."""

import re

PICTURE = re.compile(
    r'(<a\b[^>]*>\s*)?(<img\b[^>]*\bsrc="((?:\.\./)*_images/(?!\w*_thumb)[^"]+)"[^>]*>)'
)


def enlarge(app, page, template, context, document):
    """Put links around the pictures of a page."""
    if "body" in context:
        context["body"] = PICTURE.sub(wrapped, context["body"])


def wrapped(found):
    """A picture with its link."""
    there, picture, path = found.groups()
    return found[0] if there else f'<a class="picture" href="{path}">{picture}</a>'


def setup(app):
    """Tell Sphinx."""
    app.connect("html-page-context", enlarge)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
