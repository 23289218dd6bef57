"""torchvision beside a PyTorch that its operators were not compiled for: its networks use none of them."""

import contextlib
import importlib.util

if importlib.util.find_spec("torch") and importlib.util.find_spec("torchvision"):
    import torch

    with contextlib.suppress(RuntimeError):
        import torchvision  # noqa: F401
    if not hasattr(torch.ops.torchvision, "nms"):
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
