"""A record as CSV and Parquet: what pandas and pyarrow read is the table, bit for bit."""

import builtins

import numpy as np
import pytest

import vgcore as vg

pandas = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def flow():
    x, y = vg.data.adding_problem(32, 6, seed=0)
    layers = [vg.LSTM(4, return_sequences=True, name="a, b"), vg.GRU(3), vg.Dense(1)]
    model = vg.Sequential(layers, input_shape=(6, 2), seed=0)
    model.compile("mse", "adam")
    flow = vg.GradientFlow(units=True)
    model.fit(x, y, epochs=2, batch_size=8, track=flow, verbose=0)
    return flow


TABLES = [{}, {"time": True}, {"units": True}]


def read_csv(path, wanted):
    """Each number as Python reads it: what pandas does is not exact in every version."""
    read = pandas.read_csv(path, dtype=str, keep_default_na=False)
    numbers = {name: kind for name, kind in wanted.dtypes.items() if kind.kind in "if"}
    return read.astype(numbers)


def same(read, wanted):
    assert [*read.columns] == [*wanted.columns]
    for name in wanted.columns:
        mine, other = read[name].to_numpy(), wanted[name].to_numpy()
        if other.dtype.kind == "f":
            np.testing.assert_array_equal(mine, other, err_msg=name)
        else:
            assert mine.tolist() == other.tolist(), name


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_csv(table, flow, tmp_path):
    flow.to_csv(tmp_path / "flow.csv", **table)
    wanted = flow.to_dataframe(**table)
    same(read_csv(tmp_path / "flow.csv", wanted), wanted)


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_parquet(table, flow, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    flow.to_parquet(tmp_path / "flow.parquet", **table)
    read = parquet.read_table(tmp_path / "flow.parquet")
    assert sum(column.null_count for column in read.columns) == 0
    same(read.to_pandas(), flow.to_dataframe(**table))


def test_what_is_not_finite_stays(tmp_path):
    pytest.importorskip("pyarrow")
    flow = vg.GradientFlow()
    model = vg.Sequential([vg.Dense(2), vg.Dense(1)], input_shape=3, dtype="float64", seed=0)
    model.compile("mse", vg.SGD(1e120))  # a loss beyond 1e308, of predictions that are not
    with pytest.warns(RuntimeWarning, match="not finite"):
        model.fit(np.ones((4, 3)), np.ones((4, 1)), epochs=8, track=flow, verbose=0)
    frame = flow.to_dataframe()
    assert frame.isna().any(axis=None)
    assert np.isinf(frame.select_dtypes("float64")).any(axis=None)
    flow.to_csv(tmp_path / "flow.csv")
    flow.to_parquet(tmp_path / "flow.parquet")
    same(read_csv(tmp_path / "flow.csv", frame), frame)
    same(pandas.read_parquet(tmp_path / "flow.parquet"), frame)


def test_an_empty_record_has_its_names(tmp_path):
    vg.GradientFlow().to_csv(tmp_path / "flow.csv")
    assert (tmp_path / "flow.csv").read_text().startswith("step,loss,layer,delta,")
    assert len(pandas.read_csv(tmp_path / "flow.csv")) == 0


def test_bad_input(flow, tmp_path, monkeypatch):
    for write in (flow.to_csv, flow.to_parquet):
        with pytest.raises(TypeError, match=r"^path: expected a path"):
            write(3)
        with pytest.raises(ValueError, match=r"^units: expected False where time is True"):
            write(tmp_path / "a", time=True, units=True)
        with pytest.raises(FileNotFoundError):
            write(tmp_path / "no" / "a")
    original = builtins.__import__

    def without(name, *arguments, **options):
        if name.startswith("pyarrow"):
            raise ModuleNotFoundError(name, name=name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        ModuleNotFoundError, match=r"^to_parquet needs pyarrow: pip install pyarrow"
    ):
        flow.to_parquet(tmp_path / "a")
