"""Logs of other tools, read back by their own readers."""

from __future__ import annotations

import copy
import io
import json
import math
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image, pyplot
from processes import run_python

import vgcore as vg

X, Y = vg.data.circles(60, factor=0.5, seed=0)
SHOWN = ("loss", "accuracy", "val_loss", "learning_rate")


def network() -> Any:
    layers = [vg.Dense(8, "relu"), vg.Dense(6, "tanh"), vg.Dense(2, "softmax")]
    model = vg.Sequential(layers, input_shape=2, seed=0)
    model.compile("sparse_categorical_crossentropy", vg.Adam(0.01))
    return model


def trained(log: Any, **options: Any) -> tuple[Any, Any]:
    model = network()
    flow = vg.GradientFlow(every=2, distributions=4)
    options = {"epochs": 3, "batch_size": 10, "validation_split": 0.2, "track": flow, **options}
    model.fit(X, Y, verbose=0, callbacks=[log], **options)
    return model, flow


class Noted(vg.callbacks.Logger):
    """Notes all it is told."""

    def __init__(self, pictures: bool = False) -> None:
        self.pictures = pictures
        self.numbers: dict[str, list[tuple[int, float]]] = {}
        self.histograms: dict[tuple[str, int], Any] = {}
        self.others: list[Any] = []

    def log(self, step: int, name: str, value: float) -> None:
        assert type(step) is int and type(value) is float
        self.numbers.setdefault(name, []).append((step, value))

    def log_histogram(self, step: int, name: str, edges: Any, counts: Any) -> None:
        self.histograms[name, step] = edges, counts

    def log_picture(self, step: int, name: str, figure: Any) -> None:
        self.others.append((step, name, figure))

    def open(self, model: Any) -> None:
        self.others.append("open")

    def close(self, complete: bool) -> None:
        self.others.append(complete)


class TestLogger:
    def test_numbers_of_epochs_are_those_of_the_history(self) -> None:
        log = Noted()
        model, _ = trained(log)
        for name, values in model.history.items():
            assert log.numbers[name] == list(zip([4, 9, 14], values, strict=True))
        assert log.numbers["epoch"] == [(4, 0.0), (9, 1.0), (14, 2.0)]

    def test_numbers_of_steps_are_those_of_the_flow(self) -> None:
        log = Noted()
        log.fields = ("delta", "weight_norm", "saturated")
        _, flow = trained(log)
        assert log.numbers["step/loss"] == list(zip(flow.step, flow.loss, strict=True))
        assert log.numbers["rate"] == list(zip(flow.step, flow.rate().factor, strict=True))
        for field in log.fields:
            for place, layer in enumerate(flow.layers):
                told = log.numbers.get(f"{field}/{layer}")
                if (field, layer) == ("saturated", "dense3"):
                    assert told is None  # of a softmax there is none
                else:
                    assert told == list(zip(flow.step, getattr(flow, field)[:, place], strict=True))
        assert "update_ratio/dense1" not in log.numbers

    def test_steps_never_go_back(self) -> None:
        steps = []

        class Steps(vg.callbacks.Logger):
            pictures = False

            def log(self, step: int, name: str, value: float) -> None:
                steps.append(step)

        model, flow = trained(Steps())
        model.fit(X, Y, track=flow, callbacks=[Steps()], epochs=2, verbose=0)
        assert steps == sorted(steps) and len(set(steps)) > 8

    def test_histograms_are_the_distributions(self) -> None:
        log = Noted()
        _, flow = trained(log)
        told = flow.distribution("activation")
        assert list(told.step) == [0, 4, 8, 12]
        for row, step in enumerate(told.step):
            for place, layer in enumerate(flow.layers):
                edges, counts = log.histograms[f"log10_activation/{layer}", int(step)]
                assert counts[0] and counts[-1] and len(edges) == len(counts) + 1
                at = np.searchsorted(np.log10(told.edges), edges[0])
                whole = told.counts[row, place]
                assert (whole[at : at + len(counts)] == counts).all()
                assert whole.sum() == counts.sum()
                zero = dict(log.numbers[f"zero_activation/{layer}"])[int(step)]
                assert math.isclose(
                    counts.sum() + zero * told.total[row, place], told.total[row, place]
                )
        assert log.numbers["zero_activation/dense1"][0][1] > 0  # of ReLUs that are off

    def test_what_is_not_finite_is_told(self) -> None:
        log = Noted()
        model = vg.Sequential([vg.Dense(8), vg.Dense(1)], input_shape=2, seed=0)
        model.compile("mse", vg.SGD(1e10), on_nonfinite="ignore")
        flow = vg.GradientFlow(distributions=True)
        model.fit(X, Y[:, np.newaxis], epochs=9, track=flow, callbacks=[log], verbose=0)
        assert not np.isfinite(flow.delta[-1]).all()
        np.testing.assert_equal(
            [value for _, value in log.numbers["delta/dense1"]], list(flow.delta[:, 0])
        )
        assert log.numbers["not_finite_delta/dense1"][-1][1] > 0

    def test_pictures_come_at_the_end_and_pyplot_has_none(self) -> None:
        log = Noted(pictures=True)
        before = pyplot.get_fignums()
        trained(log)
        opened, *pictures, closed = log.others
        assert (opened, closed) == ("open", True)
        assert [(step, name) for step, name, _ in pictures] == [(14, "flow"), (14, "delta")]
        assert pyplot.get_fignums() == before
        for _, _, figure in pictures:
            figure.savefig(io.BytesIO(), format="png")

    def test_time(self) -> None:
        x, y = vg.data.adding_problem(40, 6, seed=0)
        model = vg.Sequential([vg.GRU(4), vg.Dense(1)], input_shape=(6, 2), seed=0)
        model.compile("mse")
        log, flow = Noted(pictures=True), vg.GradientFlow()
        model.fit(x, y, track=flow, callbacks=[log], verbose=0)
        rates = flow.time_rate("gru1").factor
        assert log.numbers["time_rate/gru1"] == list(zip(flow.step, rates, strict=True))
        assert [entry[1] for entry in log.others[1:-1]] == ["flow", "delta", "time"]

    def test_without_a_flow(self) -> None:
        log = Noted(pictures=True)
        trained(log, track=None)
        assert log.others == ["open", True] and not log.histograms
        assert {*SHOWN} <= {*log.numbers} and "step/loss" not in log.numbers

    def test_a_training_that_is_broken_off(self) -> None:
        log = Noted()

        def stop(epoch: int, logs: Any) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            network().fit(X, Y, verbose=0, callbacks=[log, stop])
        assert log.others == ["open", False]
        with pytest.raises(TypeError):
            network().fit(X, Y, verbose=0, callbacks=[log], track=3)
        assert log.others == ["open", False]

    def test_training_is_what_it_is_without(self) -> None:
        with_log, _ = trained(Noted())
        without = network()
        without.fit(X, Y, epochs=3, batch_size=10, validation_split=0.2, verbose=0)
        for name, values in without.state_dict().items():
            assert (values == with_log.state_dict()[name]).all()

    def test_a_log_of_nothing(self) -> None:
        with pytest.raises(TypeError, match="abstract"):
            vg.callbacks.Logger()


def events_of_tensorboard(folder: Path) -> Any:
    """Scalars, histograms and pictures by TensorBoard's own reader."""
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    reader = module.EventAccumulator(
        str(folder), size_guidance={"scalars": 0, "histograms": 0, "images": 0}
    )
    reader.Reload()
    tags = reader.Tags()
    return (
        {name: [(e.step, e.value) for e in reader.Scalars(name)] for name in tags["scalars"]},
        {
            name: [
                (e.step, list(e.histogram_value.bucket_limit), list(e.histogram_value.bucket))
                for e in reader.Histograms(name)
            ]
            for name in tags["histograms"]
        },
        {
            name: [(e.step, e.width, e.height, e.encoded_image_string) for e in reader.Images(name)]
            for name in tags["images"]
        },
    )


def events_of_tensorboardx(folder: Path) -> Any:
    """The same from the records of the files, by tensorboardX's messages."""
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto import event_pb2

    numbers: dict[str, Any] = {}
    histograms: dict[str, Any] = {}
    pictures: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):  # a record: its length, a check sum, itself, a check sum
            (length,) = struct.unpack_from("<Q", data, at)
            event = event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
            at += length + 16
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    numbers.setdefault(value.tag, []).append((event.step, value.simple_value))
                elif value.HasField("histo"):
                    histo = value.histo
                    entry = event.step, list(histo.bucket_limit), list(histo.bucket)
                    histograms.setdefault(value.tag, []).append(entry)
                else:
                    shown = value.image
                    entry = event.step, shown.width, shown.height, shown.encoded_image_string
                    pictures.setdefault(value.tag, []).append(entry)
    return numbers, histograms, pictures


@pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorboard.*")
@pytest.mark.parametrize("read", [events_of_tensorboard, events_of_tensorboardx])
@pytest.mark.parametrize("writer", ["tensorboardX", "tensorboard"])
class TestTensorBoard:
    @pytest.fixture(autouse=True)
    def with_one_library(self, writer: str, monkeypatch: pytest.MonkeyPatch) -> None:
        from vgcore.exchange.loggers import tensorboard

        pytest.importorskip(writer)
        monkeypatch.setattr(tensorboard, "_WRITERS", {writer: tensorboard._WRITERS[writer]})

    def test_what_was_told_is_read(self, read: Any, tmp_path: Path) -> None:
        trained(vg.callbacks.TensorBoard(tmp_path / "run"))
        noted = Noted()
        model, _ = trained(noted)
        numbers, histograms, pictures = read(tmp_path / "run")
        del noted.numbers["seconds"], numbers["seconds"]
        assert {*numbers} == {*noted.numbers} >= {*SHOWN}
        for name, values in noted.numbers.items():
            assert numbers[name] == [(step, float(np.float32(value))) for step, value in values]
        told = {}
        for name, entries in histograms.items():
            for step, limits, buckets in entries:
                assert buckets[0] == 0
                told[name, step] = limits, buckets[1:]
        assert {*told} == {*noted.histograms}
        for key, (edges, counts) in noted.histograms.items():
            assert told[key] == (list(edges), list(counts))
        assert {*pictures} == {"flow", "delta"}
        for (step, width, height, png), *more in pictures.values():
            assert step == model.step - 1 and not more
            drawn = image.imread(io.BytesIO(png))
            assert drawn.shape == (height, width, 4)
            assert drawn.std() > 0.05

    def test_a_second_training_goes_on(self, read: Any, tmp_path: Path) -> None:
        board = vg.callbacks.TensorBoard(tmp_path, pictures=False)
        model, flow = trained(board)
        model.fit(X, Y, batch_size=10, epochs=5, initial_epoch=3, callbacks=[board], track=flow)
        numbers, _, pictures = read(tmp_path)
        assert [step for step, _ in numbers["loss"]] == [4, 9, 14, 20, 26]
        assert [step for step, _ in numbers["delta/dense1"]] == list(flow.step)
        assert not pictures

    def test_several_models(self, read: Any, tmp_path: Path) -> None:
        models = [network(), network()]
        flows = [vg.GradientFlow(), vg.GradientFlow()]
        board = vg.callbacks.TensorBoard(tmp_path / "run-{model}", pictures=False)
        vg.fit_many(models, X, Y, epochs=2, track=flows, shuffle=False, callbacks=[board])
        for place, model in enumerate(models):
            numbers, _, pictures = read(tmp_path / f"run-{place}")
            losses = [value for _, value in numbers["loss"]]
            assert losses == [float(np.float32(loss)) for loss in model.history["loss"]]
            assert "model" not in numbers and not pictures
        with pytest.raises(ValueError, match=r"logdir: expected a place for \{model\}"):
            vg.fit_many(models, X, Y, callbacks=[vg.callbacks.TensorBoard(tmp_path)])

    def test_a_number_of_ones_own(self, read: Any, tmp_path: Path) -> None:
        board = vg.callbacks.TensorBoard(tmp_path)

        def add(epoch: int, logs: Any) -> None:
            board.log(epoch, "mine", 0.5)

        network().fit(X, Y, epochs=2, verbose=0, callbacks=[board, add])
        assert read(tmp_path)[0]["mine"] == [(0, 0.5), (1, 0.5)]
        with pytest.raises(RuntimeError, match="while a model is being trained"):
            board.log(0, "mine", 0.5)
        assert copy.deepcopy(board).logdir == str(tmp_path)


def test_either_library_is_named_where_there_is_none() -> None:
    run = run_python(
        "-c",
        "import sys\n"
        "sys.modules['tensorboardX'] = sys.modules['tensorboard'] = None\n"
        "import vgcore as vg\n"
        "x, y = vg.data.circles(20, seed=0)\n"
        "model = vg.Sequential([vg.Dense(2, 'softmax')], input_shape=2)\n"
        "model.compile('sparse_categorical_crossentropy')\n"
        "try:\n    model.fit(x, y, callbacks=[vg.callbacks.TensorBoard('run', pictures=False)])\n"
        "except ModuleNotFoundError as error:\n    print(error)\n",
    )
    assert "logs for TensorBoard need tensorboardX: " in run.stdout, run.stderr


def test_loggers_are_imported_when_they_are_asked_for() -> None:
    run = run_python(
        "-c",
        "import sys, vgcore as vg\n"
        "assert {'Logger', 'TensorBoard', 'MLflow', 'Wandb'} < {*dir(vg.callbacks)}\n"
        "assert not {'vgcore.exchange.loggers.logger'} & {*sys.modules}\n"
        "vg.callbacks.TensorBoard('a'), vg.callbacks.MLflow(), vg.callbacks.Wandb()\n"
        "others = {'tensorboard', 'tensorboardX', 'mlflow', 'wandb', 'matplotlib'}\n"
        "assert not others & {*sys.modules}\n",
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("make", [vg.callbacks.MLflow, vg.callbacks.Wandb])
def test_bad_arguments(make: Any) -> None:
    with pytest.raises(ValueError, match="fields: expected one of delta"):
        make(fields=["deltas"])
    with pytest.raises(TypeError, match="fields: expected a sequence of fields"):
        make(fields="delta")
    with pytest.raises(TypeError, match="pictures: expected True or False"):
        make(pictures=1)
    with pytest.raises(TypeError, match="expected a str, got 3"):
        make(3)
    with pytest.raises(TypeError, match="logdir: expected a path"):
        vg.callbacks.TensorBoard(3)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore")
class TestMLflow:
    @pytest.fixture(autouse=True)
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        mlflow = pytest.importorskip("mlflow")
        mlflow.set_tracking_uri((tmp_path / "store").as_uri())
        yield mlflow
        mlflow.set_tracking_uri(None)

    @staticmethod
    def read(mlflow: Any, run_id: str, name: str) -> list[tuple[int, float]]:
        history = mlflow.MlflowClient().get_metric_history(run_id, name)
        return [(each.step, each.value) for each in history]

    def test_what_was_told_is_read(self, store: Any) -> None:
        log, noted = vg.callbacks.MLflow("cures", run_name="relu"), Noted()
        trained(log)
        trained(noted)
        run = store.MlflowClient().get_run(log.run_id)
        assert run.info.status == "FINISHED" and run.info.run_name == "relu"
        experiment = store.MlflowClient().get_experiment(run.info.experiment_id)
        assert experiment.name == "cures" and store.active_run() is None
        assert run.data.params["optimizer"].startswith("Adam(learning_rate=0.01")
        assert {*SHOWN, "delta/dense1", "step/loss"} <= {*run.data.metrics}
        for name in ("loss", "val_accuracy", "delta/dense1", "step/loss"):
            assert self.read(store, log.run_id, name) == noted.numbers[name]
        artifacts = store.MlflowClient().list_artifacts(log.run_id, "pictures")
        assert [each.path for each in artifacts] == ["pictures/delta.png", "pictures/flow.png"]

    def test_into_the_run_there_is(self, store: Any) -> None:
        log = vg.callbacks.MLflow(pictures=False)
        with store.start_run() as run:
            trained(log)
            assert store.active_run().info.run_id == log.run_id == run.info.run_id
            assert store.active_run().info.status == "RUNNING"
        assert len(self.read(store, run.info.run_id, "loss")) == 3

    def test_a_training_that_fails(self, store: Any) -> None:
        log = vg.callbacks.MLflow(pictures=False)

        def stop(epoch: int, logs: Any) -> None:
            raise LookupError

        with pytest.raises(LookupError):
            network().fit(X, Y, verbose=0, callbacks=[log, stop])
        assert store.MlflowClient().get_run(log.run_id).info.status == "FAILED"

    def test_several_models(self, store: Any) -> None:
        log = vg.callbacks.MLflow("many", run_name="net", pictures=False)
        vg.fit_many([network(), network()], X, Y, epochs=2, shuffle=False, callbacks=[log])
        experiment = store.MlflowClient().get_experiment_by_name("many")
        runs = store.MlflowClient().search_runs([experiment.experiment_id])
        assert sorted(run.info.run_name for run in runs) == ["net-0", "net-1"]
        assert all(len(self.read(store, run.info.run_id, "loss")) == 2 for run in runs)


@pytest.mark.filterwarnings("ignore")
class TestWandb:
    @pytest.fixture
    def wandb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("WANDB_SILENT", "true")
        return pytest.importorskip("wandb")

    def test_offline(self, wandb: Any, tmp_path: Path) -> None:
        """Read from the file of the run, by wandb's own reader."""
        trained(vg.callbacks.Wandb("cures", mode="offline", dir=tmp_path))
        noted = Noted()
        trained(noted)
        assert wandb.run is None
        (path,) = tmp_path.rglob("*.wandb")
        numbers, others, code = read_wandb(path)
        assert code == 0
        for name, values in noted.numbers.items():
            if name != "seconds":
                assert numbers[name] == values
        for key, (edges, counts) in noted.histograms.items():
            assert (others[key]["bins"], others[key]["values"]) == (list(edges), list(counts))
        for name in ("flow", "delta"):
            assert others[f"pictures/{name}", 14]["_type"] == "image-file"

    def test_pictures_need_no_pyplot(self, wandb: Any, tmp_path: Path) -> None:
        script = (
            "import sys, numpy as np, vgcore as vg\n"
            "model = vg.Sequential([vg.Dense(2)], input_shape=3)\n"
            "model.compile('mse')\n"
            "log = vg.callbacks.Wandb('cures', mode='offline', dir=sys.argv[1])\n"
            "given = {'track': vg.GradientFlow(), 'callbacks': [log], 'verbose': 0}\n"
            "model.fit(np.ones((4, 3)), np.ones((4, 2)), **given)\n"
            "print('matplotlib.pyplot' in sys.modules)"
        )
        assert run_python("-W", "ignore", "-c", script, str(tmp_path)).stdout == "False\n"
        assert list(tmp_path.rglob("pictures/*.png"))

    def test_into_the_run_there_is(self, wandb: Any, tmp_path: Path) -> None:
        with wandb.init(mode="offline", dir=tmp_path) as run:
            trained(vg.callbacks.Wandb(pictures=False))
            assert wandb.run is run
        (path,) = tmp_path.rglob("*.wandb")
        assert len(read_wandb(path)[0]["loss"]) == 3

    def test_disabled(self, wandb: Any) -> None:
        trained(vg.callbacks.Wandb(mode="disabled", pictures=False))
        assert wandb.run is None


def records_of_wandb(data: bytes) -> Iterator[bytes]:
    """Records of LevelDB's log format: blocks of 32 KiB, pieces below a check sum, length and kind."""
    at, block, whole = 7, 32768, b""  # behind the file's own head
    while at < len(data):
        if block - at % block < 7:
            at += block - at % block
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # the whole, or its last piece
            yield whole
            whole = b""


def read_wandb(path: Path) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Numbers and other things by name, and how the run has ended: its writer may be behind."""
    for _ in range(200):
        numbers, others, code = parse_wandb(path)
        if code >= 0:
            break
        time.sleep(0.1)
    return numbers, others, code


def parse_wandb(path: Path) -> tuple[dict[str, Any], dict[str, Any], int]:
    from wandb.proto import wandb_internal_pb2

    numbers: dict[str, Any] = {}
    others: dict[str, Any] = {}
    code = -1
    for data in records_of_wandb(path.read_bytes()):
        record = wandb_internal_pb2.Record.FromString(data)
        if record.HasField("exit"):
            code = record.exit.exit_code
        if not record.HasField("history"):
            continue
        row: dict[str, Any] = {}
        for item in record.history.item:
            name, *inner = item.nested_key
            value = json.loads(item.value_json)
            row.setdefault(name, {}).update({inner[0]: value}) if inner else row.update(
                {name: value}
            )
        for name, value in row.items():
            if isinstance(value, dict):
                others[name, row["step"]] = value
            elif not name.startswith("_"):
                numbers.setdefault(name, []).append((row["step"], value))
    return numbers, others, code
