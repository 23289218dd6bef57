"""vgcore's models as files of ONNX, which runtimes of many languages and devices read."""

from __future__ import annotations

from vgcore import _files, _validate
from vgcore._files import Path
from vgcore.exchange.onnx import operators
from vgcore.exchange.onnx.writers import WRITERS
from vgcore.exchange.onnx.writing import Writing
from vgcore.model import Sequential


def to_onnx(model: Sequential, path: Path) -> None:
    """Write a model as an ONNX file of opset 21, for prediction, in the model's dtype.

    Its one input is "input", its one output "output"; the number of samples is open, and that of timesteps
    where the model leaves it open. What acts while training alone is left out, but for a plain `Dropout`,
    which ONNX has, too.

    Parameters
    ----------
    model : Sequential
    path : str, bytes or os.PathLike
        A file that is there is replaced as a whole.

    Raises
    ------
    NotImplementedError
        If a layer or an option has no counterpart in ONNX: it is named, and what ONNX lacks.
    OSError
        If it cannot be written; the file that was there is as it was.
    TypeError, ValueError
        If it is no model of vgcore, ``path`` is no path, or the model has more than 2 GB.
    ModuleNotFoundError
        If onnx is not installed.

    Notes
    -----
    Options of ONNX's operators, such as an epsilon or a slope, are single precision in float64, too.
    ``lengths`` have no place in the file: sequences of one call are of one length.
    """
    if not isinstance(model, Sequential):
        raise TypeError(f"model: expected a vgcore.Sequential, got {_validate.kind(model)}")
    name = _validate.path("path", path)
    writing = Writing(operators.library("to_onnx"), model, WRITERS)
    for layer in model.layers:
        writing.write(layer)
    content = writing.content()
    _files.replace(name, lambda file: file.write(content))
