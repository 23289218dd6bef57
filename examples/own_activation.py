"""An activation of one's own, at its edge of chaos: gradients pass fifty layers as they are."""

import numpy as np

import vgcore as vg

mine = vg.activations.formula("tanh(z) + 0.1 * z")
point = vg.critical(mine, sigma_b=0.1)
print(f"edge of chaos of {mine}: sigma_w {point.sigma_w:.4f}, q {point.q:.4f}")
rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 128)), rng.normal(size=(64, 128))
for scale in (0.7, 1.0, 1.8):
    weights = vg.initializers.Normal(std=scale * point.sigma_w / np.sqrt(128))
    biases = vg.initializers.Normal(std=point.sigma_b)
    layers = [
        vg.Dense(128, mine, weight_initializer=weights, bias_initializer=biases) for _ in range(50)
    ]
    model = vg.Sequential(layers, input_shape=128, seed=0)
    model.compile("mse")
    factor = model.gradient_flow(x, y).rate().factor[0]
    theory = np.sqrt(vg.meanfield.chi(mine, scale * point.sigma_w, point.sigma_b))
    print(
        f"{scale:.1f} sigma_w: a layer multiplies the gradient by {factor:.3f}, theory {theory:.3f}"
    )
