"""Small tables for notebooks: they stay in their cell, and read on light and on dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_MOST_ROWS = 24  # of a table that is not folded
_CELL = "text-align:{};padding:0.1em 0.8em"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]], foot: str = "") -> str:
    """A table under a line of text; folded where it is long. Numbers stand to the right."""
    rows = list(rows)
    lines = "".join(_row("td", row) for row in rows)
    body = (
        f'<div style="overflow-x:auto;max-width:100%"><table><thead>{_row("th", head, rows)}</thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )
    if len(rows) > _MOST_ROWS:
        body = f"<details><summary>{len(rows)} rows</summary>{body}</details>"
    foot = f"<div>{escape(foot)}</div>" if foot else ""
    return f"<div><div><b>{escape(caption)}</b></div>{body}{foot}</div>"


def _row(tag: str, cells: Sequence[Any], like: Sequence[Sequence[Any]] = ()) -> str:
    numbers = like[0] if like else cells
    return (
        "<tr>"
        + "".join(
            f'<{tag} style="{_CELL.format("right" if _is_number(number) else "left")}">{_text(cell)}</{tag}>'
            for cell, number in zip(cells, numbers, strict=True)
        )
        + "</tr>"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else escape(str(value))
