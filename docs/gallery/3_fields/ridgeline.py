"""
The distribution of a layer's error signal over the training
============================================================

Each ridge is a histogram at a step, over the powers of two. It becomes flat and wide as the
network learns, which a norm would hide. Zeros, which no log axis can show, stand at the side:
there are more and more of them. The same in colours has room for every step.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "relu") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4, distributions=True)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

vg.plot.distribution(flow, "dense2")

# %%
vg.plot.distribution(flow, "dense2", kind="heatmap")
