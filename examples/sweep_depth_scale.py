"""Depth × σw² of Schoenholz et al. 2017 in 400 networks. Killed and started again, it goes on."""

import sys

import vgcore as vg


def train(config, seed, data):
    weights = vg.initializers.VarianceScaling(config["variance"] ** 0.5, "fan_in", "normal")
    biases = vg.initializers.Normal(std=0.05**0.5)
    start = {"weight_initializer": weights, "bias_initializer": biases}
    hidden = [vg.Dense(100, "tanh", **start) for _ in range(config["layers"])]
    model = vg.Sequential([*hidden, vg.Dense(10, "softmax")], input_shape=64, seed=seed)
    model.compile("sparse_categorical_crossentropy", vg.SGD(1e-3))
    return {"accuracy": model.fit(*data, epochs=50, batch_size=25, verbose=0)["accuracy"][-1]}


if __name__ == "__main__":
    (x, y), n = vg.data.digits(), int(sys.argv[1]) if len(sys.argv) > 1 else 20
    data = (x[:1000] - x.mean()) / x.std(), y[:1000]
    grid = {"variance": [1 + 3 * k / (n - 1) for k in range(n)], "layers": range(5, 5 * n + 1, 5)}
    table = vg.sweep(train, grid, store="depth_scale.sqlite", repeats=1, data=data)
    ax = vg.plot.heatmap(table, x="variance", y="layers", value="accuracy")
    ax.figure.savefig("depth_scale.png")
