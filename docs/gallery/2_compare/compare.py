"""
Activations compared
====================

The same network with three activations, each from four seeds: of these a line is the median, a
band goes from the least to the most. Sigmoids lose a factor of four per layer, ReLU and tanh next
to nothing.
"""

import vgcore as vg

x, y = vg.data.digits()


def trained(activation, seed):
    layers = [vg.Dense(40, activation) for _ in range(5)] + [vg.Dense(10, "softmax")]
    model = vg.Sequential(layers, input_shape=64, seed=seed)
    model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
    flow = vg.GradientFlow(every=4)
    model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)
    return flow


names = ("sigmoid", "relu", "tanh")
flows = {name: [trained(name, seed) for seed in range(4)] for name in names}
vg.plot.compare(flows)

# %%
# Over the training: how many units of the second layer are saturated. A ReLU is, where it is 0.
few = {name: flows[name] for name in ("sigmoid", "relu")}
vg.plot.compare(few, "saturated", over="training", layer="dense2")

# %%
# And what it comes to.
vg.plot.compare(flows, "loss")
