"""What to say where a library that vgcore needs for some of its work is not installed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def needing(
    library: str, needed: str, extra: str | None = None, besides: str = ""
) -> Iterator[None]:
    """ModuleNotFoundError that says what to install, where what is imported within is not there.

    Parameters
    ----------
    library : str
        By the name that it is imported by.
    needed : str
        What cannot be done: "pictures need".
    extra : str, optional
        Which one brings it, if any does.
    besides : str
        What else there is to say.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != library:
            raise
        by_itself = f"{needed} {library}: pip install {library}"
        about = by_itself if extra is None else missing(library, extra, needed)
        raise ModuleNotFoundError(about + besides, name=library) from None


def missing(library: str, extra: str, needed: str) -> str:
    """Say which extra brings a library, from where vgcore itself was installed: it is on no registry.

    Parameters
    ----------
    library, extra : str
    needed : str
        What cannot be done: "pictures need".

    Returns
    -------
    str
        'pictures need matplotlib: pip install "/where/it/is[plot]"'
    """
    return f"{needed} {library}: {_command(extra)}"


def _command(extra: str) -> str:
    requirement = _requirement(_origin(), extra)
    if requirement is None:
        return f'install vgcore with its extra "{extra}", from where vgcore itself was installed'
    return f"pip install {requirement}"


def _origin() -> dict[str, Any]:
    """What the installer has noted (PEP 610) of where vgcore came from; nothing, if it has not."""
    from importlib import metadata

    try:
        noted: Any = json.loads(
            metadata.distribution("vgcore").read_text("direct_url.json") or "{}"
        )
    except (metadata.PackageNotFoundError, OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _requirement(origin: dict[str, Any], extra: str) -> str | None:
    """What pip is to be given for an extra, quoted for a shell; None where the origin is unknown or gone."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname  # brings HTTP along, which takes time

    url = origin.get("url")
    if not isinstance(url, str):
        return None
    if url.startswith("file:") and "vcs_info" not in origin:
        path = Path(url2pathname(urlsplit(url).path))
        if not path.exists():
            return None
        editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
        return editable + shlex.quote(f"{path}[{extra}]")
    control = origin.get("vcs_info", {}).get("vcs")
    return shlex.quote(f"vgcore[{extra}] @ {f'{control}+' if control else ''}{url}")
