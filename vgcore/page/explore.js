// The report's pictures of records: what is chosen, the controls that choose it, and what is drawn of it.
// Needs figure.js and records.js.

/** @typedef {[value: string | number, text: string, look?: Look]} Option */

/** The controls of a section: each has a name, and calls back with what was chosen. */
class Controls {
  /**
   * @param {Element} parent that they are put into
   * @param {() => void} changed is called when something else was chosen
   */
  constructor(parent, changed) {
    this.root = html("div", { class: "controls", role: "group", "aria-label": "What is shown" });
    this.changed = changed;
    parent.append(this.root);
  }

  /**
   * A choice.
   * @param {string} name
   * @param {Option[]} options
   * @param {(value: string) => void} choose
   */
  select(name, options, choose) {
    const told = options.map(([value, text]) => html("option", { value }, text));
    const input = html(
      "select",
      { "aria-label": name, onchange: () => this.take(choose, input.value) },
      ...told,
    );
    this.root.append(html("label", {}, html("span", {}, name), input));
    return input;
  }

  /**
   * A slider over 0 .. count - 1, whose place is told in words.
   * @param {string} name
   * @param {number} count
   * @param {(place: number) => void} choose
   * @param {(place: number) => string} words
   */
  slider(name, count, choose, words) {
    const told = html("output");
    const input = html("input", {
      ...{ "aria-label": name, type: "range", min: 0, max: Math.max(count - 1, 0), step: 1 },
      oninput: () => this.take(choose, Number(input.value)),
    });
    const label = html("label", { class: "wide" }, html("span", {}, name), input, told);
    this.root.append(label);
    return (/** @type {number} */ place) => {
      input.value = String(place);
      told.textContent = words(place);
      input.setAttribute("aria-valuetext", words(place));
    };
  }

  /**
   * Boxes to tick.
   * @param {string} name
   * @param {[value: number, text: string, look: Look][]} options
   * @param {(value: number, on: boolean) => void} choose
   */
  boxes(name, options, choose) {
    const made = options.map(([value, text, look]) => {
      const input = html("input", {
        ...{ type: "checkbox", checked: true },
        onchange: () => this.take(choose, value, input.checked),
      });
      return html("label", { class: "box" }, input, swatch(piece(look)), html("span", {}, text));
    });
    this.root.append(html("fieldset", {}, html("legend", {}, name), ...made));
  }

  /**
   * @template {unknown[]} T
   * @param {(...what: T) => void} choose
   * @param {T} what
   */
  take(choose, ...what) {
    choose(...what);
    this.changed();
  }
}

/** @type {Option[]} */
const SCALES = [
  ["", "as suits the field"],
  ["log", "logarithmic"],
  ["linear", "linear"],
];

/**
 * @typedef {{title: string, axis: string, log: boolean, share: boolean, guide: number | null}} About a field
 */

class Explorer {
  /**
   * @param {Element} root
   * @param {{about: Record<string, About>, runs: HeldRun[]}} data
   */
  constructor(root, data) {
    this.root = root;
    this.about = data.about;
    this.runs = data.runs.map((held) => new Run(held));
    this.looks = this.runs.map((_, i) => familiar(i));
    /** @type {Set<number>} */
    this.hidden = new Set();
    const firsts = this.runs.flatMap((run) => run.steps.first);
    this.allSteps = [...new Set(firsts)].sort((a, b) => a - b);
    this.depth = Math.max(...this.runs.map((run) => run.layers.length));
    const fields = new Set(this.runs.flatMap((run) => Object.keys(run.fields)));
    this.fields = Object.keys(this.about).filter((name) => fields.has(name));
    this.field = this.fields[0];
    this.step = this.allSteps[this.allSteps.length - 1] ?? 0;
    this.layer = 0;
    this.magnitude = 0; // the row of distributions that is read
    this.map = 0; // the run whose heatmap is shown
    this.scale = "";
    this.walk = ""; // what time.js shows
    this.timeField = "";
    this.time = 0;
    this.timeMap = 0;
    this.distribution = ""; // what distributions.js shows
    this.toldRun = 0;
    this.unitField = ""; // what units.js shows
    this.unitLayer = "";
    this.unit = 0;
    this.unitRun = 0;
    /** @type {{draw: () => void}[]} */
    this.sections = [];
    if (this.fields.length) this.sections.push(new OverLayers(this));
    if (walksOf(this.runs).length) this.sections.push(new ThroughTime(this));
    if (distributionsOf(this.runs).length) this.sections.push(new Distributed(this));
    if (withUnits(this.runs).length) this.sections.push(new OfUnits(this));
    this.draw();
    whenWide(root, () => this.draw());
  }

  draw() {
    this.sections.forEach((section) => section.draw());
  }

  /** @param {string} title */
  section(title) {
    const root = html("section", { "aria-label": title }, html("h3", {}, title));
    this.root.append(root);
    return root;
  }

  shownRuns() {
    return this.runs
      .map((run, i) => ({ run, i, look: this.looks[i] }))
      .filter(({ i }) => !this.hidden.has(i));
  }

  /** Which run has the layers that stand below an axis, by their names where all agree. */
  names() {
    const deepest = /** @type {Run} */ (this.runs.find((run) => run.layers.length === this.depth));
    const agree = this.runs.every((run) => run.layers.every((name, i) => name === deepest.layers[i]));
    return agree ? deepest.layers : deepest.layers.map((_, i) => `layer ${i + 1}`);
  }

  /** @param {string} field */
  isLog(field) {
    return this.scale ? this.scale === "log" : this.about[field.split("/")[0]].log;
  }

  /**
   * A field's title; "time_gate/f" is the field of a gate.
   * @param {string} field
   */
  titleOf(field) {
    const [name, gate] = field.split("/");
    return this.about[name].title.replace("{}", gate);
  }

  /** @param {string} field */
  spec(field) {
    const { axis, share, guide } = this.about[field.split("/")[0]];
    const log = this.isLog(field);
    return { label: axis, share, log, guide: guide ?? undefined };
  }

  /**
   * @param {Controls} controls
   * @param {(run: number) => void} choose
   */
  runChoice(controls, choose) {
    if (this.runs.length < 2) return;
    const options = this.runs.map((run, i) => /** @type {Option} */ ([i, run.name]));
    controls.select("Run of the map", options, (value) => choose(Number(value)));
  }

  /** @param {Controls} controls */
  stepSlider(controls) {
    const name = (/** @type {number} */ i) => `${this.allSteps[i].toLocaleString("en")}`;
    const set = controls.slider(
      "Step",
      this.allSteps.length,
      (i) => {
        this.step = this.allSteps[i];
      },
      name,
    );
    return () => set(this.allSteps.indexOf(this.step));
  }

  /**
   * Choose something else, and show it.
   * @param {Partial<Explorer>} what
   */
  choose(what) {
    Object.assign(this, what);
    this.draw();
  }

  /** What pictures over steps have in common: the steps of the first run that is shown. */
  overSteps(steps = this.steps()) {
    return {
      x: { values: steps.first, label: "step" },
      places: (/** @type {number} */ i) => steps.name(i),
      chosen: steps.at(this.step),
      choose: (/** @type {number} */ i) => this.choose({ step: this.nearestStep(steps.first[i]) }),
    };
  }

  /** All steps of all runs: on which lines of several runs stand. */
  steps() {
    return this.runs.length > 1
      ? new Steps({ first: this.allSteps, last: this.allSteps })
      : this.runs[0].steps;
  }

  /** @param {number} step */
  nearestStep(step) {
    return this.allSteps.reduce((best, each) =>
      Math.abs(each - step) < Math.abs(best - step) ? each : best,
    );
  }

  /**
   * What the caption of a map says: over what, of which run if there are several, and what groups show.
   * @param {string} over
   * @param {Run} run
   * @param {Matrix | null | undefined} matrix
   */
  mapNote(over, run, matrix) {
    const whose = this.runs.length > 1 ? `: ${run.name}` : "";
    return `${over}${whose}${matrix?.low ? "; of those that share a place the largest" : ""}`;
  }

  /**
   * A column of a matrix over the steps of a picture; those of other runs are left out.
   * @param {Run} run
   * @param {Matrix} matrix
   * @param {number} c
   * @param {Steps} steps
   */
  column(run, matrix, c, steps) {
    if (steps === run.steps) return matrix.line(steps.count, (r) => r * matrix.columns + c);
    const at = new Map(run.steps.first.map((first, r) => [first, r * matrix.columns + c]));
    return matrix.line(steps.count, (i) => at.get(steps.first[i]) ?? -1);
  }
}
