// The course of training, epoch by epoch. Needs explore.js.

/**
 * @param {Element} root that it is put into
 * @param {{epochs: number[], values: Record<string, string>}} history numbers of each epoch in base64, by name
 */
function showHistory(root, history) {
  const names = Object.keys(history.values).filter((name) => !name.startsWith("val_"));
  if (!names.length) return;
  const values = Object.fromEntries(
    Object.entries(history.values).map(([name, text]) => [name, doubles(text)]),
  );
  const state = { name: names[0], epoch: history.epochs.length - 1 };
  const controls = new Controls(root, () => draw());
  controls.select(
    "Of each epoch",
    names.map((name) => [name, name.replace(/_/g, " ")]),
    (name) => {
      state.name = name;
    },
  );
  const picture = new Picture(root);
  const draw = () => {
    const shown = [state.name, `val_${state.name}`].filter((name) => values[name]);
    const looks = ordered(2);
    picture.show({
      title: state.name.replace(/_/g, " "),
      note: "over the epochs",
      label: state.name.replace(/_/g, " "),
      log:
        /loss|gradient_norm|learning_rate/.test(state.name) &&
        shown.every((name) => values[name].every((v) => !(v < 0))),
      x: { values: history.epochs, label: "epoch" },
      lines: shown.map((name, i) => ({
        name: name.startsWith("val_") ? "validation" : "training",
        look: looks[i],
        values: values[name],
      })),
      places: (i) => `epoch ${history.epochs[i]}`,
      chosen: state.epoch,
      choose: (i) => {
        state.epoch = i;
        draw();
      },
    });
  };
  draw();
  whenWide(root, draw);
}
