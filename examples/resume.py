"""Resume after a kill: run it again and again; however often it dies, the end has the same bits."""

import os
import pathlib
import sys

import vgcore as vg

x, y = vg.data.digits()
path = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "resume.npz")
if path.exists():
    model = vg.load(path)
else:
    model = vg.Sequential([vg.Dense(32, "tanh"), vg.Dense(10, "softmax")], input_shape=64, seed=0)
    model.compile("sparse_categorical_crossentropy", vg.Adam(0.001))
done = model.step // 57  # an epoch is 57 steps
die_at = done + 4 if "--die" in sys.argv else None
die = lambda epoch, logs: epoch == die_at and os._exit(9)  # noqa: E731
told = [vg.callbacks.Checkpoint(path), die]
history = model.fit(x, y, epochs=12, initial_epoch=done, callbacks=told)
print(f"epochs {history.epoch[0]} to {history.epoch[-1]}, loss {history['loss'][-1].hex()}")
