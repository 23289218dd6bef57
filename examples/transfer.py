"""Carry the state of one network into another: the body is taken over and frozen, the head is new."""

import vgcore as vg

x, y = vg.data.digits()
body = lambda: [vg.Dense(64, "relu", name="in"), vg.Dense(64, "relu", name="hidden")]  # noqa: E731
first = vg.Sequential([*body(), vg.Dense(5, "softmax", name="low")], input_shape=64, seed=0)
first.compile("sparse_categorical_crossentropy", "adam")
low = y < 5
first.fit(x[low], y[low], epochs=20)
print(f"digits 0 to 4: accuracy {first.evaluate(x[low], y[low]).accuracy:.3f}")

second = vg.Sequential([*body(), vg.Dense(5, "softmax", name="high")], input_shape=64, seed=1)
loaded = second.load_state_dict(first.state_dict(), strict=False)
print("left as they were:", *loaded.missing_keys)
second.compile("sparse_categorical_crossentropy", vg.Adam(0.01), frozen=["in", "hidden"])
second.fit(x[~low], y[~low] - 5, epochs=20)
print(f"digits 5 to 9: accuracy {second.evaluate(x[~low], y[~low] - 5).accuracy:.3f}")
