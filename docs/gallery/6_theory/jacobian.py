"""
Singular values of the input-output Jacobian
============================================

The whole network as a linear map around each of fifty samples. Were all values about 1, it would
keep every direction of the gradient; after training they span four orders of magnitude, a few
directions are stretched and the others lost.
"""

import vgcore as vg

x, y = vg.data.digits()
layers = [vg.Dense(40, "tanh") for _ in range(5)] + [vg.Dense(10, "softmax")]
model = vg.Sequential(layers, input_shape=64, seed=0)
model.compile("sparse_categorical_crossentropy", vg.SGD(0.1, momentum=0.9))
flow = vg.GradientFlow(every=4)
model.fit(x, y, epochs=10, batch_size=64, track=flow, verbose=0)

values = vg.theory.singular_values(model, x[:50], logits=True)  # in front of the softmax
vg.plot.singular_values({"input-output Jacobian": values})
