"""The table of a model: its rows add up to what it says in all."""

import pytest

import vgcore as vg

NETWORKS = {
    "vectors": lambda: vg.Sequential([vg.Dense(5), vg.BatchNorm(), vg.Dense(3)], input_shape=4),
    "blocks": lambda: vg.Sequential(
        [vg.Residual([vg.BatchNorm(), vg.Dense(4)], gate=0.0), vg.Highway(), vg.PReLU()],
        input_shape=4,
    ),
    "sequences": lambda: vg.Sequential(
        [vg.Bidirectional(vg.LSTM(3, peepholes=True)), vg.Dropout(0.5), vg.Dense(2)],
        input_shape=(None, 4),
    ),
    "images": lambda: vg.zoo.resnet(8, input_shape=(3, 8, 8), width=4),
}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("frozen", [False, True])
def test_rows_add_up(kind, frozen):
    model = NETWORKS[kind]()
    if frozen:
        model.compile("mse", frozen=[next(iter(model.layout.layers))])
    summary = model.summary()
    state = model.state_dict()
    trained = {name for name in state if "running_" not in name}
    assert sum(row[-1] for row in summary.layers) == summary.parameters
    assert summary.parameters == sum(state[name].size for name in trained)
    assert summary.statistics == sum(state[name].size for name in state.keys() - trained)
    text = str(summary)
    assert f"{summary.parameters:,}" in text
    assert ("statistics" in text) == (summary.statistics > 0)
