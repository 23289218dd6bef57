"""What the browser gets from every host: one module and one style, and HTML that brings them."""

from __future__ import annotations

from html import escape

from vgcore import page

_HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ margin: 0; }}
p {{ margin: 2rem; }}
</style>
</head>
<body>
<main id="live">{inside}<noscript>This page needs JavaScript.</noscript></main>
<script type="module" src="live.js{query}"></script>
</body>
</html>
"""
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",  # styles of elements: a script sets them
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
}


def module(host: str) -> str:
    """The module for a host: the parts of every page, and the one that reaches what answers."""
    return page.module(*page.LIVE, host)


def html(title: str, *, query: str = "", inside: str = "") -> str:
    """The page's HTML, with live.js beside it; ``query`` is part of its address.

    ``inside`` is HTML that is seen until live.js runs.
    """
    policy = "; ".join(f"{what} {where}" for what, where in _POLICY.items())
    return _HTML.format(
        policy=escape(policy), title=escape(title), query=escape(query), inside=inside
    )
