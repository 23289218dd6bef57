// What a live page says of its networks: how far they are, and what is wrong with them, with cures to press. Needs
// elements.js.

/** @typedef {{step: number, epoch: number, loss: number | string, broken: boolean}} State */
/** @typedef {{text: string, ill: boolean, cures: {name: string, settings: Settings}[]}} Verdict */

class Telling {
  /** @param {(side: number, settings: Settings) => void} cure called with the settings of a cure that is pressed */
  constructor(cure) {
    this.cure = cure;
    this.states = html("div", { class: "states" });
    this.verdicts = html("div", { class: "verdicts", "aria-live": "polite" });
    this.renewed = false; // whether verdicts came since settings changed
    this.judged = ""; // what the verdicts are of, but for their numbers
  }

  /**
   * @param {{turn: number, states?: State[], verdicts?: Verdict[]}} frame
   * @param {boolean} anew whether the networks had been forgotten
   */
  show({ turn, states = [], verdicts = [] }, anew) {
    const lines = states.map((state, i) => this.named(states, i) + stateOf(state));
    this.tell(anew ? [...lines, "Begun anew: this page was quiet while others trained."] : lines);
    if (!verdicts.length) return; // they take their time
    this.verdicts.classList.remove("old");
    this.renewed = true;
    const texts = verdicts.map(({ text }, i) => `${this.named(verdicts, i)}${text} `);
    // Numbers alone are told anew without new buttons, and without a word to screen readers
    const plain = verdicts.map(({ text, cures }) => [text.replace(/[\d.e,+-]+/g, "#"), cures]);
    const key = JSON.stringify([turn, ...plain]);
    if (key === this.judged) {
      this.verdicts.querySelectorAll(".judgement").forEach((place, i) => write(place, texts[i]));
      return;
    }
    this.judged = key;
    this.verdicts.replaceChildren(...verdicts.map((verdict, i) => this.verdict(verdict, texts[i], i)));
  }

  /** Dim what is still of the settings before. */
  age() {
    this.verdicts.classList.toggle("old", !this.renewed);
  }

  /** There is nothing to say. */
  end() {
    this.tell([]);
    this.verdicts.replaceChildren();
    this.judged = "";
  }

  /**
   * @param {unknown[]} all
   * @param {number} i
   */
  named(all, i) {
    return all.length > 1 ? `${SIDES[i]}: ` : "";
  }

  /** @param {string[]} lines */
  tell(lines) {
    while (this.states.childElementCount < lines.length) this.states.append(html("p"));
    while (this.states.childElementCount > lines.length) this.states.lastChild?.remove();
    lines.forEach((line, i) => write(this.states.children[i], line));
  }

  /**
   * @param {Verdict} verdict
   * @param {string} text
   * @param {number} side
   */
  verdict({ ill, cures }, text, side) {
    return html(
      "p",
      { class: ill ? "verdict ill" : "verdict well" },
      html("span", { class: "judgement", "aria-live": "off" }, text),
      ...cures.map(({ name, settings }) => {
        const onclick = () => this.cure(side, settings);
        return html("button", { type: "button", class: "cure", title: `Try it: ${name}`, onclick }, name);
      }),
    );
  }
}

const NOT_FINITE = /** @type {Record<string, number>} */ ({ inf: Infinity, "-inf": -Infinity, nan: NaN });

/** @param {State} state */
function stateOf({ step, epoch, loss, broken }) {
  const value = typeof loss === "string" ? NOT_FINITE[loss] : loss;
  const end = broken ? "; training has ended, for a loss is not finite" : "";
  const epochs = number(Number(epoch.toFixed(1)));
  return `step ${step.toLocaleString("en")}, epoch ${epochs}, loss ${number(value)}${end}`;
}
