"""Train as in Keras: a split for validation, weights of classes, early stopping, metrics."""

import vgcore as vg

x, y = vg.data.digits()
x, y, x_test, y_test = vg.data.train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
model = vg.Sequential(
    [vg.Dense(64, "relu"), vg.Dropout(0.2), vg.Dense(10, "softmax")], input_shape=64, seed=0
)
model.compile("sparse_categorical_crossentropy", vg.Adam(0.002), metrics=["top_3"])
stopping = vg.callbacks.EarlyStopping("val_loss", patience=5, restore_best=True)
history = model.fit(
    x,
    y,
    epochs=100,
    validation_split=0.1,
    class_weight="balanced",
    callbacks=[stopping],
)
result = model.evaluate(x_test, y_test)
print(f"{len(history.epoch)} epochs, the best of them {stopping.best_epoch}")
print(f"test accuracy {result.accuracy:.3f}, among the first three {result['top_3']:.3f}")
