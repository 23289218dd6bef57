// What a live page shows and asks for, once Python has declared what it is made of. Needs panels.js, toolbar.js,
// gallery.js, telling.js and link.js.

const FRAME_SECONDS = 0.02; // that a frame may train
const QUICK_SECONDS = 0.004; // ... of one that shows what a moved control does
const PATIENCE = 250; // milliseconds until something is asked for that takes its time, while nothing trains
const SLOW_FRAME = 700; // milliseconds without a frame, of which the reader is told
const AGEING = 600; // milliseconds until what is still of the settings before is dimmed
const REMEMBERING = 200; // milliseconds between two changes of the address: browsers allow a few a second

/**
 * @typedef {{title: string, about?: string, controls: Control[], begins: Settings[], plays?: boolean,
 *   compares?: boolean, speeds?: string[][], scenes?: Scene[], scene?: string | null, shared?: string[]}} Declared
 */
/** @typedef {{message: string, control?: string, side?: number}} Wrong */

class View {
  /**
   * @param {Declared} page
   * @param {HTMLElement} host whom an event tells of each frame that is drawn
   * @param {(urgent: boolean) => void} ask
   * @param {boolean} links
   */
  constructor(page, host, ask, links) {
    this.page = page;
    this.host = host;
    this.ask = ask;
    this.links = links;
    this.turn = 0; // rises with each change of settings, and each new beginning
    this.fresh = true; // whether no frame of this turn has come
    this.asked = -1; // the turn of the last request
    this.stuck = -1; // the turn whose settings cannot be
    this.last = { turn: -1, born: 0, step: 0, asked: 0 }; // of the newest frame
    this.anew = false; // whether Python has forgotten this turn's networks, and made them again
    /** @type {Wrong} */
    this.wrong = { message: "" };
    this.playing = false;
    this.over = false; // whether no frame comes behind the last
    this.steps = 0; // that were asked for by hand
    this.want = "";
    this.unsettled = true; // whether something is to come although nothing trains
    this.waits = 0; // until when nothing is asked, by the clock
    this.timer = 0;
    this.slow = 0; // a timer, too: of what takes long
    this.ageing = 0; // ... and of what is still of the settings before
    /** @type {any} */
    this.frame = null; // that is to be drawn
    this.panels = new Panels(
      page,
      (side, names) => this.changed(side, names),
      () => this.warn(),
    );
    this.scenes = new Scenes(page.scenes ?? [], (name) => this.enter(name));
    this.toolbar = new Toolbar(page, this.duties());
    this.gallery = new Gallery(
      () => this.resume(),
      (side) => this.panels.panels[side].values,
      (side, settings) => this.choose(side, settings),
    );
    this.telling = new Telling((side, settings) => this.cure(side, settings));
    this.copying = new Copying();
    this.alert = html("p", { class: "wrong", role: "alert", hidden: true });
    this.remembering = new Pace(REMEMBERING, () => this.remember());
    this.roots = this.laidOut();
  }

  laidOut() {
    const { title, about, plays, compares, controls } = this.page;
    const { states, verdicts } = this.telling;
    const seen = html("div", { class: "seen" }, this.alert, states, verdicts, this.gallery.root);
    return [
      html("h1", {}, title),
      html("p", { hidden: !about }, about),
      this.scenes.root,
      ...(plays || compares ? [this.toolbar.root] : []),
      html("div", { class: "body" }, controls.length ? this.panels.root : null, seen),
      this.copying.root,
    ];
  }

  /** @returns {Duties} */
  duties() {
    return {
      play: () => {
        const anew = !this.playing && this.over;
        this.play(!this.playing);
        if (anew) this.restart();
      },
      step: () => {
        this.play(false);
        this.steps++;
        this.ask(false);
      },
      reset: () => this.restart(),
      speed: () => {
        this.waits = 0;
        this.ask(false);
      },
      compare: (two) => {
        const [first] = this.panels.settings;
        this.scenes.leave();
        this.start(two ? [first, { ...first }] : [first]);
      },
      code: () => {
        this.want = "code";
        this.ask(true);
      },
      link: this.links ? () => this.copying.show(location.href, "This link") : null,
    };
  }

  /** Begin with what the address says, or else with what Python wants. */
  begin() {
    if (this.visit()) return;
    const { scene, begins } = this.page;
    this.start(begins, this.scenes.tell(scene ?? "")?.moves);
    this.play(true);
  }

  /** Begin with what the page's address says; whether it says something. */
  visit() {
    const given = this.links ? linked(this.page.controls, location.hash) : null;
    if (!given) return false;
    const scene = this.scenes.tell(given.scene);
    this.start((given.sceneAlone && scene?.begins) || given.settings, scene?.moves);
    this.play(true);
    return true;
  }

  end() {
    clearTimeout(this.timer);
    clearTimeout(this.slow);
    clearTimeout(this.ageing);
    this.remembering.end();
    this.gallery.end();
  }

  /**
   * What the next frame is to be; null while none is wanted.
   * @param {boolean} underWay whether something is
   */
  params(underWay) {
    if (this.stuck === this.turn) {
      [this.steps, this.want] = [0, ""];
      return null;
    }
    if (this.fresh && this.asked === this.turn && underWay) return null;
    const now = performance.now();
    const due = now >= this.waits;
    if (!(this.fresh || this.steps || this.want || (due && (this.playing || this.unsettled)))) {
      if (!due && (this.playing || this.unsettled)) this.later(this.waits - now);
      return null;
    }
    const playing = this.playing && due;
    const speed = this.toolbar.speed;
    const byHand = Math.min(this.steps, 1); // one at a time: of more a frame might do only some
    const { want } = this;
    [this.steps, this.want, this.asked] = [this.steps - byHand, "", this.turn];
    this.waits = now + (playing ? speed.pause : PATIENCE);
    return {
      turn: this.turn,
      settings: this.panels.settings,
      seconds: this.fresh ? QUICK_SECONDS : FRAME_SECONDS,
      steps: playing ? speed.steps : byHand,
      show: this.gallery.shown,
      held: this.gallery.versions(this.frame?.turn === this.turn ? this.frame.pictures : []),
      want,
    };
  }

  /** Ask in a while. @param {number} wait milliseconds */
  later(wait) {
    this.timer ||= window.setTimeout(() => {
      this.timer = 0;
      this.ask(false);
    }, wait);
  }

  /** Something is to come although nothing trains. */
  resume() {
    this.unsettled = true;
    this.ask(false);
  }

  /** A frame has come. @param {any} frame @param {number} asked of which request it is the answer */
  take(frame, asked) {
    if (frame.superseded || (frame.turn ?? this.turn) !== this.turn) return;
    if (frame.error) {
      this.refuse(frame.error);
      return;
    }
    if (frame.code) {
      const named = frame.code.map((/** @type {string} */ code, /** @type {number} */ i) =>
        frame.code.length > 1 ? `# Network ${SIDES[i]}\n${code}` : code,
      );
      this.copying.show(named.join("\n\n"), "These lines");
      return;
    }
    if (this.overtaken(frame, asked)) return;
    const answers = this.fresh; // what the reader has just done
    this.fresh = false;
    this.unsettled = Boolean(frame.more);
    if (frame.more === "at once") this.waits = 0;
    this.over = Boolean(frame.over);
    if (this.over) this.play(false);
    if (!this.frame && !answers) requestAnimationFrame(() => this.draw());
    // Frames that come before one is drawn are drawn together: a picture that the last one lacks is of one before
    const before = this.frame?.turn === frame.turn ? this.frame.pictures : [];
    const keys = new Set(frame.pictures.map((/** @type {Sent} */ { key }) => key));
    const kept = before.filter((/** @type {Sent} */ { key }) => !keys.has(key));
    this.frame = { ...frame, pictures: [...kept, ...frame.pictures] };
    if (answers) this.draw();
  }

  /**
   * Whether a frame is older than one that has come: requests overtake each other, and of two frames of a network
   * that with more steps is the newer one.
   * @param {any} frame
   * @param {number} asked
   */
  overtaken({ states, born }, asked) {
    const { last, turn } = this;
    const step = states?.[0].step ?? 0;
    const same = born === last.born;
    const behind = same && step !== last.step ? step < last.step : asked < last.asked;
    if (turn === last.turn && behind) return true;
    this.anew ||= turn === last.turn && !same && step < last.step;
    this.last = { turn, born, step, asked };
    return false;
  }

  draw() {
    const { frame } = this;
    this.frame = null;
    if (!frame || frame.turn !== this.turn || !this.host.isConnected) return;
    try {
      this.gallery.show(frame.pictures, frame.keys);
    } catch (error) {
      console.error(error);
      this.refuse({ message: `A picture cannot be drawn: ${/** @type {Error} */ (error).message}` });
      return;
    }
    this.complain("");
    if (this.gallery.lacking.length) this.resume();
    this.telling.show(frame, this.anew);
    if (frame.marks) this.panels.mark(frame.marks);
    if (frame.ends) this.panels.limit(frame.ends);
    this.host.dispatchEvent(new CustomEvent("vgcore-frame", { detail: frame, bubbles: true }));
  }

  /** These settings cannot be, or something went wrong with them. @param {Wrong} wrong */
  refuse({ message, control = "", side = 0 }) {
    this.fresh = this.unsettled = false;
    this.telling.end();
    if (control) this.stuck = this.turn;
    else this.play(false);
    this.complain(message, control, side);
  }

  /**
   * Say what is wrong: at the control, or above the pictures where the control is not seen.
   * @param {string} message
   * @param {string} [control]
   * @param {number} [side]
   */
  complain(message, control = "", side = 0) {
    this.wrong = { message, control, side };
    this.panels.complain(message, control, side);
    this.warn();
  }

  /** Say above the pictures what is wrong, unless it is seen at its control. */
  warn() {
    const { message, control, side = 0 } = this.wrong;
    const told = Boolean(control) && this.panels.sees(side);
    const whose = control && this.panels.two ? `${SIDES[side]}: ` : "";
    write(this.alert, told ? "" : `${whose}${message}`);
    this.alert.hidden = told || !message;
  }

  /** Begin a scene. @param {string} name */
  enter(name) {
    const scene = this.scenes.tell(name);
    if (!scene) return;
    this.start(scene.begins, scene.moves);
    this.play(true);
  }

  /** @param {Settings[]} settings of one network or two @param {string} [moves] whose controls are seen first */
  start(settings, moves = "B") {
    this.panels.begin(settings, SIDES.indexOf(moves));
    this.toolbar.comparing = this.panels.two;
    this.restart();
  }

  /**
   * Controls have moved.
   * @param {number} side
   * @param {string[]} names
   */
  changed(side, names) {
    this.panels.share(side, names);
    this.gallery.follow();
    if (this.over) this.play(true);
    this.restart();
  }

  /**
   * A click has chosen values of controls.
   * @param {number} side
   * @param {Settings} settings
   */
  choose(side, settings) {
    this.panels.set(side, settings);
    this.changed(side, Object.keys(settings));
  }

  /**
   * @param {number} side
   * @param {Settings} settings
   */
  cure(side, settings) {
    this.panels.set(side, settings);
    this.scenes.leave();
    this.play(true);
    this.restart();
  }

  restart() {
    this.turn++;
    this.fresh = true;
    this.anew = false;
    this.waits = 0;
    this.gallery.renewed.clear();
    this.telling.renewed = false;
    clearTimeout(this.ageing);
    this.ageing = window.setTimeout(() => this.age(), AGEING);
    this.remembering.soon();
    clearTimeout(this.slow);
    this.slow = window.setTimeout(() => this.fresh && this.telling.tell(["working …"]), SLOW_FRAME);
    this.ask(true);
  }

  /** Dim what is still of the settings before. */
  age() {
    this.gallery.age();
    this.telling.age();
  }

  /** Keep the settings in the page's address. */
  remember() {
    if (!this.links) return;
    const hash = linkOf(this.page.controls, { settings: this.panels.settings, scene: this.scenes.name });
    history.replaceState(null, "", `${location.pathname}${location.search}${hash ? `#${hash}` : ""}`);
  }

  /** @param {boolean} on */
  play(on) {
    this.playing = on && Boolean(this.page.plays);
    this.waits = 0;
    this.toolbar.playing = this.playing;
    this.ask(false);
  }
}
