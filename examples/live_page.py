"""A live page of one's own, in ten lines: the gradient through time while a network learns to add."""

import vgcore as vg


def frame(params):
    x, y = vg.data.adding_problem(500, length=params["length"], seed=0)
    cell = getattr(vg, params["cell"])(32, name="cell")
    model = vg.Sequential([cell, vg.Dense(1)], input_shape=(None, 2), seed=0)
    model.compile("mse", "adam", clip_norm=1.0)
    flow = vg.GradientFlow(every=16)  # once in each epoch
    while len(flow) < 60:
        model.fit(x, y, track=flow, verbose=0)
        yield vg.live.heat("Norm of dL/dh", flow.time["cell"], log=True, label="epoch", xlabel="t")


length = vg.live.Slider("length", 10, 200, 50, integer=True)
vg.live.Page(frame, [length, vg.live.Choice("cell", ["RNN", "LSTM", "GRU"])]).serve()
