"""Files: a good one is never lost, and what comes from elsewhere is believed in nothing."""

import gc
import os
import pickle
import stat
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from processes import run_python
from reference import assert_same_bits, network

import vgcore as vg


def model_of(seed=0):
    return network((2, 3, 1), ("tanh", "identity"), optimizer=vg.Momentum(), seed=seed)


def flow_of(seed=0):
    model, flow = model_of(seed), vg.GradientFlow()
    model.fit([[1.0, 2.0]] * 3, [[1.0]] * 3, batch_size=1, track=flow)
    return flow


def same_model(one, other):
    assert_same_bits(one.session.vectors(), other.session.vectors())
    return True


def same_flow(one, other):
    np.testing.assert_array_equal(one.delta, other.delta)
    return True


# What is saved, how it is read, whether two are the same
KINDS = {
    "model": (model_of, vg.load, same_model, "a vgcore model"),
    "flow": (flow_of, vg.GradientFlow.load, same_flow, "a GradientFlow record"),
}
over_kinds = pytest.mark.parametrize("kind", KINDS)


# ---- writing


@over_kinds
def test_paths_of_every_type(kind, tmp_path, monkeypatch):
    make, load, same, _ = KINDS[kind]
    monkeypatch.chdir(tmp_path)
    for number, path in enumerate(
        ["a", b"b", Path("c"), tmp_path / "d", os.fsencode(tmp_path / "e"), "ünï code", "x" * 255]
    ):
        make(number).save(path)
        assert same(load(path), make(number))
    assert len(list(tmp_path.iterdir())) == 7


@over_kinds
def test_a_path_that_is_none_is_refused(kind, tmp_path):
    make, load, _, _ = KINDS[kind]
    thing = make()
    with open(tmp_path / "open", "wb") as file:
        for path in (0, 1, 2, file.fileno(), None, file, 1.5, ["a"], bytearray(b"a")):
            for use in (thing.save, load):
                with pytest.raises(TypeError, match=r"path: expected a path .*, got "):
                    use(path)
        file.write(b"still open")
    for use in (thing.save, load):
        with pytest.raises(ValueError, match="path: expected a path without null"):
            use("a\0b")
    os.fstat(1)
    assert [path.name for path in tmp_path.iterdir()] == ["open"]


def test_data_is_read_from_paths_alone():
    for read in (vg.data.text, vg.data.idx.read):
        with pytest.raises(TypeError, match="path: expected a path"):
            read(1)
    os.fstat(1)


@over_kinds
def test_links_are_followed(kind, tmp_path):
    make, load, same, _ = KINDS[kind]
    (tmp_path / "folder").mkdir()
    target = tmp_path / "folder" / "target"
    (tmp_path / "second").symlink_to(Path("folder") / "target")
    (tmp_path / "first").symlink_to(tmp_path / "second")
    for seed in range(2):  # a target that is not there yet, and one that is
        make(seed).save(tmp_path / "first")
        assert (tmp_path / "first").is_symlink() and (tmp_path / "second").is_symlink()
        assert same(load(target), make(seed))
    os.link(target, tmp_path / "hard")
    make(2).save(tmp_path / "first")
    assert same(load(tmp_path / "hard"), make(1)) and same(load(target), make(2))
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_what_is_no_file_is_not_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    model = model_of()
    model.save(tmp_path / "file")
    for path, error in (
        (tmp_path / "folder", IsADirectoryError),
        (f"{tmp_path}/file/", IsADirectoryError),
        (f"{tmp_path}/new/", IsADirectoryError),
        (tmp_path / "loop", OSError),
        (tmp_path / "missing" / "file", FileNotFoundError),
        ("", FileNotFoundError),
    ):
        with pytest.raises(error) as caught:
            model.save(path)
        assert ".tmp" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "loop"]
    with pytest.raises(IsADirectoryError):
        vg.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        vg.load(tmp_path / "missing")


@over_kinds
def test_the_mode_is_kept(kind, tmp_path):
    make, path = KINDS[kind][0], tmp_path / "file"
    before = os.umask(0o027)
    try:
        make().save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        for mode in (0o600, 0o664, 0o444):
            path.chmod(mode)
            make().save(path)
            assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(before)


@over_kinds
def test_pipes_and_devices_are_written_directly(kind, tmp_path, monkeypatch):
    monkeypatch.delattr(os, "replace")  # or a fault would put a file in a device's place
    make, load, same, _ = KINDS[kind]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(pipe.read_bytes)
        make().save(pipe)
        (tmp_path / "file").write_bytes(received.result(timeout=60))
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert same(load(tmp_path / "file"), make())
    make().save("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(OSError, match="No space"):
        make().save("/dev/full")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    for path in ("/dev/zero", pipe):
        with pytest.raises(ValueError, match="device or a pipe"):
            load(path)
    gc.collect()


SAVE_TO_STANDARD_OUTPUT = """
import os, sys
import vgcore as vg
if sys.argv[1] == "/dev/stdout":
    del os.replace  # or a fault would put a file in a device's place
vg.Sequential([vg.Dense(1)], input_shape=1).save(sys.argv[1])
"""


def test_standard_output(tmp_path):
    command, folder = [sys.executable, "-c", SAVE_TO_STANDARD_OUTPUT], Path(vg.__file__).parents[1]
    run = subprocess.run([*command, "/dev/stdout"], cwd=folder, capture_output=True, check=True)
    (tmp_path / "piped").write_bytes(run.stdout)
    with (tmp_path / "redirected").open("wb") as file:
        subprocess.run([*command, "/proc/self/fd/1"], cwd=folder, stdout=file, check=True)
    for name in ("piped", "redirected"):
        assert vg.load(tmp_path / name).layers[0].units == 1


# ---- what goes wrong while writing


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("place", ["np.savez", "os.fsync", "os.replace"])
@over_kinds
def test_a_save_that_is_broken_off_leaves_the_file_there_was(
    kind, place, error, tmp_path, monkeypatch
):
    make, _, _, _ = KINDS[kind]
    make(0).save(tmp_path / "file")
    before, new = (tmp_path / "file").read_bytes(), make(1)

    def fail(*arguments, **_):
        if place == "np.savez":
            arguments[0].write(b"half")
        raise error

    module, name = place.split(".")
    monkeypatch.setattr({"np": np, "os": os}[module], name, fail)
    for path in ("file", "other"):
        with pytest.raises(type(error)):
            new.save(tmp_path / path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == before


FILL_THE_DISK = """
import resource, sys
import vgcore as vg
model = vg.Sequential([vg.Dense(9)], input_shape=1000, seed=0)
model.save(sys.argv[1])
model.layers[0].bias = [1] * 9
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    model.save(sys.argv[1])
except OSError as error:
    print(error)
"""


def test_a_full_disk(tmp_path):
    run = run_python("-c", FILL_THE_DISK, str(tmp_path / "file"), env=environment())
    assert "File too large" in run.stdout and not run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert not vg.load(tmp_path / "file").layers[0].bias.any()


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(vg.__file__).parents[1])}


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        done = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, f=done: (calls.append(n), f(*a)))
    model_of().save(tmp_path / "file")
    assert calls == ["fsync", "replace"]


@over_kinds
def test_many_save_to_one_path(kind, tmp_path):
    """Whoever reads finds one of them, whole."""
    make, load, same, _ = KINDS[kind]
    things = [make(seed) for seed in range(4)]
    path = tmp_path / "file"
    things[0].save(path)
    with ThreadPoolExecutor(4) as pool:
        saves = [pool.submit(things[n % 4].save, path) for n in range(60)]
        while not all(save.done() for save in saves):
            load(path)
        for save in saves:
            save.result()
    loaded = load(path)
    assert any(_equal(same, loaded, thing) for thing in things)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def _equal(same, one, other):
    try:
        return same(one, other)
    except AssertionError:
        return False


# ---- files of another kind


def torch_like(path, name="archive/data.pkl"):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(name, b"anything")


def saved_array(path):
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def saved_arrays(path, save=np.savez, **arrays):
    with path.open("wb") as file:
        save(file, **(arrays or {"weights": np.ones(3)}))


FOREIGN = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "a text": (lambda path: path.write_text("ünï" * 9999), "it is a text file"),
    "an array": (saved_array, "it is a .npy file"),
    "arrays": (saved_arrays, r"it is an .npz file of other arrays \(weights\)"),
    "objects": (
        lambda path: saved_arrays(path, weights=np.array([{}], object)),
        "weights.npy' in it is no plain array",
    ),
    "a PyTorch file": (torch_like, "it is a PyTorch file"),
    "an old PyTorch file": (
        lambda path: path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2)),
        "it is a PyTorch file",
    ),
    "a Keras file": (lambda path: torch_like(path, "model.weights.h5"), "it is a Keras file"),
    "an HDF5 file": (
        lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)),
        "it is an HDF5 file",
    ),
    "a safetensors file": (
        lambda path: path.write_bytes(b"\x40" + bytes(7) + b'{"a": {"dtype": "F32"}}'),
        "it is a safetensors file",
    ),
    "a zip": (lambda path: torch_like(path, "text.txt"), "more than plain arrays"),
    "noise": (lambda path: path.write_bytes(bytes(range(256))), "it is not an .npz file"),
}


@over_kinds
@pytest.mark.parametrize(("write", "reason"), FOREIGN.values(), ids=FOREIGN)
def test_a_file_of_another_kind_says_what_it_is(write, reason, kind, tmp_path):
    _, load, _, expected = KINDS[kind]
    write(tmp_path / "file")
    with pytest.raises(ValueError, match=f"^path: expected {expected}, got '.*/file': .*{reason}"):
        load(tmp_path / "file")
    gc.collect()


def test_a_model_and_a_flow_say_so(tmp_path):
    model_of().save(tmp_path / "model")
    flow_of().save(tmp_path / "flow")
    with pytest.raises(ValueError, match=r"it is a model; use vgcore\.load$"):
        vg.GradientFlow.load(tmp_path / "model")
    with pytest.raises(ValueError, match=r"it is a flow; use GradientFlow\.load$"):
        vg.load(tmp_path / "flow")


@over_kinds
def test_compressed_arrays_are_read(kind, tmp_path):
    make, load, same, _ = KINDS[kind]
    make().save(tmp_path / "file")
    with np.load(tmp_path / "file") as file:
        arrays = dict(file)
    saved_arrays(tmp_path / "file", np.savez_compressed, **arrays)
    assert same(load(tmp_path / "file"), make())


def test_the_null_device_takes_everything():
    model = vg.Sequential([vg.Dense(3) for _ in range(9)], input_shape=2, seed=0)
    model.compile("mse", "adam")
    model.save(os.devnull)
    model.gradient_flow(np.ones((2, 2)), np.ones((2, 3))).save(os.devnull)
