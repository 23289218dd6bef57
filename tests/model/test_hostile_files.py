"""Files that were forged or have rotted: a ValueError that names them, at once, for next to no memory."""

import contextlib
import gc
import io
import json
import random
import time
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from reference import assert_same_bits

import vgcore as vg
from vgcore.model import states

MEMORY, SECONDS = 64 * 2**20, 20


def rich_model():
    layers = [
        vg.LSTM(2, stateful=True, return_sequences=True),
        vg.Residual([vg.Dense(2, "relu"), vg.BatchNorm()], gate=0.5),
        vg.Bidirectional(vg.GRU(1, stateful=True)),
        vg.Dropout(0.1),
        vg.Dense(1, vg.elu(0.5)),
    ]
    schedule = vg.schedules.Warmup(vg.schedules.ReduceOnPlateau(0.01), 2)
    model = vg.Sequential(layers, input_shape=(None, 2), seed=0)
    model.compile(
        "mse",
        vg.Adam(schedule),
        noise=vg.GradientNoise(),
        amplify=vg.Amplification(["lstm1"], 2.0, [(0, 1)]),
        learning_rates={"dense1": 2.0},
        frozen=["residual1"],
        clip_norm=1.0,
    )
    return model


X, Y = np.ones((2, 3, 2)), np.ones((2, 1))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Bytes of a model's file, and of a flow's."""
    folder, model, flow = tmp_path_factory.mktemp("files"), rich_model(), vg.GradientFlow()
    model.fit(X, Y, epochs=2, shuffle=False, track=flow)
    model.save(folder / "model")
    flow.save(folder / "flow")
    return {name: (folder / name).read_bytes() for name in ("model", "flow")}


def content(thing):
    if isinstance(thing, vg.GradientFlow):
        return {name: np.array(rows) for name, rows in thing._rows().items()}
    return {**thing.session.vectors(), **states.by_name(thing.session)}


LOAD = {"model": vg.load, "flow": vg.GradientFlow.load}
over_kinds = pytest.mark.parametrize("kind", LOAD)


def refused(kind, path, match=""):
    """The file is refused by name, quickly and without much memory."""
    gc.collect()
    tracemalloc.start()
    begin = time.monotonic()
    try:
        with pytest.raises(ValueError, match=rf"^path: expected .*{match}") as error:
            LOAD[kind](path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in str(error.value)
    assert peak < MEMORY and time.monotonic() - begin < SECONDS


# ---- rot


@over_kinds
def test_files_cut_short_are_refused(kind, files, tmp_path):
    path, whole = tmp_path / kind, files[kind]
    for size in [*range(0, len(whole), 97), *range(len(whole) - 30, len(whole))]:
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"^path: expected "):
            LOAD[kind](path)


@over_kinds
@pytest.mark.parametrize("flip", [0xFF, 0x01, 0x80])
def test_flipped_bytes_are_noticed(flip, kind, files, tmp_path):
    """Or they carry nothing, such as a date."""
    path, whole = tmp_path / kind, files[kind]
    path.write_bytes(whole)
    expected = content(LOAD[kind](path))
    for place in [*range(0, len(whole), 97), *range(len(whole) - 200, len(whole), 7)]:
        damaged = bytearray(whole)
        damaged[place] ^= flip
        path.write_bytes(damaged)
        try:
            loaded = LOAD[kind](path)
        except ValueError as error:
            assert str(error).startswith("path: expected ")
        else:
            assert_same_bits(content(loaded), expected)


# ---- descriptions

NONSENSE = [
    *(None, True, False, -1, 0, 1, 2, 1.5, -0.5, 2**31 - 1, 2**31, 2**63, 2**64, 10**40),
    *(1e308, float("nan"), float("inf"), "", "x", "Dense", "sgd", [], {}, [1], [[]], [[1, 2]]),
    *({"class": "Recurrent"}, {"class": "Layer"}, {"class": []}, ["a", "b", "c"]),
]


def places_in(value, trail=()):
    """Where something stands in nested dicts and lists."""
    yield trail
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places_in(inner, (*trail, key))


def edited(description, rng):
    """The description with another value, without one, or with two exchanged."""
    description = json.loads(json.dumps(description))
    places = list(filter(None, places_in(description)))

    def holder(trail):
        inner = description
        for key in trail[:-1]:
            inner = inner[key]
        return inner

    trail = rng.choice(places)
    edit = rng.randrange(4)
    if edit == 0:
        del holder(trail)[trail[-1]]
    elif edit == 1:
        other = rng.choice(places)
        holder(trail)[trail[-1]] = json.loads(json.dumps(holder(other)[other[-1]]))
    else:
        holder(trail)[trail[-1]] = rng.choice(NONSENSE)
    return description


def arrays_of(whole):
    with np.load(io.BytesIO(whole)) as file:
        return dict(file)


def rewrite(path, arrays, save=np.savez):
    with path.open("wb") as file:
        save(file, **arrays)


@pytest.mark.parametrize("seed", range(8))
def test_edited_descriptions_are_refused_or_work(seed, files, tmp_path):
    rng, path = random.Random(seed), tmp_path / "model"
    arrays = arrays_of(files["model"])
    description = json.loads(str(arrays["description"]))
    accepted = 0
    for _ in range(60):
        text = json.dumps(edited(description, rng))
        rewrite(path, {**arrays, "description": np.array(text)})
        try:
            model = vg.load(path)
        except ValueError as error:
            assert str(error).startswith("path: expected a vgcore model")
            continue
        accepted += 1
        model.save(path)
        assert_same_bits(content(vg.load(path)), content(model))
        with contextlib.suppress(ValueError, RuntimeError), warnings.catch_warnings():
            # Of other inputs, or not compiled; or with a rate at which it diverges
            warnings.filterwarnings("ignore", "not finite", RuntimeWarning)
            model.fit(X, Y, shuffle=False)
            assert model.predict(X).shape == (2, 1)
    assert accepted < 30


GENERATORS = ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"]


@pytest.mark.parametrize("name", GENERATORS)
def test_no_state_of_a_generator_is_believed(name, tmp_path):
    """NumPy itself would read where an MT19937's or a Philox's position says."""
    path, rng = tmp_path / "model", random.Random(1)
    bits = getattr(np.random, name)(1)
    vg.Sequential([vg.Dense(1)], input_shape=1, seed=np.random.Generator(bits)).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    description = json.loads(str(arrays["description"]))
    numbers = [-1, 5, 625, 2**31, 2**32, 2**64, 2**128, 1.5, True, None, "1", [1] * 5]
    refused = 0
    for trail in list(places_in(description["rng"]))[1:60]:
        changed = json.loads(json.dumps(description))
        inner = changed["rng"]
        for key in trail[:-1]:
            inner = inner[key]
        inner[trail[-1]] = rng.choice(numbers)
        rewrite(path, {**arrays, "description": np.array(json.dumps(changed))})
        try:
            model = vg.load(path)
        except ValueError:
            refused += 1
        else:
            model.session.rng.permutation(2000)
    assert refused
    for key, value in (("pos", 10**6), ("buffer_pos", -9), ("has_uint32", 7), ("uinteger", 2**33)):
        changed = json.loads(json.dumps(description))
        for holder in (changed["rng"], changed["rng"]["state"]):
            if key in holder:
                holder[key] = value
                rewrite(path, {**arrays, "description": np.array(json.dumps(changed))})
                with pytest.raises(ValueError, match=f"{key}: expected an integer of at "):
                    vg.load(path)


@pytest.mark.parametrize("name", ["RandomState", "seed", "default_rng", "Generator", "load", ""])
def test_a_file_picks_no_function(name, files, tmp_path):
    arrays = arrays_of(files["model"])
    description = json.loads(str(arrays["description"]))
    description["rng"] = {"bit_generator": name}
    rewrite(tmp_path / "model", {**arrays, "description": np.array(json.dumps(description))})
    refused("model", tmp_path / "model", "rng: expected one of PCG64, ")


# ---- bombs


def dense(**config):
    layer = {"class": "Dense", "units": 1, "activation": "tanh", "alpha": 0, "use_bias": True}
    return {**layer, "name": "dense1", **config}


def nested(depth):
    layer = dense()
    for _ in range(depth):
        layer = {"class": "Residual", "layers": [layer], "shortcut": [], "gate": None,
                 "activation": ["identity", 0], "name": "residual1"}  # fmt: skip
    return layer


BOMBS = {
    "units": {"layers": [dense(units=2**31 - 1)]},
    "inputs": {"input_shape": [2**31 - 1]},
    "both": {"layers": [dense(units=2**31 - 1)], "input_shape": [2**31 - 1]},
    "a table": {
        "layers": [{"class": "Embedding", "vocabulary": 2**31 - 1, "units": 2**20, "name": "e"}],
        "input_shape": [3],
    },
    "many layers": {"layers": [dense(name=f"dense{n}") for n in range(5_000)]},
    "deep blocks": {"layers": [nested(150)]},
    "rows": {"carried": [2**31 - 1, 2**31 - 1]},
}


@pytest.mark.parametrize("changes", BOMBS.values(), ids=BOMBS)
def test_sizes_that_the_arrays_do_not_bear_out(changes, tmp_path):
    path = tmp_path / "model"
    vg.Sequential([vg.Dense(1, "tanh")], input_shape=1).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    description = {**json.loads(str(arrays["description"])), **changes}
    rewrite(path, {**arrays, "description": np.array(json.dumps(description))})
    refused("model", path)


@pytest.mark.parametrize(
    "text", ["[" * 10**6, '{"a":' * 10**6, "1" * 10**6, '{"layers": 1' + "1" * 9999]
)
def test_descriptions_without_end(text, tmp_path):
    rewrite(tmp_path / "model", {"description": np.array(text)})
    refused("model", tmp_path / "model")


@over_kinds
def test_arrays_compressed_into_next_to_nothing(kind, files, tmp_path):
    arrays = arrays_of(files[kind])
    name = "parameters/dense1.weight" if kind == "model" else "delta"
    bomb = np.zeros((10**4, 2_500))
    rewrite(tmp_path / "bomb", {**arrays, name: bomb}, np.savez_compressed)
    del bomb
    assert (tmp_path / "bomb").stat().st_size < 10**6
    refused(kind, tmp_path / "bomb", "claims to hold arrays of ")
    texts = {"description" if kind == "model" else "layers": np.array(["x" * 10**7])}
    rewrite(tmp_path / "bomb", {**arrays, **texts}, np.savez_compressed)
    refused(kind, tmp_path / "bomb", "claims to hold arrays of ")


def npy(shape, descr="<f8", data=b""):
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


MEMBERS = {
    "a huge shape": npy((2**40,)),
    "an impossible shape": npy((2**70, 0)),
    "many axes": npy((1,) * 99, data=bytes(8)),
    "a negative shape": npy((-1,)),
    "too little": npy((2,), data=bytes(8)),
    "too much": npy((1,), data=bytes(16)),
    "wide text": npy((2**20,), "<U99999999"),
    "no text": npy((2**20,), "<U0"),
    "odd floats": npy((1,), "<f3", bytes(3)),
    "objects": npy((1,), "|O", bytes(8)),
    "a structure": npy((1,), [("a", "<f8")], bytes(8)),
    "an expression": npy("(__import__('os').getpid(),)"),
    "parentheses": npy("(" * 30_000),
    "another version": b"\x93NUMPY\x02\x00" + npy((1,), data=bytes(8))[8:],
    "no header": b"",
}


@over_kinds
@pytest.mark.parametrize("member", MEMBERS.values(), ids=MEMBERS)
def test_headers_are_not_believed(member, kind, tmp_path):
    name = "description" if kind == "model" else "delta"
    with zipfile.ZipFile(tmp_path / "file", "w") as file:
        file.writestr(f"{name}.npy", member)
    refused(kind, tmp_path / "file", f"'{name}.npy' in it is no plain array")


@over_kinds
def test_archives_that_are_none(kind, files, tmp_path):
    path = tmp_path / "file"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as file:
        warnings.simplefilter("ignore")  # zipfile's own, of what is done here
        for _ in range(2):
            file.writestr("description.npy", npy((1,), data=bytes(8)))
    refused(kind, path, "two arrays of one name")
    for packing in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", packing) as file:
            file.writestr("description.npy", bytes(10**7))
        refused(kind, path, "more than plain arrays")
    with zipfile.ZipFile(path, "w") as file:
        for number in range(5_000):
            file.writestr(f"{number}.npy", npy((0,)))
    refused(kind, path, "other arrays")
    # A member that says it is larger than the file
    whole = bytearray(files[kind])
    entry = whole.index(b"PK\x01\x02")
    whole[entry + 20 : entry + 28] = b"\xfe\xff\xff\xff" * 2
    path.write_bytes(whole)
    refused(kind, path, "claims to hold")


# ---- records

FLOWS = {
    "texts": {"delta": np.array([["a"] * 3] * 2)},
    "integers": {"loss": np.arange(2)},
    "steps that are none": {"step": np.array([0.0, 1.0])},
    "steps before the first": {"step": np.array([-1, 0])},
    "layers that are none": {"layers": np.arange(3)},
    "layers in a table": {"layers": np.array([["a", "b"]])},
    "gates that are none": {"gates/lstm1": np.arange(4)},
    "gates of nobody": {"gates/rnn9": np.array(["z"])},
    "no layers": {"layers": None},
    "no steps": {"step": None},
    "no time": {"time/lstm1": None},
    "other times": {"time_direct/lstm1": np.ones((2, 7))},
    "one number for all": {"time/lstm1": np.float64(1)},
    "a file in it": {"../../file": np.ones(1)},
}


@pytest.mark.parametrize("changes", FLOWS.values(), ids=FLOWS)
def test_records_that_are_none(changes, files, tmp_path):
    arrays = {**arrays_of(files["flow"]), **changes}
    rewrite(tmp_path / "flow", {name: a for name, a in arrays.items() if a is not None})
    refused("flow", tmp_path / "flow")


def test_timesteps_of_no_steps_take_no_memory(files, tmp_path):
    """A record without steps has no timesteps; one that claims some would make room for them later."""
    arrays = {name: array[:0] for name, array in arrays_of(files["flow"]).items()}
    whole = arrays_of(files["flow"])
    for name in whole:
        if name.startswith(("layers", "every", "gates/")):
            arrays[name] = whole[name]
        elif name.startswith("time"):
            arrays[name] = np.empty((0, 10**12, *whole[name].shape[2:]))
    rewrite(tmp_path / "flow", arrays)
    flow = vg.GradientFlow.load(tmp_path / "flow")
    model = rich_model()
    model.fit(X, Y, shuffle=False, track=flow)
    assert flow.time["lstm1"].shape == (1, 3)
