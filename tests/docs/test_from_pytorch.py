"""The lines that bring a network from PyTorch give its outputs."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from code_blocks import run

matplotlib.use("Agg")
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "from_pytorch.md"


@pytest.mark.parity
def test_lines_of_the_page_give_the_same_outputs(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    text = PAGE.read_text(encoding="utf-8")
    first, _, last = text.partition("A recurrent layer's")
    for part, shape, module in ((first, (7, 64), "net"), (last, (5, 9, 3), "lstm")):
        page = tmp_path / "part.md"
        page.write_text(
            part if part is first else "```python\nimport torch\nimport vgcore as vg\n```\n" + part
        )
        names = run(page, tmp_path, monkeypatch)
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        with torch.no_grad():
            out = names[module](torch.from_numpy(x))
        expected = (out[0] if isinstance(out, tuple) else out).numpy()
        np.testing.assert_allclose(names["model"].predict(x), expected, rtol=1e-4, atol=1e-6)
