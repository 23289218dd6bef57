"""Models in safetensors files: parameters by their own names, all else beside them and in the metadata."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vgcore import _extras, _files
from vgcore._files import Path

Array = NDArray[Any]

SUFFIX = ".safetensors"
_DESCRIPTION = "description"
_OWN = "parameters/"


def is_one(path: str) -> bool:
    """Whether a file is a safetensors file, as its beginning tells: eight bytes, then JSON.

    Where it tells nothing, as of one that was cut off, its name does.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        return False
    with open(path, "rb") as file:
        beginning = file.read(10)
    return beginning[8:] == b'{"' or (path.endswith(SUFFIX) and not beginning.startswith(b"PK"))


def write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write a model's arrays and their description to exactly ``path``, as `vgcore._npz.write` does."""
    library = _library()
    description = str(arrays[_DESCRIPTION])
    named = {
        name.removeprefix(_OWN): np.ascontiguousarray(array)  # the library copies memory as it lies
        for name, array in arrays.items()
        if name != _DESCRIPTION
    }
    kinds = _kinds(name for name in arrays if name != _DESCRIPTION)
    if {_restored(name, kinds) for name in named} != arrays.keys() - {_DESCRIPTION}:
        raise ValueError(
            f"layers: expected none whose name begins with {' or '.join(f'{k}/' for k in kinds)}, which are "
            f"the optimizer's in a {SUFFIX} file"
        )
    metadata = {_DESCRIPTION: description, "kinds": " ".join(kinds)}
    content = library.numpy.save(named, metadata)
    _files.replace(path, lambda file: file.write(content))


def read(path: str) -> dict[str, Array]:
    """All arrays that `write` was given; ValueError if it wrote no such file."""
    library = _library()
    try:
        with library.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if _DESCRIPTION not in metadata:
                raise ValueError(
                    "it is a safetensors file of arrays alone; load_state_dict of a model takes what "
                    "safetensors.numpy.load_file gives"
                )
            kinds = metadata.get("kinds", "").split()
            arrays = {_restored(name, kinds): file.get_tensor(name) for name in [*file.keys()]}
    except library.SafetensorError as error:
        raise ValueError(f"it is a safetensors file that is damaged ({error})") from error
    return {_DESCRIPTION: np.array(metadata[_DESCRIPTION]), **arrays}


def _kinds(names: Any) -> list[str]:
    """What there is beside parameters: states of the optimizer, and what layers carry."""
    return sorted({name.partition("/")[0] for name in names} - {_OWN[:-1]})


def _restored(name: str, kinds: list[str]) -> str:
    return name if name.partition("/")[0] in kinds and "/" in name else _OWN + name


def _library() -> Any:
    with _extras.needing("safetensors", f"{SUFFIX} files need", "exchange"):
        import safetensors
        import safetensors.numpy
    return safetensors
