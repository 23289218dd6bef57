// Pictures of a field over layers and steps, and of the loss. Needs explore.js.

class OverLayers {
  /** @param {Explorer} on that holds what is chosen */
  constructor(on) {
    this.on = on;
    const root = this.on.section("Over layers and steps");
    const controls = new Controls(root, () => this.on.draw());
    controls.select(
      "Field",
      this.on.fields.map((name) => [name, this.on.about[name].title]),
      (name) => {
        this.on.field = name;
      },
    );
    controls.select("Scale", SCALES, (scale) => {
      this.on.scale = scale;
    });
    const names = this.on.names();
    const setStep = this.on.stepSlider(controls);
    const setLayer = controls.slider(
      "Layer",
      this.on.depth,
      (i) => {
        this.on.layer = i;
      },
      (i) => names[i],
    );
    if (this.on.runs.length > 1) {
      const options = this.on.runs.map(
        (run, i) => /** @type {[number, string, Look]} */ ([i, run.name, this.on.looks[i]]),
      );
      controls.boxes("Runs", options, (i, on) => this.on.hidden[on ? "delete" : "add"](i));
    }
    this.on.runChoice(controls, (i) => {
      this.on.map = i;
    });
    const grid = html("div", { class: "grid-of-pictures" });
    root.append(grid);
    const [layers, steps, map, loss] = [1, 2, 3, 4].map(() => new Picture(grid));
    this.draw = () => {
      setStep();
      setLayer(this.on.layer);
      layers.show(this.atStep(names));
      steps.show(this.atLayer(names));
      map.show(this.ofMap());
      loss.show(this.ofLoss());
    };
  }

  /** @param {string[]} names @returns {Spec} */
  atStep(names) {
    const at = (/** @type {Run} */ run, /** @type {number} */ bucket) => {
      const matrix = run.fields[this.on.field];
      const places = run.layers.map((_, c) => (matrix?.has(c) ? bucket * matrix.columns + c : -1));
      return matrix ? [matrix.line(this.on.depth, (c) => places[c] ?? -1)] : [];
    };
    const shown = this.on.shownRuns();
    const lines = shown.flatMap(({ run, look }) => {
      const bucket = run.steps.at(this.on.step);
      if (this.on.runs.length > 1) return at(run, bucket).map((line) => ({ name: run.name, look, ...line }));
      const last = run.steps.count - 1;
      const buckets = [...new Set([0, bucket, last])].sort((a, b) => a - b);
      const looks = ordered(3);
      return buckets.flatMap((each) =>
        at(run, each).map((line) => ({
          name: run.steps.name(each),
          look: looks[each === bucket ? 1 : each === 0 ? 0 : 2],
          strong: each === bucket,
          ...line,
        })),
      );
    });
    return {
      ...this.on.spec(this.on.field),
      title: this.on.about[this.on.field].title,
      note: `over the layers, at ${this.words()}`,
      x: { names, label: "layer, from the input on" },
      lines,
      places: (i) => names[i],
      chosen: this.on.layer,
      choose: (i) => this.on.choose({ layer: i }),
    };
  }

  /** @param {string[]} names @returns {Spec} */
  atLayer(names) {
    const steps = this.on.steps();
    const looks = ordered(this.on.depth);
    /** @type {Record<string, number>} */
    const exact = {};
    /** @type {Line[]} */
    const lines = [];
    for (const { run, look } of this.on.shownRuns()) {
      const matrix = run.fields[this.on.field];
      if (!matrix) continue;
      const all = run.layers.map((_, c) => c).filter((c) => matrix.has(c));
      const columns = this.on.runs.length > 1 ? all.filter((c) => c === this.on.layer) : all;
      for (const [kind, count] of Object.entries(matrix.tally(columns)))
        exact[kind] = (exact[kind] ?? 0) + count;
      for (const c of columns) {
        const single = this.on.runs.length < 2;
        lines.push({
          name: single ? run.layers[c] : run.name,
          look: single ? looks[c] : look,
          strong: single && c === this.on.layer,
          ...this.on.column(run, matrix, c, steps),
        });
      }
    }
    const which =
      this.on.runs.length > 1 ? names[this.on.layer] : `each layer; ${names[this.on.layer]} is chosen`;
    return {
      ...this.on.spec(this.on.field),
      ...this.on.overSteps(steps),
      title: this.on.about[this.on.field].title,
      note: `over the steps: ${which}`,
      lines: [...lines.filter((line) => !line.strong), ...lines.filter((line) => line.strong)],
      ramp: lines,
      exact,
    };
  }

  /** @returns {Spec} */
  ofMap() {
    const run = this.on.runs[this.on.map];
    const matrix = run.fields[this.on.field];
    const rows = run.layers;
    return {
      ...this.on.spec(this.on.field),
      ...this.on.overSteps(run.steps),
      label: "layer",
      title: this.on.about[this.on.field].title,
      note: this.on.mapNote("over layers and steps", run, matrix),
      rows,
      value: (r, c) => matrix.shown(c * matrix.columns + r),
      absent: (r, c) => !matrix || matrix.isAbsent(c * matrix.columns + r),
      row: Math.min(this.on.layer, rows.length - 1),
      exact: matrix?.tally(rows.map((_, i) => i)),
      choose: (i, row) =>
        this.on.choose({ step: this.on.nearestStep(run.steps.first[i]), layer: row ?? this.on.layer }),
    };
  }

  /** @returns {Spec} */
  ofLoss() {
    const steps = this.on.steps();
    const single = this.on.runs.length < 2;
    const lines = this.on.shownRuns().map(({ run, look }) => ({
      name: single ? "loss" : run.name,
      look: single ? ordered(1)[0] : look,
      ...this.on.column(run, run.loss, 0, steps),
    }));
    const negative = this.on.runs.some((run) => (run.loss.low ?? run.loss.first).some((value) => value < 0));
    const log = this.on.scale ? this.on.scale === "log" : !negative;
    const { title, axis } = this.on.about.loss;
    return { ...this.on.overSteps(steps), title, note: "over the steps", label: axis, log, lines };
  }

  words() {
    const [run] = this.on.runs;
    return this.on.runs.length > 1
      ? `step ${this.on.step.toLocaleString("en")}`
      : run.steps.name(run.steps.at(this.on.step));
  }
}
