// Pictures of distributions: shares by magnitude. Needs explore.js.

/**
 * Every distribution that is held: {run, i, field}.
 * @param {Run[]} runs
 */
function distributionsOf(runs) {
  return runs.flatMap((run, i) => Object.keys(run.distributions).map((field) => ({ run, i, field })));
}

/** @type {Record<string, string>} */
const TITLES = { delta: "dL/dz", weight_grad: "dL/dW", activation: "outputs", update_ratio: "dW / W" };

class Distributed {
  /** @param {Explorer} on that holds what is chosen */
  constructor(on) {
    this.on = on;
    const told = distributionsOf(on.runs);
    const root = this.on.section("Distributions");
    const controls = new Controls(root, () => this.on.draw());
    const fields = [...new Set(told.map(({ field }) => field))];
    Object.assign(on, { distribution: fields[0], toldRun: told[0].i });
    controls.select(
      "Numbers",
      fields.map((name) => [name, TITLES[name] ?? name]),
      (name) => {
        this.on.distribution = name;
      },
    );
    const setStep = this.on.stepSlider(controls);
    const setLayer = controls.slider(
      "Layer",
      this.on.depth,
      (i) => {
        this.on.layer = i;
      },
      (i) => this.on.names()[i],
    );
    this.on.runChoice(controls, (i) => {
      this.on.toldRun = i;
    });
    const grid = html("div", { class: "grid-of-pictures" });
    root.append(grid);
    const [layers, steps] = [1, 2].map(() => new Picture(grid));
    this.draw = () => {
      setStep();
      setLayer(this.on.layer);
      layers.show(this.histograms(true));
      steps.show(this.histograms(false));
    };
  }

  /**
   * Shares by magnitude: of each layer at a step, or of a layer at each step.
   * @param {boolean} ofLayers
   * @returns {Spec}
   */
  histograms(ofLayers) {
    const run = this.on.runs[this.on.toldRun];
    const held = run.distributions[this.on.distribution];
    const steps = new Steps({ first: held?.steps ?? [], last: held?.steps ?? [] });
    const bytes = held ? (held.bytes ??= octets(held.shares)) : new Uint8Array();
    const height = held ? held.bins + 3 : 0;
    const layer = Math.min(this.on.layer, run.layers.length - 1);
    const bucket = steps.at(this.on.step);
    const place = (/** @type {number} */ r, /** @type {number} */ c) =>
      ((ofLayers ? bucket : c) * run.layers.length + (ofLayers ? c : layer)) * height + r;
    const rows = Array.from({ length: height }, (_, r) => {
      if (r === 0) return "0";
      if (r > held.bins) return r === held.bins + 1 ? "∞" : "NaN";
      return `2${power(held.exponent + r - 1).slice(2)}`;
    });
    const over = ofLayers
      ? {
          x: { names: run.layers, label: "layer, from the input on" },
          places: (/** @type {number} */ i) => run.layers[i],
          chosen: layer,
          choose: (/** @type {number} */ i, /** @type {number | undefined} */ row) =>
            this.on.choose({ layer: i, magnitude: row ?? this.on.magnitude }),
          note: `each layer's numbers by magnitude, at ${steps.count ? steps.name(bucket) : "no step"}`,
        }
      : {
          ...this.on.overSteps(steps),
          choose: (/** @type {number} */ i, /** @type {number | undefined} */ row) =>
            this.on.choose({
              step: this.on.nearestStep(steps.first[i]),
              magnitude: row ?? this.on.magnitude,
            }),
          note: `${run.layers[layer]}'s numbers by magnitude, over the steps`,
        };
    return {
      title: `Distribution, shares of ${TITLES[this.on.distribution] ?? this.on.distribution}`,
      ...over,
      label: "magnitude from, to twice that",
      log: false,
      share: false,
      rows,
      value: (r, c) => bytes[place(r, c)] / 255,
      absent: (r, c) => !bytes[place(r, c)],
      row: Math.min(this.on.magnitude, height - 1),
    };
  }
}
