"""The page about PyTorch runs, and its networks give the same outputs here and there."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from code_blocks import run

matplotlib.use("Agg")
PAGE = Path(__file__).parents[2] / "docs" / "pytorch.md"


@pytest.mark.parity
def test_the_page_of_pytorch_runs(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    import vgcore as vg

    names = run(PAGE, tmp_path, monkeypatch)
    rng = np.random.default_rng(0)
    trained, x = names["trained"], names["x"][:5]
    expected = torch.softmax(trained(torch.tensor(x, dtype=torch.float32)), -1).argmax(-1)
    assert (expected.numpy() == names["y"][:5]).mean() > 0.5  # it has learned
    for module, inputs in (
        (names["net"], rng.normal(size=(4, 3, 8, 8)).astype(np.float32)),
        (names["reader"], rng.integers(50, size=(4, 7))),
    ):
        shape = inputs.shape[1:]
        model = vg.exchange.from_torch(module, input_shape=shape)
        with torch.no_grad():
            outputs = module.eval()(torch.from_numpy(inputs)).numpy()
        np.testing.assert_allclose(model.predict(inputs), outputs, rtol=1e-4, atol=1e-6)
