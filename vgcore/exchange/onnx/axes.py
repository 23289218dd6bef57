"""What the axes of a graph's input are, which the file does not say: its first nodes do."""

from __future__ import annotations

from vgcore.exchange.onnx.file import Graph

_CELLS = ("RNN", "LSTM", "GRU")
_CHANNELS_SECOND = (
    "Conv", "BatchNormalization", "InstanceNormalization", "GroupNormalization", "MaxPool", "AveragePool",
    "GlobalAveragePool", "GlobalMaxPool",
)  # fmt: skip
_ROWS = ("LayerNormalization", "RMSNormalization", "MatMul")


def input_axes(graph: Graph) -> str:
    """The letters of the input's axes: n, c, h, w, t."""
    rank = len(graph.sizes)
    if rank == 2:
        first = graph.uses(graph.input)
        return "nt" if first and first[0].kind == "Gather" else "nc"
    if rank not in (3, 4):
        raise NotImplementedError(
            f"{graph.input}: vgcore has vectors, sequences and images; got an input of {rank} axes"
        )
    tensor, moved = graph.input, list(range(rank))
    while uses := graph.uses(tensor):
        node = uses[0]
        if node.kind == "Transpose":
            moved = [moved[place] for place in node.attributes["perm"]]
        elif node.kind in _CELLS:
            return _back("tnc", moved)
        elif node.kind in _CHANNELS_SECOND:
            return _back("nchw" if rank == 4 else "nct", moved)
        elif node.kind in _ROWS:
            return _back("nhwc" if rank == 4 else "ntc", moved)
        elif node.kind in ("Flatten", "Reshape", "Gemm"):
            break
        tensor = node.outputs[0]
    return "nchw" if rank == 4 else "ntc"


def _back(axes: str, moved: list[int]) -> str:
    """The axes in front of what has moved them."""
    return "".join(axes[moved.index(place)] for place in range(len(axes)))
