"""The code of Keras's page runs, and ends with what it says."""

from pathlib import Path

import numpy as np
from code_blocks import run
from keras_on_torch import MARKS, keras

PAGE = Path(__file__).parents[2] / "docs" / "keras.md"
pytestmark = MARKS


def test_the_page_of_keras_runs(tmp_path, monkeypatch):
    names = run(PAGE, tmp_path, monkeypatch)
    again = keras.saving.load_model(tmp_path / "model.keras")
    outputs = np.asarray(again(names["images"]).detach())
    np.testing.assert_allclose(outputs, names["model"].predict(names["x"]), atol=1e-5)
