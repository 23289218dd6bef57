// The controls of one network, as Python declares them. Needs elements.js and scale.js.

const SLIDER_STEPS = 200;

/**
 * @typedef {{name: string, label: string, kind: "slider" | "choice" | "switch" | "text" | "fixed",
 *   value: any, group?: string,
 *   when: Record<string, any[]>[], help?: string, low: number, high: number, log: boolean, integer: boolean,
 *   step: number | null, values?: number[], text: string, options: [string, string][], longest: number}} Control see vgcore/live/controls.py
 */
/** @typedef {Record<string, any>} Settings */
/** @typedef {{at: number, text: string}} Mark */
/** @typedef {{high?: number, options?: string[]}} Limits which of a control's values count now */
/**
 * @typedef {{root: HTMLElement, set: (value: any) => void, mark?: (mark: Mark | undefined) => void,
 *   limit?: (limits: Limits) => void}} Knob
 */

/**
 * The number at a share of a slider's way.
 * @param {Control} control
 * @param {number} share
 */
function sliderValue({ low, high, log, integer, step, values }, share) {
  if (values) return values[Math.round(share * (values.length - 1))];
  if (share <= 0) return low;
  if (share >= 1) return high;
  const value = log ? low * (high / low) ** share : low + share * (high - low);
  if (integer) return Math.round(value);
  // More digits than three where both ends begin with the same ones
  const more = Math.max(Math.ceil(Math.log10(Math.max(Math.abs(low), Math.abs(high)) / (high - low))), 0);
  const exact = step && !log ? low + Math.round((value - low) / step) * step : value;
  const rounded = Number(exact.toPrecision(Math.min((step && !log ? 6 : 3) + more, 17)));
  return Math.min(Math.max(rounded, low), high);
}

/**
 * What share of a slider's way a number is at.
 * @param {Control} control
 * @param {number} value
 */
function sliderShare({ low, high, log, values }, value) {
  if (values) {
    const above = values.findIndex((each) => each >= value);
    if (above <= 0) return above ? 1 : 0;
    const [from, to] = values.slice(above - 1, above + 1);
    return (above - 1 + (value - from) / (to - from)) / (values.length - 1);
  }
  if (high <= low) return 0;
  const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.min(Math.max(share, 0), 1);
}

/**
 * How many steps a slider has: one for each whole number where there are few.
 * @param {Control} control
 */
function sliderSteps({ low, high, log, integer, step, values }) {
  if (values) return values.length - 1;
  if (log) return SLIDER_STEPS;
  if (step) return Math.round((high - low) / step);
  return integer ? high - low : SLIDER_STEPS;
}

/** Whether it cannot be moved. @param {Control} control */
const isFixed = ({ kind }) => kind === "fixed";

class Panel {
  /**
   * @param {Control[]} controls
   * @param {(name: string) => void} changed
   */
  constructor(controls, changed) {
    this.controls = controls;
    this.changed = changed;
    this.limits = ""; // those that are shown
    /** @type {Settings} */
    this.values = Object.fromEntries(controls.map(({ name, value }) => [name, value]));
    /** @type {Map<string, Knob>} */
    this.knobs = new Map(controls.map((control) => [control.name, this.knob(control)]));
    this.alert = html("p", { class: "wrong", role: "alert", hidden: true });
    this.root = html("div", { class: "panel" }, this.alert, ...this.groups());
    this.settle();
  }

  groups() {
    /** @type {Map<string, Control[]>} */
    const found = new Map();
    for (const control of this.controls) {
      const { group = "" } = control;
      found.set(group, [...(found.get(group) ?? []), control]);
    }
    return [...found].map(([group, some]) => {
      const roots = some.map(({ name }) => /** @type {Knob} */ (this.knobs.get(name)).root);
      return some.every(isFixed)
        ? html("details", {}, html("summary", {}, group), html("fieldset", {}, ...roots))
        : html("fieldset", {}, group ? html("legend", {}, group) : null, ...roots);
    });
  }

  /**
   * @param {Control} control
   * @returns {Knob}
   */
  knob(control) {
    switch (control.kind) {
      case "slider":
        return this.slider(control);
      case "choice":
        return this.choice(control);
      case "switch":
        return this.toggle(control);
      case "fixed":
        return this.fixed(control);
      default:
        return this.text(control);
    }
  }

  /** @param {Control} control @returns {Knob} */
  slider(control) {
    const whole = control;
    let steps = sliderSteps(control);
    const told = html("output");
    const input = html("input", {
      ...{
        type: "range",
        min: 0,
        max: steps,
        step: 1,
        "aria-label": control.label,
        "data-name": control.name,
      },
      oninput: () => {
        const value = sliderValue(control, Number(input.value) / (steps || 1));
        tell(value);
        this.take(control.name, value);
      },
    });
    const marks = html("span", { class: "marks" });
    const tell = (/** @type {number} */ value) => {
      told.textContent = number(value);
      input.setAttribute("aria-valuetext", number(value));
    };
    const root = html(
      "label",
      { class: "knob", title: control.help },
      html("span", {}, control.label),
      told,
      html("span", { class: "track" }, input, marks),
    );
    return {
      root,
      set: (value) => {
        input.value = String(Math.round(sliderShare(control, value) * steps));
        tell(Math.min(value, control.high));
      },
      limit: ({ high = whole.high }) => {
        control = { ...whole, high };
        steps = sliderSteps(control);
        input.max = String(steps);
      },
      mark: (mark) => {
        const key = mark ? `${mark.text} ${mark.at}` : "";
        if (marks.dataset.key === key) return;
        marks.dataset.key = key;
        if (!mark || mark.at < control.low || mark.at > control.high) {
          marks.replaceChildren();
          return;
        }
        const text = `${mark.text}: ${number(mark.at)}`;
        const share = sliderShare(control, mark.at);
        const button = html("button", {
          ...{ type: "button", title: `Set to ${text}`, style: `--share:${share}` },
          ...{ class: share > 0.6 ? "mark left" : "mark" },
          onclick: (/** @type {Event} */ event) => {
            event.preventDefault();
            const at = control.values ? sliderValue(control, share) : Number(mark.at.toPrecision(6));
            this.set({ [control.name]: at });
            this.changed(control.name);
          },
        });
        button.append(text);
        marks.replaceChildren(button);
      },
    };
  }

  /** @param {Control} control @returns {Knob} */
  choice(control) {
    const options = control.options.map(([value, text]) => html("option", { value }, text));
    const input = html(
      "select",
      {
        ...{ "aria-label": control.label, "data-name": control.name },
        onchange: () => this.take(control.name, input.value),
      },
      ...options,
    );
    return {
      root: this.labelled(control, input),
      set: (value) => {
        const there = [...input.options].filter(({ disabled }) => !disabled);
        input.value = (there.find((option) => option.value === value) ?? there[0])?.value ?? "";
      },
      limit: ({ options: some }) => {
        for (const option of input.options)
          option.hidden = option.disabled = Boolean(some) && !some?.includes(option.value);
      },
    };
  }

  /**
   * A control's label, with what is moved below it.
   * @param {Control} control
   * @param {HTMLElement} input
   */
  labelled({ label, help }, input) {
    return html("label", { class: "knob", title: help }, html("span", {}, label), input);
  }

  /** @param {Control} control @returns {Knob} */
  toggle(control) {
    const input = html("input", {
      ...{ type: "checkbox", "data-name": control.name },
      onchange: () => this.take(control.name, input.checked),
    });
    const root = html(
      "label",
      { class: "knob switch", title: control.help },
      input,
      html("span", {}, control.label),
    );
    return {
      root,
      set: (value) => {
        input.checked = value;
      },
    };
  }

  /** What cannot be moved. @param {Control} control @returns {Knob} */
  fixed({ label, text, help }) {
    const told = html("output", {}, text);
    return {
      root: html("div", { class: "knob", title: help }, html("span", {}, label), told),
      set: () => {},
    };
  }

  /** @param {Control} control @returns {Knob} */
  text(control) {
    const input = html("input", {
      ...{ type: "text", maxlength: control.longest, spellcheck: "false", autocomplete: "off" },
      ...{ "aria-label": control.label, "data-name": control.name },
      oninput: () => this.take(control.name, input.value),
    });
    return {
      root: this.labelled(control, input),
      set: (value) => {
        if (input.value !== value) input.value = value;
      },
    };
  }

  /**
   * @param {string} name
   * @param {any} value
   */
  take(name, value) {
    this.values[name] = value;
    this.settle();
    this.changed(name);
  }

  /** Take on some values, of sliders as far as they go, and show them. @param {Settings} settings */
  set(settings) {
    for (const { name, kind, low, high } of this.controls) {
      const value = settings[name];
      if (value !== undefined)
        this.values[name] = kind === "slider" ? Math.min(Math.max(value, low), high) : value;
    }
    this.settle();
  }

  /** Show the values, and the controls that count with them. */
  settle() {
    for (const { name, when } of this.controls) {
      const knob = /** @type {Knob} */ (this.knobs.get(name));
      knob.set(this.values[name]);
      const holds = (/** @type {Record<string, any[]>} */ condition) =>
        Object.entries(condition).every(([other, some]) => some.includes(this.values[other]));
      knob.root.hidden = when.length > 0 && !when.some(holds);
    }
  }

  /** Have some controls' values count alone; others stay as they are. @param {Record<string, Limits>} limits */
  limit(limits) {
    const key = JSON.stringify(limits);
    if (key === this.limits) return;
    this.limits = key;
    for (const [name, limit] of Object.entries(limits)) this.knobs.get(name)?.limit?.(limit);
    this.settle();
  }

  /** @param {Record<string, Mark>} marks of controls, by name */
  mark(marks) {
    for (const [name, knob] of this.knobs) knob.mark?.(marks[name]);
  }

  /** Say what is wrong with a control's value; nothing takes it back. @param {string} message @param {string} control */
  complain(message, control) {
    write(this.alert, message);
    this.alert.hidden = !message;
    for (const [name, knob] of this.knobs)
      knob.root.classList.toggle("bad", Boolean(message) && name === control);
  }
}
