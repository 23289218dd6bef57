// Pictures of single units of a layer, over units and steps. Needs explore.js.

/**
 * Every run with units: {run, i}.
 * @param {Run[]} runs
 */
function withUnits(runs) {
  return runs.map((run, i) => ({ run, i })).filter(({ run }) => run.units.fields);
}

class OfUnits {
  /** @param {Explorer} on that holds what is chosen */
  constructor(on) {
    this.on = on;
    const told = withUnits(on.runs);
    const fields = [...new Set(told.flatMap(({ run }) => Object.keys(run.units.fields ?? {})))];
    const layers = [...new Set(told.flatMap(({ run }) => Object.keys(run.units.layers)))];
    Object.assign(on, { unitField: fields[0], unitLayer: layers[0], unit: 0, unitRun: told[0].i });
    const root = on.section("Units");
    const controls = new Controls(root, () => on.draw());
    controls.select(
      "Field",
      fields.map((name) => [name, on.titleOf(name)]),
      (name) => {
        on.unitField = name;
      },
    );
    controls.select(
      "Layer",
      layers.map((name) => [name, name]),
      (name) => {
        on.unitLayer = name;
      },
    );
    const setStep = on.stepSlider(controls);
    on.runChoice(controls, (i) => {
      on.unitRun = i;
    });
    const grid = html("div", { class: "grid-of-pictures" });
    root.append(grid);
    const [units, map] = [1, 2].map(() => new Picture(grid));
    this.draw = () => {
      setStep();
      const chosen = this.chosen();
      units.show(this.atStep(chosen));
      map.show(this.ofMap(chosen));
    };
  }

  /** What is chosen: the field's matrix, its steps and its units, in groups where there are many. */
  chosen() {
    const { units } = this.on.runs[this.on.unitRun];
    const held = units.fields?.[this.on.unitField]?.[this.on.unitLayer];
    const steps = new Steps(units.steps ?? { first: [], last: [] });
    const matrix = held ? (held.matrix ??= new Matrix(held, steps.count)) : null;
    const places = new Steps(matrix ? units.layers[this.on.unitLayer] : { first: [], last: [] });
    const nameOf = (/** @type {number} */ i) => places.name(i).replace("step", "unit");
    return { steps, matrix, units: places, nameOf, place: places.at(this.on.unit) };
  }

  common() {
    return { ...this.on.spec(this.on.unitField), title: this.on.titleOf(this.on.unitField) };
  }

  /** @param {ReturnType<OfUnits["chosen"]>} chosen @returns {Spec} */
  atStep({ steps, matrix, units, nameOf, place }) {
    const bucket = steps.at(this.on.step);
    const count = units.count;
    const line = matrix?.line(count, (i) => bucket * count + i);
    return {
      ...this.common(),
      note: `${this.on.unitLayer}, over its units, at ${count ? steps.name(bucket) : "no step"}`,
      x: { values: units.first, label: "unit" },
      lines: line ? [{ name: this.on.unitLayer, look: ordered(1)[0], ...line }] : [],
      places: nameOf,
      chosen: place,
      choose: (i) => this.on.choose({ unit: units.first[i] }),
    };
  }

  /** @param {ReturnType<OfUnits["chosen"]>} chosen @returns {Spec} */
  ofMap({ steps, matrix, units, place }) {
    return {
      ...this.common(),
      ...this.on.overSteps(steps),
      note: this.on.mapNote(
        `${this.on.unitLayer}, over units and steps`,
        this.on.runs[this.on.unitRun],
        matrix,
      ),
      label: "unit",
      rows: units.first.map(String),
      value: (r, c) => matrix?.shown(c * units.count + r) ?? NaN,
      absent: (r, c) => !matrix || matrix.isAbsent(c * units.count + r),
      row: place,
      exact: matrix?.tally(matrix.counts.map((_, i) => i)),
      choose: (i, row) =>
        this.on.choose({
          step: this.on.nearestStep(steps.first[i]),
          unit: units.first[row ?? -1] ?? this.on.unit,
        }),
    };
  }
}
