// The host of a recorded page: frames of a grid of settings lie in the page, deflated; see vgcore/live/recording.py.

const PACE = 100; // milliseconds from frame to frame, where a page plays as it does by itself

/** @typedef {{page: string, grid: [string, any[]][], frames: string[]}} Recording */

/** The bytes that a text of base64 stands for. @param {string} text */
function decoded(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/**
 * The frames of one of the settings.
 * @param {string} text
 * @returns {Promise<ArrayBuffer[]>}
 */
async function inflated(text) {
  const stream = new Blob([decoded(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = await new Response(stream).arrayBuffer();
  const view = new DataView(bytes);
  const found = [];
  for (let at = 0; at < bytes.byteLength;) {
    const end = at + 4 + view.getUint32(at, true);
    found.push(bytes.slice(at + 4, end));
    at = end;
  }
  return found;
}

/**
 * A frame that holds more: the JSON's first entries are others.
 * @param {ArrayBuffer} frame
 * @param {object} more
 */
function withMore(frame, more) {
  const length = new DataView(frame).getUint32(8, true);
  const told = new TextEncoder().encode(`${JSON.stringify(more).slice(0, -1)},`);
  const head = -(-told.byteLength >> 3) << 3; // arrays stay where multiples of 8 are
  const made = new Uint8Array(frame.byteLength + head).fill(32, 0, FRAME_HEAD + head + 1);
  made.set(new Uint8Array(frame, 0, FRAME_HEAD));
  new DataView(made.buffer).setUint32(8, length + head, true);
  made.set(told, FRAME_HEAD);
  made.set(new Uint8Array(frame, FRAME_HEAD + 1), FRAME_HEAD + head + 1); // behind its "{"
  return made.buffer;
}

class Player {
  /** @param {Recording} recording */
  constructor({ page, grid, frames }) {
    this.page = decoded(page).buffer;
    this.grid = grid;
    this.frames = frames;
    this.which = -1; // of the settings
    this.turn = -1;
    this.position = 0;
    this.due = 0;
    /** @type {Promise<ArrayBuffer[]>} */
    this.held = Promise.resolve([]);
    this.step = this.step.bind(this);
  }

  /**
   * @param {any} params
   * @returns {Promise<ArrayBuffer>}
   */
  async step({ page, turn, settings, steps }) {
    if (page) return this.page;
    if (turn > this.turn) this.move(turn, settings[0]);
    else {
      if (steps === null) await this.wait();
      if (turn === this.turn) this.position += steps ?? 1;
    }
    const held = await this.held;
    const last = held.length - 1;
    this.position = Math.min(this.position, last);
    return withMore(held[this.position], { turn, over: this.position === last });
  }

  /**
   * A control has moved, which leaves the position as it is; or it is to begin anew.
   * @param {number} turn
   * @param {Record<string, any>} settings
   */
  move(turn, settings) {
    const which = this.grid.reduce(
      (place, [name, values]) => place * values.length + values.indexOf(settings[name]),
      0,
    );
    this.turn = turn;
    if (which === this.which) this.position = 0;
    else this.held = inflated(this.frames[which]);
    this.which = which;
  }

  /** Wait until the next frame is due, be there several that wait. */
  wait() {
    const now = performance.now();
    this.due = Math.max(this.due + PACE, now);
    return new Promise((resolve) => setTimeout(resolve, this.due - now));
  }
}

const recording = JSON.parse(/** @type {HTMLElement} */ (document.getElementById("data")).textContent ?? "");
mount(/** @type {HTMLElement} */ (document.getElementById("live")), new Player(recording).step);
