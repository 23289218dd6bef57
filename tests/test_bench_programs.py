"""The faulty programs of bench/: each can be built and trained, and runs are judged by what they learn."""

import math
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import log_loss, r2_score

from vgcore.diagnosis.symptoms import SYMPTOMS

BENCH = Path(__file__).parent.parent / "bench"
sys.path.append(str(BENCH))

import crossed  # noqa: E402
import outcomes  # noqa: E402
import verdicts  # noqa: E402
from programs import FORMS, PROGRAMS, TABLES, data, keras  # noqa: E402
from programs.program import Data, split  # noqa: E402
from store import Store  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def digits(tmp_path_factory):
    """Files in MNIST's format, of noise."""
    folder = tmp_path_factory.mktemp("mnist")
    rng = np.random.default_rng(0)
    for name, shape, top in (("images-idx3", (400, 28, 28), 256), ("labels-idx1", (400,), 10)):
        values = rng.integers(top, size=shape, dtype=np.uint8)
        head = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
        (folder / f"t10k-{name}-ubyte").write_bytes(head + values.tobytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(data.MNIST, str(folder))
        yield
    data._mnist.cache_clear()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_takes_a_step(name, form):
    program = PROGRAMS[name]
    run = program.run(form, 0)
    assert form == "faulty" or not run.refusal
    if run.model is None:
        assert "softmax of one unit" in run.refusal
        return
    before = run.model.session.values.copy()
    rows = slice(run.form.batch)
    run.model.train_on_batch(run.x[rows], run.y[rows])
    assert run.model.step == 1
    assert form == "faulty" or (run.model.session.values != before).any()
    assert run.model.predict(run.held_x[:2]).shape[0] == 2


def test_causes_are_symptoms():
    assert {cause for program in PROGRAMS.values() for cause in program.causes} <= set(SYMPTOMS)
    assert {program.table for program in PROGRAMS.values()} == set(TABLES)


def slope(loss, y, h, at, step=1e-6):
    up, down = h.copy(), h.copy()
    up[at] += step
    down[at] -= step
    return (loss(y, up)[0][at[0]] - loss(y, down)[0][at[0]]) / (2 * step)


@pytest.mark.parametrize(("loss", "outputs"), [(keras.binary, 1), (keras.categorical, 4)])
def test_keras_cross_entropies(loss, outputs):
    rng = np.random.default_rng(0)
    h = rng.uniform(0.05, 0.95, (6, outputs))
    labels = rng.integers(max(outputs, 2), size=6)
    y = labels[:, None].astype(float) if outputs == 1 else np.eye(outputs)[labels]
    losses, slopes = loss(y, h)
    share = h[:, 0] if outputs == 1 else h / h.sum(axis=1, keepdims=True)
    known = log_loss(labels, share, labels=range(max(outputs, 2)))
    assert losses.mean() == pytest.approx(known, rel=1e-12)
    for at in np.ndindex(h.shape):
        assert slopes[at] == pytest.approx(slope(loss, y, h, at), rel=1e-6)


def test_where_keras_cuts_there_is_no_gradient():
    losses, slopes = keras.binary(np.array([[1.0], [0.0]]), np.array([[0.0], [3.0]]))
    np.testing.assert_allclose(losses, -np.log(1e-7), rtol=1e-6)
    assert not slopes.any()
    losses, _ = keras.categorical(np.eye(2), np.zeros((2, 2)))
    assert np.isinf(losses).all()


def test_scores():
    y = np.random.default_rng(0).standard_normal((50, 2))
    found = split(np.zeros((50, 1)), y, "numbers")
    outputs = found.held_y + np.array([0.3, -0.1])
    assert found.score(outputs) == pytest.approx(r2_score(found.held_y, outputs))
    assert math.isnan(found.score(np.full(found.held_y.shape, np.inf)))
    classes = Data(np.zeros((3, 1)), np.arange(3), np.zeros((4, 1)), np.array([0, 1, 2, 2]))
    assert classes.score(np.array([[0.2], [0.8], [1.9], [7.0]])) == 1
    assert classes.score(np.eye(3)[[0, 0, 2, 2]]) == 0.75
    assert classes.chance == 0.5


def test_a_run_is_judged_by_its_own_outcome():
    found = outcomes.Outcomes([0.5, 0.93, math.nan], [0.9, 1.0, 0.95], 0.5, "", runs=True)
    assert found.bar == pytest.approx(0.905)
    assert found.faulty_seeds() == [0, 2] and found.healthy_seeds() == [1, 2]
    assert not outcomes.Outcomes([0.5], [0.55], 0.5, "", runs=True).sound


def test_measurements_are_kept(tmp_path):
    path = tmp_path / "store.jsonl"
    key = ("a", "faulty", 0, "outcome")
    Store(path).add(key, {"score": math.nan})
    with path.open("a") as file:
        file.write('{"key": ["b", "fau')
    assert math.isnan(Store(path)[key]["score"])


def test_stored_numbers_say_what_the_diagnosis_said():
    for name in ("AT-demo-GV", "TDC-sym-regr", "50338865"):
        for form in FORMS:
            row = verdicts.measure(PROGRAMS[name], form, 0, 1.0, cures=False)
            assert bool(row["ill"]) == (form == "faulty")
            assert crossed.Numbers.of(row).illnesses({}) == tuple(dict.fromkeys(row["ill"]))


def test_a_laxer_threshold_flags_less():
    row = verdicts.measure(PROGRAMS["AT-demo-GV"], "faulty", 0, 1.0, cures=False)
    row["learned"] = 1.0
    found = crossed.Numbers.of(row)
    assert "vanishing_gradient" in found.illnesses({})
    assert "vanishing_gradient" not in found.illnesses({"vanishing_gradient": 1e12})


def test_a_family_is_on_one_side():
    parts = crossed.folds(list(PROGRAMS.values()))
    assert sorted(p.id for part in parts for p in part) == sorted(PROGRAMS)
    families = [{program.family for program in part} for part in parts]
    assert sum(map(len, families)) == len(set.union(*families))
