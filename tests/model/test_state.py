"""state_dict, save and load: what they hold, that training goes on from them, what they refuse."""

import gc
import json
import pickle
import warnings

import numpy as np
import pytest
from reference import (
    CLIPPINGS,
    DTYPES,
    OPTIMIZERS,
    REDUCTIONS,
    assert_same_bits,
    network,
    samples,
)

import vgcore as vg

SPARSE = "sparse_categorical_crossentropy"
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)


def classifier(optimizer="sgd", *, dtype="float64", seed=0, **options):
    return network((4, 5, 3), ("tanh", "softmax"), SPARSE, optimizer, dtype=dtype, seed=seed,
                   **options)  # fmt: skip


def snapshot(model):
    """All that makes up a model, comparable."""
    vectors = {name: vector.tobytes() for name, vector in model.session.vectors().items()}
    return vectors, json.dumps(model.session.description())


# ---- state_dict


@over_dtypes
def test_state_dict_has_pytorchs_names_and_layouts(dtype):
    model = classifier(dtype=dtype)
    state = model.state_dict()
    assert {name: array.shape for name, array in state.items()} == {
        "dense1.weight": (5, 4),
        "dense1.bias": (5,),
        "dense2.weight": (3, 5),
        "dense2.bias": (3,),
    }
    assert all(array.dtype == dtype and array.flags.c_contiguous for array in state.values())
    x = samples(model, 6)[0].astype(dtype)
    z = np.tanh(x @ state["dense1.weight"].T + state["dense1.bias"])
    logits = z @ state["dense2.weight"].T + state["dense2.bias"]
    np.testing.assert_array_equal(model.predict(x).argmax(axis=1), logits.argmax(axis=1))


def test_state_dict_is_a_copy_both_ways():
    model, other = classifier(seed=0), classifier(seed=1)
    state = model.state_dict()
    other.load_state_dict(state)
    for array in state.values():
        array[...] = 0
    assert_same_bits(model.state_dict(), other.state_dict())
    assert all(array.all() for array in model.state_dict().values())
    x = samples(model, 5)[0]
    assert model.predict(x).tobytes() == other.predict(x).tobytes()
    np.testing.assert_array_equal(other.layers[0].weight, other.state_dict()["dense1.weight"])


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, list])
def test_state_of_other_types_is_cast(kind):
    model = classifier(dtype="float32")
    state = {name: np.round(9 * array) + 0.0 for name, array in model.state_dict().items()}
    given = {
        k: v.tolist() if kind is list else np.asfortranarray(v, kind) for k, v in state.items()
    }
    model.load_state_dict(given)
    assert_same_bits(model.state_dict(), state)


GOOD = classifier().state_dict()


@pytest.mark.parametrize(
    ("state", "error", "fragments"),
    [
        (None, TypeError, ["state", "dict", "NoneType"]),
        (list(GOOD.values()), TypeError, ["state", "dict", "list"]),
        ({}, KeyError, ["state", "dense1.weight", "missing"]),
        ({**GOOD, "dense3.bias": 1}, KeyError, ["state", "unexpected: dense3.bias"]),
        ({k: GOOD[k] for k in list(GOOD)[:3]}, KeyError, ["state", "missing: dense2.bias"]),
        (
            {**GOOD, "dense2.bias": np.zeros(4)},
            ValueError,
            ["state", "dense2.bias", "(3,)", "(4,)"],
        ),
        (
            {**GOOD, "dense2.weight": GOOD["dense2.weight"].T},
            ValueError,
            ["state", "dense2.weight", "(3, 5)", "(5, 3)"],
        ),
        ({**GOOD, "dense2.bias": 1.0}, ValueError, ["state", "dense2.bias", "(3,)", "()"]),
        ({**GOOD, "dense2.bias": ["1", "2", "3"]}, TypeError, ["state", "dense2.bias", "real"]),
        ({**GOOD, "dense2.bias": [1, 2, 3j]}, TypeError, ["state", "dense2.bias", "complex"]),
        ({**GOOD, "dense2.bias": [1, 2, None]}, TypeError, ["state", "dense2.bias", "object"]),
        ({**GOOD, "dense2.bias": [1, 2, 1e300]}, ValueError, ["state", "dense2.bias", "finite"]),
        ({**GOOD, "dense2.bias": [[1], [2, 3], 4]}, ValueError, ["state", "dense2.bias"]),
    ],
)
def test_bad_states_change_nothing(state, error, fragments):
    model = classifier(vg.Adam(), dtype="float32")
    model.train_on_batch(*samples(model, 4))
    before = snapshot(model)
    with pytest.raises(error) as caught:
        model.load_state_dict(state)
    assert snapshot(model) == before
    for fragment in fragments:
        assert fragment in str(caught.value)


# ---- save and load


@over_dtypes
@pytest.mark.parametrize("clipping", CLIPPINGS, ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_training_goes_on_bitwise_after_load(optimizer, clipping, dtype, tmp_path):
    """Shuffling and the numbers of the steps too."""
    model = classifier(optimizer, dtype=dtype, **clipping)
    x, y = samples(model, 20)
    model.fit(x, y, epochs=2, batch_size=6)
    model.save(tmp_path / "model")
    loaded = vg.load(tmp_path / "model")
    assert snapshot(loaded) == snapshot(model)
    flows = [vg.GradientFlow(), vg.GradientFlow()]
    histories = [
        each.fit(x, y, epochs=2, batch_size=6, track=flow)["loss"]
        for each, flow in zip((model, loaded), flows, strict=True)
    ]
    assert histories[0] == histories[1]
    assert flows[0].step.tolist() == flows[1].step.tolist() == list(range(8, 16))
    assert flows[0].delta.tobytes() == flows[1].delta.tobytes()
    assert snapshot(loaded) == snapshot(model)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_everything_described_is_kept(reduction, tmp_path):
    layers = [
        vg.Dense(7, vg.leaky_relu(0.3), use_bias=False, name="first"),
        vg.Dense(6, vg.elu(2.5)),
        vg.Dense(5, "swish"),
        vg.Dense(1, name="ünïcode / layer"),
    ]
    model = vg.Sequential(layers, input_shape=(4,), dtype="float64", seed=3)
    model.compile("mean_squared_error", vg.Adam(), reduction=reduction)
    model.save(tmp_path / "model")
    loaded = vg.load(tmp_path / "model")
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in layers]
    assert [layer.activation for layer in loaded.layers] == [layer.activation for layer in layers]
    assert snapshot(loaded) == snapshot(model)
    assert (loaded.loss, loaded.optimizer) == (model.loss, model.optimizer)
    assert_same_bits(loaded.state_dict(), model.state_dict())
    x, y = samples(model, 9)
    assert loaded.predict(x).tobytes() == model.predict(x).tobytes()
    assert_same_bits(loaded.gradients(x, y)[1], model.gradients(x, y)[1])


def test_a_model_that_is_not_compiled(tmp_path):
    model = vg.Sequential([vg.Dense(3, "tanh")], input_shape=2, seed=0)
    model.save(tmp_path / "model")
    loaded = vg.load(tmp_path / "model")
    x = np.ones((2, 2))
    assert loaded.predict(x).tobytes() == model.predict(x).tobytes()
    with pytest.raises(RuntimeError, match="compile"):
        loaded.fit(x, x)


def test_the_path_is_taken_as_it_is(tmp_path):
    model = classifier()
    model.save(str(tmp_path / "a"))
    model.save(tmp_path / "b.npz")
    model.save(tmp_path / "b.npz")  # again
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b.npz"]
    with np.load(tmp_path / "a", allow_pickle=False) as file:  # anyone may read it with NumPy alone
        for name, array in model.state_dict().items():
            np.testing.assert_array_equal(file[f"parameters/{name}"], array)
    with pytest.raises(FileNotFoundError):
        model.save(tmp_path / "missing" / "model")
    with pytest.raises(FileNotFoundError):
        vg.load(tmp_path / "missing")


@pytest.mark.parametrize(
    "bits",
    [
        np.random.PCG64,
        np.random.PCG64DXSM,
        np.random.MT19937,
        np.random.Philox,
        np.random.SFC64,
    ],
)
def test_any_generator_of_numpy_is_saved(bits, tmp_path):
    model = classifier(seed=np.random.Generator(bits(5)))
    model.save(tmp_path / "model")
    loaded = vg.load(tmp_path / "model")
    for each in (model, loaded):
        each.fit(*samples(model, 20), epochs=2, batch_size=3)
    assert_same_bits(loaded.state_dict(), model.state_dict())


@pytest.mark.parametrize(
    "optimizer",
    [
        vg.SGD(1),
        vg.SGD(np.float32(0.1)),
    ],
)
def test_numbers_of_any_type_are_saved(optimizer, tmp_path):
    model = classifier(optimizer)
    model.save(tmp_path / "model")
    assert vg.load(tmp_path / "model").optimizer == optimizer


def test_a_save_that_fails_leaves_the_file_there_was(tmp_path, monkeypatch):
    def full(file, **arrays):
        file.write(b"half")
        raise OSError("No space left on device")

    model = classifier()
    model.save(tmp_path / "model")
    before = (tmp_path / "model").read_bytes()
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        model.save(tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model").read_bytes() == before


# ---- files that are no models


def refusal(path):
    """The message of the ValueError, which names the file."""
    with pytest.raises(ValueError, match=r"path: expected .*vgcore model") as error:
        vg.load(path)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.fixture
def saved(tmp_path):
    """A small model in a file."""
    model = network((1, 1), ("tanh",), optimizer=vg.SGD(0.1, momentum=0.9))
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_truncated_files_are_refused(saved):
    whole = saved.read_bytes()
    for size in [*range(8), *range(8, len(whole), 29), *range(len(whole) - 24, len(whole))]:
        saved.write_bytes(whole[:size])
        refusal(saved)
    gc.collect()


def test_damaged_files_are_refused(saved):
    """A byte of the file changed: refused, unless it is one that carries nothing, such as a date."""
    whole, refused = saved.read_bytes(), 0
    state = vg.load(saved).state_dict()
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        saved.write_bytes(damaged)
        try:
            loaded = vg.load(saved)
        except ValueError as error:
            refused += str(saved) in str(error)
        else:
            assert_same_bits(loaded.state_dict(), state)
    assert refused > len(whole) / 3 / 2
    gc.collect()


def test_refused_files_are_closed(saved):
    saved.write_bytes(saved.read_bytes()[:-1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(ValueError, match="vgcore model"):
            vg.load(saved)
        gc.collect()
    assert not caught


def rewrite(path, **changes):
    """Other arrays in the file, or none where the change is None."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {**file, **changes}
    with path.open("wb") as file:
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


def redescribe(path, **changes):
    with np.load(path, allow_pickle=False) as file:
        description = json.loads(str(file["description"]))
    rewrite(path, description=np.array(json.dumps({**description, **changes})))


def write(path, save, array):
    with path.open("wb") as file:
        save(file, array)


FOREIGN = {
    "a text": lambda path: path.write_text("no model at all"),
    "a pickle": lambda path: path.write_bytes(pickle.dumps({"a": 1})),
    "an array": lambda path: write(path, np.save, np.ones(3)),
    "other arrays": lambda path: write(path, np.savez, np.ones(3)),
    "a record": lambda path: vg.GradientFlow().save(path),
    "another format": lambda path: redescribe(path, format="something else"),
    "an unknown layer": lambda path: redescribe(path, layers=[{"class": "Denser"}]),
    "no layers": lambda path: redescribe(path, layers=[]),
    "an unknown dtype": lambda path: redescribe(path, dtype="float16"),
    "an unknown generator": lambda path: redescribe(path, rng={"bit_generator": "Dice"}),
    "another input shape": lambda path: redescribe(path, input_shape=[2]),
    "no JSON": lambda path: rewrite(path, description=np.array("{")),
    "a description of numbers": lambda path: rewrite(path, description=np.arange(3)),
    "a missing parameter": lambda path: rewrite(path, **{"parameters/dense1.bias": None}),
    "a missing state": lambda path: rewrite(path, **{"velocity/dense1.bias": None}),
    "a parameter more": lambda path: rewrite(path, **{"parameters/dense2.bias": np.ones(1)}),
    "a wrong shape": lambda path: rewrite(path, **{"parameters/dense1.bias": np.ones(2)}),
    "a wrong dtype": lambda path: rewrite(path, **{"parameters/dense1.bias": np.array(["a"])}),
    "a complex number": lambda path: rewrite(path, **{"velocity/dense1.bias": np.array([1j])}),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_foreign_files_are_refused(make, saved):
    make(saved)
    refusal(saved)
    gc.collect()


LAYER = {
    "class": "Dense",
    "units": 1,
    "activation": "tanh",
    "alpha": 0,
    "use_bias": True,
    "name": "dense1",
}


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": [{**LAYER, "activation": "tahn"}]},
        {"layers": [{**LAYER, "activation": "elu", "alpha": "large"}]},
        {"step": "many"},
        {"step": -1},
    ],
    ids=str,
)
def test_nonsense_in_the_description_is_refused(changes, saved):
    redescribe(saved, **changes)
    refusal(saved)


@pytest.mark.parametrize("make", ["a text", "a pickle"])
def test_a_refusal_does_not_speak_of_unpickling(make, saved):
    FOREIGN[make](saved)
    assert "pickle" not in refusal(saved)
