"""The networks of the zoo: the published sizes, PyTorch's numbers, bad input."""

import numpy as np
import pytest

import vgcore as vg


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)]
)
def test_parameters_are_as_many_as_published(depth, millions):
    """He et al. 2016, table 6."""
    resnet, plain = vg.zoo.resnet(depth), vg.zoo.plain(depth)
    digits = 1 if millions > 1 else 2
    assert round(resnet.layout.count / 1e6, digits) == millions
    assert plain.layout.count == resnet.layout.count


def test_layers_are_6n_plus_2():
    weights = [
        name
        for name in vg.zoo.resnet(20, width=2).state_dict()
        if "conv2d" in name or name.startswith("dense")
    ]
    assert sum(name.endswith("weight") for name in weights) == 20


@pytest.mark.parametrize("make", [vg.zoo.resnet, vg.zoo.plain])
def test_it_learns(make):
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    x = rng.normal(size=(40, 1, 8, 8)) + y[:, np.newaxis, np.newaxis, np.newaxis]
    model = make(8, input_shape=(1, 8, 8), classes=2, width=4, seed=0)
    model.compile("sparse_categorical_crossentropy", vg.Adam(0.01))
    model.fit(x, y, epochs=15, batch_size=10)
    assert model.evaluate(x, y).accuracy > 0.9


@pytest.mark.parity
@pytest.mark.parametrize("skips", [True, False])
def test_loss_and_gradients_as_pytorch(skips):
    torch = pytest.importorskip("torch")
    nn = torch.nn.functional
    shape = (3, 9, 8)
    model = (vg.zoo.resnet if skips else vg.zoo.plain)(
        14, input_shape=shape, classes=5, width=3, dtype="float64", seed=0
    )
    model.compile("sparse_categorical_crossentropy", vg.SGD(0.1))
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, *shape)), rng.integers(0, 5, 6)
    w = {
        name: torch.tensor(value, requires_grad="running" not in name)
        for name, value in model.state_dict().items()
    }
    names = iter(list(w))

    def take():
        return w[next(names)]

    def convolved(h, stride=1):
        h = nn.conv2d(h, take(), stride=stride, padding=1)
        scale, shift, mean, variance = take(), take(), take(), take()
        return nn.batch_norm(h, mean, variance, scale, shift, training=True)

    h = torch.relu(convolved(torch.tensor(x)))
    for pair in range(6):
        stride = 2 if pair in (2, 4) else 1
        skip = h[:, :, ::stride, ::stride]
        if stride > 1:
            skip = nn.pad(skip, (0, 0, 0, 0, 0, skip.shape[1]))
        h = convolved(torch.relu(convolved(h, stride)))
        h = torch.relu(h + skip if skips else h)
    logits = nn.linear(h.mean(dim=(2, 3)), take(), take())
    loss = nn.cross_entropy(logits, torch.tensor(y))
    loss.backward()
    got, gradients = model.gradients(x, y)
    assert got == pytest.approx(loss.item(), rel=1e-10)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(
            gradient, w[name].grad.numpy(), rtol=1e-10, atol=1e-13, err_msg=name
        )
    model.train_on_batch(x, y)
    for name, value in model.state_dict().items():
        if "running" in name:
            np.testing.assert_allclose(value, w[name].numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(
    ("arguments", "error", "fragments"),
    [
        ({"depth": 21}, ValueError, ["depth", "6 n + 2", "21"]),
        ({"depth": 2}, ValueError, ["depth", "at least 8", "2"]),
        ({"depth": 20.0}, TypeError, ["depth", "integer"]),
        ({"width": 0}, ValueError, ["width", "at least 1", "0"]),
        ({"classes": 0}, ValueError, ["classes", "at least 1", "0"]),
        ({"input_shape": 784}, ValueError, ["input_shape", "(channels, height, width)", "784"]),
    ],
)
def test_bad_input(arguments, error, fragments):
    with pytest.raises(error) as caught:
        vg.zoo.resnet(**arguments)
    for fragment in fragments:
        assert fragment in str(caught.value)
