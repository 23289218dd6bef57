"""TensorBoard's event files, by the writer of tensorboardX or of TensorBoard itself."""

from __future__ import annotations

import importlib
import os
import struct
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vgcore import _extras, _validate
from vgcore.exchange.loggers.logger import TOLD, Array, Logger, check_fields, png
from vgcore.model import callbacks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vgcore.model import Sequential

# TensorBoard's own imports TensorFlow where that is installed, which takes seconds
_WRITERS = {
    "tensorboardX": ("tensorboardX.event_file_writer", "tensorboardX.proto"),
    "tensorboard": ("tensorboard.summary.writer.event_file_writer", "tensorboard.compat.proto"),
}


class _Library(NamedTuple):
    """What writes, and the messages that it writes."""

    writer: Any
    event: Any
    summary: Any


def _library() -> _Library:
    """The first of the libraries that is installed."""
    for name, (writer, messages) in _WRITERS.items():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            continue
        return _Library(
            importlib.import_module(writer).EventFileWriter,
            importlib.import_module(f"{messages}.event_pb2"),
            importlib.import_module(f"{messages}.summary_pb2"),
        )
    raise ModuleNotFoundError(
        _extras.missing("tensorboardX", "tensorboard", "logs for TensorBoard need")
    )


class TensorBoard(Logger):
    """Write a training's numbers, histograms and pictures for TensorBoard: ``tensorboard --logdir ...``.

    What is told, and under which names, is said of `Logger`. A training adds a file to the folder; steps go
    on where `Sequential.step` does. tensorboardX writes, or TensorBoard's own writer where that alone is
    installed. Event files hold numbers as float32: what is below 1e-45 is 0 there.

    Parameters
    ----------
    logdir : path-like
        Folder of this run, which is made if it is not there. With `vgcore.fit_many`, ``{model}`` in it is the
        model's place in the list.
    fields : iterable of str
        Fields of the flow that are told layer by layer.
    pictures : bool
        Draw the flow when training ends, which needs matplotlib.

    Examples
    --------
    >>> import vgcore as vg
    >>> x, y = vg.data.circles(64, seed=0)
    >>> model = vg.Sequential([vg.Dense(8, "tanh"), vg.Dense(2, "softmax")], input_shape=2, seed=0)
    >>> model.compile("sparse_categorical_crossentropy")
    >>> flow = vg.GradientFlow(distributions=True)
    >>> board = vg.callbacks.TensorBoard("runs/tanh")
    >>> history = model.fit(x, y, epochs=3, track=flow, callbacks=[board])
    """

    def __init__(
        self,
        logdir: str | bytes | os.PathLike[str] | os.PathLike[bytes],
        *,
        fields: Iterable[str] = TOLD,
        pictures: bool = True,
    ) -> None:
        self.logdir = _validate.path("logdir", logdir)
        self.fields = check_fields(fields)
        self.pictures = _validate.boolean("pictures", pictures)
        self._library: Any = None
        self._writer: Any = None

    def for_model(self, place: int) -> TensorBoard:
        """One of its own, with a folder of its own."""
        callbacks.check_field_model("logdir", self.logdir)
        folder = self.logdir.format(model=place)
        return TensorBoard(folder, fields=self.fields, pictures=self.pictures)

    def open(self, model: Sequential) -> None:
        """Begin a file."""
        self._library = _library()
        # tensorboardX names files by the second: of two in one it would overwrite the first
        suffix = f".{os.getpid()}.{time.time_ns()}"
        self._writer = self._library.writer(self.logdir, filename_suffix=suffix)

    def close(self, complete: bool) -> None:
        """End the file."""
        self._writer.close()
        self._writer = self._library = None

    def on_epoch_end(self, epoch: int, logs: callbacks.Logs) -> None:
        """Tell what there is, and leave it where TensorBoard sees it."""
        super().on_epoch_end(epoch, logs)
        self._writer.flush()

    def log(self, step: int, name: str, value: float) -> None:
        """Write a number."""
        self.log_all(step, {name: value})

    def log_all(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers of one step."""
        self._write(step, [{"tag": name, "simple_value": value} for name, value in values.items()])

    def log_histogram(self, step: int, name: str, edges: Array, counts: Array) -> None:
        """Write a histogram."""
        middles = (edges[:-1] + edges[1:]) / 2
        # A bin's number is its upper edge, that of the first what lies below: an empty one comes before
        histogram = self._library.summary.HistogramProto(
            min=edges[0],
            max=edges[-1],
            num=counts.sum(),
            sum=counts @ middles,
            sum_squares=counts @ middles**2,
            bucket_limit=edges,
            bucket=[0, *counts],
        )
        self._write(step, [{"tag": name, "histo": histogram}])

    def log_picture(self, step: int, name: str, figure: Figure) -> None:
        """Write a picture, as PNG."""
        data = png(figure)
        width, height = struct.unpack(">II", data[16:24])
        image = self._library.summary.Summary.Image(
            height=height, width=width, colorspace=4, encoded_image_string=data
        )
        self._write(step, [{"tag": name, "image": image}])

    def _write(self, step: int, values: list[dict[str, Any]]) -> None:
        if self._writer is None:
            raise RuntimeError(
                "a TensorBoard writes while a model is being trained; no training is"
            )
        kind = self._library.summary.Summary
        summary = kind(value=[kind.Value(**value) for value in values])
        self._writer.add_event(
            self._library.event.Event(wall_time=time.time(), step=step, summary=summary)
        )
