"""`vgcore sweep FILE.toml`: the same as in Python."""

import re

import pytest
from processes import run_python

import vgcore as vg

TRAIN = """
def load():
    return 10


def train(config, seed, data):
    if config["depth"] == 3:
        raise ValueError("no")
    return {"score": config["depth"] * data + config.get("momentum", 0)}
"""
FILE = """
train = "my_training.py:train"
data = "my_training.py:load"
store = "sweep.sqlite"
repeats = 2

[grid]
optimizer = ["sgd", "adam"]
depth = { range = [1, DEPTH] }
rate = { loguniform = [1e-4, 1e-1, 2] }
momentum = { values = [0.5, 0.9], when = { optimizer = "sgd" } }

[picture]
x = "depth"
y = "optimizer"
value = "score"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my_training.py").write_text(TRAIN)
    (tmp_path / "sweep.toml").write_text(FILE.replace("DEPTH", "3"))
    return tmp_path


def sweep(folder, *options):
    return run_python("-m", "vgcore", "sweep", str(folder / "sweep.toml"), *options)


def test_a_file_is_the_same_as_a_call(folder):
    run = sweep(folder)
    assert run.returncode == 0, run.stderr
    store, picture = folder / "sweep.sqlite", folder / "sweep.png"
    assert run.stdout.splitlines()[-2:] == [f"24 runs, 0 failed: {store}", f"Picture: {picture}"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    scope = {}
    exec(TRAIN, scope)
    grid = {
        "optimizer": ["sgd", "adam"],
        "depth": range(1, 3),
        "rate": vg.sweeps.loguniform(1e-4, 1e-1, 2),
        "momentum": vg.sweeps.when([0.5, 0.9], optimizer="sgd"),
    }
    same = vg.sweep(scope["train"], grid, store=folder / "same", repeats=2, data=10)
    scores = [
        {row.seed: row.result["score"] for row in table} for table in (same, vg.sweeps.load(store))
    ]
    assert len(same) == 24 and scores[0] == scores[1]
    (folder / "sweep.toml").write_text(FILE.replace("DEPTH", "4"))
    run = sweep(folder)
    assert run.returncode == 1
    assert run.stdout.startswith("resumed: 24 of 36 done\n")
    assert f"36 runs, 12 failed: {store}\n" in run.stdout
    assert (
        len(re.findall(r"^\{.*'depth': 3.*\}, repeat \d: ValueError: no$", run.stdout, re.M)) == 3
    )


def test_on_a_cluster(folder):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        run = sweep(folder, "--scheduler", cluster.scheduler_address)
    assert run.returncode == 0, run.stderr
    assert len(vg.sweeps.load(folder / "sweep.sqlite")) == 24


WRONG = {
    "no TOML": ("train = 3 4", "error: file: expected TOML, got "),
    "a name": (FILE + "[other]\n", "error: file: expected one of train, store, "),
    "no grid": ('train = "a:b"\nstore = "c"', "error: grid: expected a table in "),
    "no function": (FILE.replace(":train", ""), "error: train: expected 'file.py:function', got"),
    "no file": (FILE.replace("my_training", "none"), "error: [Errno 2] No such file"),
    "not in it": (FILE.replace(":load", ":lod"), "error: data: expected a function of my_training"),
    "another's name": (
        FILE.replace("my_training", "random"),
        "error: train: expected a name that ",
    ),
    "no draws": (
        FILE.replace("loguniform", "normal"),
        "error: grid.rate: expected one of values, ",
    ),
    "draws": (
        FILE.replace("[1e-4,", "[1,"),
        "error: grid.rate.loguniform: low: expected less than",
    ),
    "when": (
        FILE.replace("{ optimizer", "{ optimiser"),
        "error: grid['momentum']: expected condit",
    ),
    "repeats": (FILE.replace("repeats = 2", "repeats = 0"), "error: repeats: expected an integer"),
    "picture": (FILE.replace('value = "score"', ""), "error: picture: expected a table with x, y"),
    "picture's end": (FILE + 'path = "a.xyz"', "error: out: expected a name ending in"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_said_in_a_line(name, folder):
    text, message = WRONG[name]
    (folder / "random.py").write_text(TRAIN)
    (folder / "sweep.toml").write_text(text.replace("DEPTH", "3"))
    run = sweep(folder)
    assert run.returncode == 1 and run.stderr.startswith(message), run.stderr
    assert len(run.stderr.splitlines()) == 1 and not (folder / "sweep.sqlite").exists()
