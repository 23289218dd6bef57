// What starts, holds and compares networks, and hands on what they are. Needs elements.js.

const SPEEDS = [
  ["", "as fast as it goes"],
  ["100", "100 steps a frame"],
  ["10", "10 steps a frame"],
  ["1", "1 step a frame"],
  ["slow", "3 steps a second"],
];

/**
 * @typedef {{play: () => void, step: () => void, reset: () => void, speed: () => void, compare: (two: boolean) => void,
 *   code: () => void, link: (() => void) | null}} Duties
 */

class Toolbar {
  /**
   * @param {Declared} page
   * @param {Duties} duties
   */
  constructor({ compares, speeds = SPEEDS }, duties) {
    const button = (
      /** @type {string} */ text,
      /** @type {string} */ title,
      /** @type {() => void} */ onclick,
    ) => html("button", { type: "button", title, onclick }, text);
    this.player = button("Pause", "Let the networks train, or hold them", duties.play);
    this.speeds = html(
      "select",
      { "aria-label": "Speed", "data-name": "speed", onchange: duties.speed },
      ...speeds.map(([value, text]) => html("option", { value }, text)),
    );
    this.comparer = html("input", {
      ...{ type: "checkbox", "data-name": "compare" },
      onchange: () => duties.compare(this.comparer.checked),
    });
    const training = [
      this.player,
      button("Step", "One step of training", duties.step),
      button("Reset", "Begin anew", duties.reset),
      this.speeds,
    ];
    const comparing = [
      html("label", { class: "switch" }, this.comparer, html("span", {}, "compare two networks")),
      button("Copy as Python", "The lines that do the same", duties.code),
      duties.link && button("Copy link", "A link that holds all settings", duties.link),
    ];
    this.root = html(
      "div",
      { class: "toolbar", role: "group", "aria-label": "Training" },
      ...training,
      ...(compares ? comparing : []),
    );
  }

  /** Steps of a frame; null: as many as fit; and milliseconds between frames at least. */
  get speed() {
    const { value } = this.speeds;
    if (value === "slow") return { steps: 1, pause: 333 };
    return { steps: value ? Number(value) : null, pause: 0 };
  }

  get comparing() {
    return this.comparer.checked;
  }

  set comparing(two) {
    this.comparer.checked = two;
  }

  set playing(/** @type {boolean} */ on) {
    write(this.player, on ? "Pause" : "Play");
  }
}

/** Copy a text; whether it could be. @param {string} text */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // where it is not allowed; the reader can mark it
  }
}

/** A text that goes into the clipboard, and, where it is of several lines or cannot be copied, into a window. */
class Copying {
  constructor() {
    this.root = html("dialog", { class: "copying", "aria-label": "Copied" });
  }

  /**
   * @param {string} text
   * @param {string} what it is, as a sentence begins
   */
  async show(text, what) {
    const done = await copied(text);
    if (done && !text.includes("\n")) return;
    const told = done ? "in the clipboard" : "to be marked and copied, for this browser does not copy here";
    this.root.replaceChildren(
      html("p", {}, `${what}, ${told}:`),
      html("pre", { tabindex: 0 }, text),
      html("button", { type: "button", onclick: () => this.root.close() }, "Close"),
    );
    if (!this.root.open) this.root.showModal();
  }
}
