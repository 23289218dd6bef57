"""
A record as a moving picture
============================

The error signal over the layers, step after step, as a GIF (or an MP4, where ffmpeg is
installed).
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "relu") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

vg.plot.animate(flow, "relu.gif", steps=flow.step[::3])
