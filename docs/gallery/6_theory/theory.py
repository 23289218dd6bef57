"""
A measured error signal over what theory predicts
=================================================

Twenty tanh layers at the edge of chaos, before any training. The dashed line is mean-field
theory; within the band around it lie nine of ten networks of this width, and so does the one that
is measured.
"""

import vgcore as vg

x, y = vg.data.digits()
critical = vg.initializers.Critical("tanh", 0.1)
start = {"weight_initializer": critical, "bias_initializer": critical}
layers = [vg.Dense(300, "tanh", **start) for _ in range(20)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy")
theory = vg.theory.predict(model, x[:100])
vg.plot.compare({"tanh": model.gradient_flow(x[:100], y[:100])}, theory=theory)
