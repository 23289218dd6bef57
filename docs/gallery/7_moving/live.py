"""
While a network trains
======================

In a notebook or a window the picture is drawn while the network trains; here its last frame.
Frames take a twentieth of the time at most, once the picture is open; ``share=0.5`` gives them
half.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "tanh") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow()
model.fit(x, y, epochs=2, track=flow, callbacks=[vg.plot.live(flow)], verbose=0)
