"""What the browser gets from every host: one module, and HTML that brings it."""

from __future__ import annotations

import json
from html import escape
from typing import Any

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
{scripts}
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
_POLICY_ALONE = {
    "default-src": "'none'",
    "script-src": "'unsafe-inline'",
    "style-src": "'unsafe-inline'",
    "img-src": "data: blob:",
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
    return _html(
        title, _POLICY, f'<script type="module" src="live.js{escape(query)}"></script>', inside
    )


def alone(title: str, host: str, data: Any) -> str:
    """HTML that is all of a page: the module for a host, and what JSON holds, in an element "data"."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    scripts = [
        f'<script type="application/json" id="data">{text}</script>',
        f'<script type="module">\n{module(host)}</script>',
    ]
    return _html(title, _POLICY_ALONE, "\n".join(scripts))


def _html(title: str, policy: dict[str, str], scripts: str, inside: str = "") -> str:
    told = escape("; ".join(f"{what} {where}" for what, where in policy.items()))
    return _HTML.format(policy=told, title=escape(title), scripts=scripts, inside=inside)
