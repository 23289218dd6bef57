"""Frames: Python packs them, Python and the page's script read them, and both say the same."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unpacked import plain

from vgcore import page
from vgcore.live.packing import VERSION, pack, unpack

TREE: dict[str, Any] = {
    "title": "∂L/∂W of “dense1”",
    "turn": 2**40,
    "share": 0.1,
    "some": [True, None, {"deep": [np.array([], np.float64)]}],
    "doubles": np.array([1e-300, 0.0, -1.5e300, np.inf, -np.inf, np.nan]),
    "floats": np.arange(15, dtype=np.float32).reshape(3, 5),
    "ints": np.array([-(2**31), 2**31 - 1], np.int32),
    "octets": np.arange(256, dtype=np.uint8),
}


def test_what_is_packed_is_unpacked() -> None:
    found = unpack(pack(TREE))
    np.testing.assert_equal(plain(found), plain(TREE))
    assert found["floats"].shape == (3, 5) and found["floats"].dtype == np.float32
    assert found["doubles"].tobytes() == TREE["doubles"].tobytes()


def test_half_a_surrogate_pair_is_packed() -> None:
    """Whatever an error says, the frame that tells of it comes about."""
    assert unpack(pack({"message": "got \ud800"})) == {"message": "got \ud800"}


@pytest.mark.parametrize("title", ["", "a", "ab", "abc", "abcd", "ä", "∂L/∂W"])
def test_arrays_begin_at_multiples_of_eight(title: str) -> None:
    packed = pack({"title": title, "octet": np.uint8([7]), "double": np.array([0.5])})
    assert len(packed) % 8 == 0
    assert packed[-8:] == np.float64(0.5).tobytes()
    assert unpack(packed)["octet"].tolist() == [7]


def test_the_page_reads_what_python_packs(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node on PATH, in which the page's script is run")
    (tmp_path / "frame").write_bytes(pack(TREE))
    script = (
        Path(page.__file__).with_name("frames.js").read_text(encoding="utf-8")
        + """
const file = require("node:fs").readFileSync(process.argv[2]);
const tree = unpack(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength));
const told = (key, held) => ArrayBuffer.isView(held) ? Array.from(held, String) : held;
console.log(JSON.stringify([FRAME_VERSION, tree], told));
"""
    )
    (tmp_path / "read.js").write_text(script, encoding="utf-8")
    run = subprocess.run(
        [node, tmp_path / "read.js", tmp_path / "frame"], capture_output=True, check=True
    )
    version, tree = json.loads(run.stdout)
    assert version == VERSION
    for name in ("doubles", "floats", "ints", "octets"):
        read = np.array([float(each.replace("Infinity", "inf")) for each in tree.pop(name)])
        np.testing.assert_array_equal(read, TREE[name].ravel())
    assert tree == {name: plain(each) for name, each in TREE.items() if name in tree}


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a frame"):
        unpack(b"<html>")
    other = bytearray(pack({}))
    other[4] = 9
    with pytest.raises(ValueError, match=f"version {VERSION}, got version 9"):
        unpack(bytes(other))


@pytest.mark.parametrize(
    ("tree", "error"),
    [
        ({"at": np.arange(3)}, TypeError),
        ({"at": {1, 2}}, TypeError),
        ({"at": float("nan")}, ValueError),
    ],
)
def test_what_a_frame_cannot_hold_is_refused(tree: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        pack(tree)
