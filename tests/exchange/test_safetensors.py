"""Models in safetensors files: whole, by plain names, read without trust; checked with the library itself."""

import builtins
import json
import os

import numpy as np
import pytest

import vgcore as vg

library = pytest.importorskip("safetensors.numpy")


def recurrent(dtype="float64"):
    layers = [vg.LSTM(5, return_sequences=True, stateful=True), vg.BatchNorm("tanh"), vg.Dense(3)]
    model = vg.Sequential(layers, input_shape=(7, 2), dtype=dtype, seed=0)
    model.compile("mse", vg.Adam(1e-2), clip_norm=1.0)
    return model


def data():
    rng = np.random.default_rng(1)
    return rng.normal(size=(8, 7, 2)), rng.normal(size=(8, 7, 3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_file_is_whole_and_goes_on_with_the_same_bits(dtype, tmp_path):
    x, y = data()
    model = recurrent(dtype)
    model.fit(x, y, epochs=2, batch_size=4, verbose=0, shuffle=False)
    model.save(tmp_path / "model.safetensors")
    model.save(tmp_path / "model.npz")
    loaded, other = vg.load(tmp_path / "model.safetensors"), vg.load(tmp_path / "model.npz")
    assert loaded.dtype == dtype
    assert repr(loaded) == repr(other)
    for each in (model, loaded, other):
        each.fit(x, y, epochs=2, batch_size=4, verbose=0, shuffle=False)
    for name, values in model.state_dict().items():
        assert values.tobytes() == loaded.state_dict()[name].tobytes(), name
        assert values.tobytes() == other.state_dict()[name].tobytes(), name


def test_parameters_have_the_names_of_state_dict(tmp_path):
    model = vg.Sequential([vg.Conv2d(3, 3), vg.Flatten(), vg.Dense(2)], input_shape=(2, 5, 4))
    model.save(tmp_path / "model.safetensors")
    arrays = library.load_file(tmp_path / "model.safetensors")
    state = model.state_dict()
    assert arrays.keys() == state.keys()
    assert all(np.array_equal(arrays[name], state[name]) for name in state)
    with library.safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        description = json.loads(file.metadata()["description"])
    assert [layer["name"] for layer in description["layers"]] == [
        "conv2d1",
        "flatten1",
        "dense1",
    ]


def test_the_library_of_pytorch_reads_the_same(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    model = vg.Sequential([vg.Dense(3), vg.LayerNorm()], input_shape=4)
    model.save(tmp_path / "model.safetensors")
    module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3))
    other = vg.Sequential([vg.Dense(3), vg.LayerNorm()], input_shape=4)
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    renamed = {"0": "dense1", "1": "layernorm1"}
    state = load_file(tmp_path / "model.safetensors")
    module.load_state_dict(
        {k: state[f"{renamed[k[0]]}.{k.partition('.')[2]}"] for k in module.state_dict()}
    )
    np.testing.assert_allclose(module(torch.ones(2, 4)).detach(), model.predict(x), atol=1e-6)


def test_names_that_would_be_another_kind_are_refused(tmp_path):
    model = vg.Sequential([vg.Dense(2, name="velocity/a")], input_shape=3)
    model.save(tmp_path / "model.safetensors")
    vg.load(tmp_path / "model.safetensors")
    model.compile("mse", vg.SGD(0.1, momentum=0.9))
    (kind,) = [name for name in model.session.vectors() if name != "parameters"]
    clash = vg.Sequential([vg.Dense(2, name=f"{kind}/a"), vg.Dense(2, name="a")], input_shape=3)
    clash.compile("mse", vg.SGD(0.1, momentum=0.9))
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(ValueError, match=r"^layers: expected none whose name begins with"):
        clash.save(tmp_path / "model.safetensors")
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_a_checkpoint_may_be_one(tmp_path):
    x, y = data()
    model = recurrent()
    saved = vg.callbacks.Checkpoint(tmp_path / "best.safetensors")
    model.fit(x, y, epochs=2, batch_size=4, verbose=0, shuffle=False, callbacks=[saved])
    assert (tmp_path / "best.safetensors").read_bytes()[8:10] == b'{"'
    assert repr(vg.load(tmp_path / "best.safetensors")) == repr(model)


def test_content_tells_what_a_file_is(tmp_path):
    model = recurrent()
    model.save(tmp_path / "model.safetensors")
    os.rename(tmp_path / "model.safetensors", tmp_path / "model")
    assert repr(vg.load(tmp_path / "model")) == repr(model)
    model.save(tmp_path / "model")
    assert (tmp_path / "model").read_bytes().startswith(b"PK")


def test_foreign_and_damaged_files_say_what_they_are(tmp_path):
    path = tmp_path / "model.safetensors"
    library.save_file({"weight": np.ones(3)}, path)
    with pytest.raises(ValueError, match=r"^path: expected a vgcore model, got .*arrays alone"):
        vg.load(path)
    recurrent().save(path)
    content = path.read_bytes()
    for cut in (0, 5, 9, 11, 200, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(ValueError, match=r"^path: expected a vgcore model, got .*damaged"):
            vg.load(path)
    model = recurrent()
    arrays = library.load_file(_written(model, path))
    with library.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    library.save_file({**arrays, "dense1.bias": np.ones(4)}, path, metadata)
    with pytest.raises(ValueError, match=r"expected shape \(3,\), got \(4,\)"):
        vg.load(path)
    del arrays["dense1.bias"]
    library.save_file(arrays, path, metadata)
    with pytest.raises(ValueError, match=r"missing: dense1\.bias"):
        vg.load(path)
    with pytest.raises(FileNotFoundError):
        vg.load(tmp_path / "nowhere.safetensors")


def _written(model, path):
    model.save(path)
    return path


def test_without_the_library_it_says_what_to_install(tmp_path, monkeypatch):
    path = _written(recurrent(), tmp_path / "model.safetensors")
    original = builtins.__import__

    def without(name, *arguments, **options):
        if name.startswith("safetensors"):
            raise ModuleNotFoundError(name, name=name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    for act in (lambda: vg.load(path), lambda: recurrent().save(path)):
        with pytest.raises(ModuleNotFoundError, match=r"files need safetensors: .*exchange"):
            act()
