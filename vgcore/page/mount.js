// A live page in an element: what Python declares of it, its controls, pictures and verdicts, kept moving by the
// loop of asking.js. Needs moving.js, panel.js, link.js, asking.js and frames.js.

const SIDES = ["A", "B"];
const FRAME_SECONDS = 0.02; // that a frame may train
const QUICK_SECONDS = 0.008; // ... of one that shows what a moved control does
const PATIENCE = 250; // milliseconds until something is asked for that takes its time, while nothing trains
const SPEEDS = /** @type {const} */ ([
  ["", "as fast as it goes"],
  ["100", "100 steps a frame"],
  ["10", "10 steps a frame"],
  ["1", "1 step a frame"],
  ["slow", "3 steps a second"],
]);
const SLOW = 333; // milliseconds

/**
 * @typedef {{title: string, about?: string, controls: Control[], plays?: boolean, compares?: boolean, speeds?: [string, string][],
 *   scenes?: Scene[], scene?: string | null, settings?: Settings, shared?: string[]}} Declared
 */
/** @typedef {{name: string, title: string, lesson: string, settings: Settings, other?: Settings}} Scene */
/** @typedef {{step: number, epoch: number, loss: number | string, broken: boolean}} State */
/** @typedef {{text: string, ill: boolean, cures: {name: string, settings: Settings}[]}} Verdict */

/**
 * Show a live page.
 * @param {HTMLElement} el where
 * @param {Step} step gives the frame that it asks for
 * @param {{links?: boolean}} [options] links: whether settings stand in the page's address
 * @returns {() => void} ends it
 */
function mount(el, step, { links = false } = {}) {
  const page = new LivePage(el, step, links);
  return () => page.end();
}

class LivePage {
  /**
   * @param {HTMLElement} el
   * @param {Step} step
   * @param {boolean} links
   */
  constructor(el, step, links) {
    this.links = links;
    this.host = html("div", { class: "vgcore" });
    el.replaceChildren(this.host);
    const shadow = this.host.attachShadow({ mode: "open" });
    this.root = html("div", { class: "live" }, html("p", { class: "pale" }, "One moment…"));
    shadow.append(html("style", {}, STYLE), this.root);
    this.session = Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36)).join("");
    this.turn = 0;
    this.stuck = -1; // the turn whose settings cannot be
    this.fresh = true; // whether no frame of this turn has come
    this.playing = false;
    this.steps = 0; // that were asked for by hand
    this.want = "";
    this.unsettled = true; // whether something is to come although nothing trains
    this.waits = 0; // until when nothing is asked, by the clock
    /** @type {Declared | null} */
    this.page = null;
    /** @type {Panel[]} */
    this.panels = [];
    /** @type {Map<string, MovingPicture>} */
    this.pictures = new Map();
    /** @type {Set<string>} */
    this.seen = new Set();
    /** @type {Map<string, any>} */
    this.sent = new Map(); // pictures as they came last
    /** @type {string[]} */
    this.lacking = []; // keys of pictures that there are but have not come
    /** @type {any} */
    this.frame = null; // that is to be drawn
    this.asking = new Asking(
      step,
      () => this.params(),
      (frame) => this.take(frame),
      (error) => this.fail(error),
    );
    this.watching = new IntersectionObserver((entries) => this.see(entries), { rootMargin: "100px" });
    this.hidden = () => document.hidden || this.asking.pump();
    document.addEventListener("visibilitychange", this.hidden);
    this.schemes = new MutationObserver(() => this.follow());
    for (const watched of [document.documentElement, document.body])
      this.schemes.observe(watched, { attributes: true });
    this.preference = matchMedia("(prefers-color-scheme: dark)");
    this.follow = this.follow.bind(this);
    this.visit = this.visit.bind(this);
    if (links) addEventListener("hashchange", this.visit);
    this.preference.addEventListener("change", this.follow);
    this.follow();
    this.asking.pump();
  }

  end() {
    this.asking.end();
    this.watching.disconnect();
    this.schemes.disconnect();
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.hidden);
    removeEventListener("hashchange", this.visit);
    this.preference.removeEventListener("change", this.follow);
    for (const picture of this.pictures.values()) picture.remove();
    this.host.remove();
  }

  /** Be light or dark as what is around: by the colour of its text. */
  follow() {
    const inherited = getComputedStyle(/** @type {Element} */ (this.host.parentElement)).color;
    const [red, green, blue] = (inherited.match(/[\d.]+/g) ?? ["0", "0", "0"]).map(Number);
    const scheme = 0.3 * red + 0.6 * green + 0.1 * blue > 128 ? "dark" : "light";
    if (this.host.dataset.scheme === scheme) return;
    this.host.dataset.scheme = scheme;
    for (const picture of this.pictures.values()) picture.recolour();
  }

  /** What the next frame is to be; null while none is wanted. */
  params() {
    if (document.hidden) return null;
    if (!this.page) return this.asking.underWay ? null : { session: this.session, page: true, seconds: 0 };
    if (this.stuck === this.turn) return null;
    const now = performance.now();
    const playing = this.playing && now >= this.waits;
    if (!(this.fresh || playing || this.steps || this.want || (this.unsettled && now >= this.waits))) {
      if ((this.playing || this.unsettled) && !this.timer) {
        this.timer = window.setTimeout(() => {
          this.timer = 0;
          this.asking.pump();
        }, this.waits - now);
      }
      return null;
    }
    if (this.fresh && this.awaited === this.turn) {
      if (this.asking.underWay) return null;
    }
    this.awaited = this.turn;
    const { steps, want } = this;
    [this.steps, this.want] = [0, ""];
    const slow = this.speed === "slow";
    if (playing && slow) this.waits = now + SLOW;
    else if (!playing) this.waits = now + PATIENCE;
    const most = playing ? (slow ? 1 : this.speed ? Number(this.speed) : null) : steps;
    return {
      session: this.session,
      turn: this.turn,
      settings: this.panels.filter((_, i) => !i || this.comparing).map(({ values }) => values),
      seconds: this.fresh ? QUICK_SECONDS : FRAME_SECONDS,
      steps: most,
      ...(this.seen.size ? { show: [...this.seen, ...this.lacking] } : {}),
      held: this.held(),
      ...(want ? { want } : {}),
    };
  }

  /** Versions of the pictures that are here, of those that have some. */
  held() {
    const waiting = this.frame?.turn === this.turn ? this.frame.pictures : [];
    const versions = [...this.sent.values(), ...waiting].map(({ key, version }) => [key, version]);
    return Object.fromEntries(versions.filter(([, version]) => version));
  }

  /** A frame has come. @param {any} frame */
  take(frame) {
    if (!this.page) {
      if (frame.page) this.build(frame.page);
      else if (frame.error) this.fail(new Error(frame.error.message));
      return;
    }
    if (frame.superseded || (frame.turn ?? this.turn) !== this.turn) return;
    if (frame.error) {
      this.fresh = false;
      this.unsettled = false;
      if (frame.error.control) this.stuck = this.turn;
      else this.play(false);
      this.complain(frame.error.message, frame.error.control, frame.error.side ?? 0);
      return;
    }
    this.complain("", "", 0);
    if (frame.code) {
      this.showCode(frame.code);
      return;
    }
    this.fresh = false;
    this.unsettled = Boolean(frame.more);
    this.over = Boolean(frame.over); // nothing comes behind it
    if (this.over) this.play(false);
    if (frame.more === "at once") this.waits = 0;
    if (!this.frame) requestAnimationFrame(() => this.draw());
    // Frames that come before one is drawn are drawn together: a picture that the last one lacks is of one before
    const before = this.frame?.turn === frame.turn ? this.frame.pictures : [];
    const keys = new Set(frame.pictures.map((/** @type {Sent} */ { key }) => key));
    const pictures = [...before.filter((/** @type {Sent} */ { key }) => !keys.has(key)), ...frame.pictures];
    this.frame = { ...frame, pictures };
  }

  /** @param {Error} error */
  fail(error) {
    this.complain(error.message, "", 0);
  }

  /**
   * Say what is wrong: at the control, or above the pictures where the control is not seen.
   * @param {string} message
   * @param {string} control
   * @param {number} side
   */
  complain(message, control, side) {
    if (!this.page) {
      this.root.replaceChildren(html("p", { class: "wrong", role: "alert" }, message));
      return;
    }
    this.panels.forEach((panel, i) => panel.complain(control && i === side ? message : "", control));
    const told = control && this.panels[side].root.checkVisibility();
    write(this.alert, told ? "" : control && this.comparing ? `${SIDES[side]}: ${message}` : message);
    this.alert.hidden = Boolean(told) || !message;
  }

  /** @param {Declared} page */
  build(page) {
    this.page = page;
    this.panels = SIDES.slice(0, page.compares ? 2 : 1).map(
      (_, i) => new Panel(page.controls, (name) => this.changed(i, name)),
    );
    this.alert = html("p", { class: "wrong", role: "alert", hidden: true });
    this.states = html("div", { class: "states" });
    this.verdicts = html("div", { class: "verdicts", "aria-live": "polite" });
    this.grid = html("div", { class: "grid-of-pictures" });
    this.code = html("dialog", { class: "code", "aria-label": "As Python" });
    this.lesson = html("p", { class: "lesson" });
    this.told = this.toolbar(page);
    const tabs = this.tabs(page);
    const controls = html("div", { class: "sidebar" }, tabs, ...this.panels.map(({ root }) => root));
    const folding = html("details", { class: "folding", open: true }, html("summary", {}, "Settings"), controls);
    this.root.replaceChildren(
      html("h1", {}, page.title),
      page.about ? html("p", {}, page.about) : "",
      this.scenes(page),
      this.lesson,
      ...(page.plays || page.compares ? [this.told] : []),
      html(
        "div",
        { class: "body" },
        ...(page.controls.length ? [folding] : []),
        html("div", { class: "seen" }, this.alert, this.states, this.verdicts, this.grid),
      ),
      this.code,
    );
    if (matchMedia("(max-width: 45rem)").matches) folding.open = false;
    this.playing = Boolean(page.plays);
    this.side(0);
    if (this.visit()) return;
    if (page.scene) this.enter(page.scene, page.settings);
    else this.start([{ ...this.panels[0].values, ...page.settings }]);
    this.play(this.playing);
  }

  /** Begin with what the page's address says; whether it says something. */
  visit() {
    const given = this.links && this.page && linked(this.page.controls, location.hash);
    if (!given) return false;
    this.tellScene(given.scene ?? "");
    this.start(given.settings);
    this.play(true);
    return true;
  }

  /** @param {Declared} page */
  scenes(page) {
    if (!page.scenes?.length) return "";
    const options = page.scenes.map(({ name, title }) => html("option", { value: name }, title));
    const input = html(
      "select",
      { "aria-label": "Scene", "data-name": "scene", onchange: () => this.enter(input.value) },
      html("option", { value: "" }, "of your own"),
      ...options,
    );
    this.chooser = input;
    return html("label", { class: "scene" }, html("span", {}, "Scene"), input);
  }

  /** @param {Declared} page */
  toolbar(page) {
    const button = (/** @type {string} */ text, /** @type {string} */ title, /** @type {() => void} */ onclick) =>
      html("button", { type: "button", title, onclick }, text);
    this.player = button("Pause", "Let the networks train, or hold them", () => {
      const anew = !this.playing && this.over;
      this.play(!this.playing);
      if (anew) this.restart();
    });
    const speed = html(
      "select",
      {
        ...{ "aria-label": "Speed", "data-name": "speed" },
        onchange: () => {
          this.speed = speed.value;
          this.waits = 0;
          this.asking.pump();
        },
      },
      ...(page.speeds ?? SPEEDS).map(([value, text]) => html("option", { value }, text)),
    );
    this.comparer = html("input", {
      ...{ type: "checkbox", "data-name": "compare" },
      onchange: () => this.compare(Boolean(this.comparer?.checked)),
    });
    const more = [
      button("Copy as Python", "The lines that do the same", () => {
        this.want = "code";
        this.asking.pump(true);
      }),
      this.links ? button("Copy link", "A link that holds all settings", () => this.copy(location.href)) : null,
    ];
    return html(
      "div",
      { class: "toolbar", role: "group", "aria-label": "Training" },
      this.player,
      button("Step", "One step of training", () => {
        this.play(false);
        this.steps += 1;
        this.asking.pump();
      }),
      button("Reset", "Begin anew", () => this.restart()),
      speed,
      page.compares
        ? html("label", { class: "switch" }, this.comparer, html("span", {}, "compare two networks"))
        : null,
      ...(page.compares ? more : []),
    );
  }

  /** @param {Declared} page */
  tabs(page) {
    this.tab = SIDES.map((name, i) =>
      html("button", { type: "button", role: "tab", onclick: () => this.side(i) }, `Network ${name}`),
    );
    this.tabbed = html("div", { class: "tabs", role: "tablist", hidden: true }, ...this.tab);
    return page.compares ? this.tabbed : null;
  }

  /** Show the controls of one network. @param {number} which */
  side(which) {
    this.tab?.forEach((tab, i) => tab.setAttribute("aria-selected", String(i === which)));
    this.panels.forEach(({ root }, i) => {
      root.hidden = i !== which;
    });
  }

  get comparing() {
    return Boolean(this.comparer?.checked);
  }

  /** @param {boolean} two */
  compare(two) {
    if (two) this.panels[1].set(this.panels[0].values);
    this.pair(two);
    this.own();
    this.restart();
  }

  /** Have one network, or two. @param {boolean} two */
  pair(two) {
    if (this.comparer) this.comparer.checked = two;
    if (this.tabbed) this.tabbed.hidden = !two;
    this.side(two ? 1 : 0);
  }

  /** Begin a scene. @param {string} name @param {Settings} [more] what is other in it */
  enter(name, more = {}) {
    const scene = this.tellScene(name);
    if (!scene || !this.page) return;
    const first = Object.fromEntries(this.page.controls.map((control) => [control.name, control.value]));
    const own = { ...first, ...scene.settings, ...more };
    this.start(scene.other ? [own, { ...own, ...scene.other }] : [own]);
    this.play(true);
  }

  /** @param {string} name */
  tellScene(name) {
    const scene = this.page?.scenes?.find((each) => each.name === name);
    this.scene = scene?.name;
    if (this.chooser) this.chooser.value = scene?.name ?? "";
    write(this.lesson, scene?.lesson ?? "");
    return scene;
  }

  /** The settings are no scene's any more; its lesson stays. */
  own() {
    this.scene = undefined;
  }

  /** @param {Settings[]} settings */
  start([first, second]) {
    this.panels[0].set(first);
    this.pair(Boolean(second));
    if (second) this.panels[1].set(second);
    else this.side(0);
    this.restart();
  }

  /**
   * Controls have moved.
   * @param {number} which
   * @param {...string} names
   */
  changed(which, ...names) {
    const { values } = this.panels[which];
    const shared = Object.fromEntries(
      names.filter((name) => this.page?.shared?.includes(name)).map((name) => [name, values[name]]),
    );
    this.panels.forEach((panel, i) => i === which || panel.set(shared));
    for (const [key, sent] of this.sent) if (sent.choose) this.pictures.get(key)?.show(this.shown(sent));
    if (this.over) this.play(true);
    this.restart();
  }

  restart() {
    this.turn++;
    this.fresh = true;
    this.waits = 0;
    this.remember();
    this.asking.pump(true);
  }

  /** Keep the settings in the page's address. */
  remember() {
    if (!this.links || !this.page) return;
    clearTimeout(this.remembering);
    this.remembering = window.setTimeout(() => {
      const settings = this.panels.filter((_, i) => !i || this.comparing).map(({ values }) => values);
      const hash = linkOf(this.page?.controls ?? [], { settings, scene: this.scene });
      history.replaceState(null, "", `${location.pathname}${location.search}${hash ? `#${hash}` : ""}`);
    }, 200); // browsers allow a few a second
  }

  /** @param {boolean} on */
  play(on) {
    this.playing = on && Boolean(this.page?.plays);
    this.waits = 0;
    if (this.player) write(this.player, this.playing ? "Pause" : "Play");
    this.asking.pump();
  }

  /** @param {string} text */
  async copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return false; // where it is not allowed; the reader can mark it
    }
  }

  /** @param {string[]} codes */
  async showCode(codes) {
    const text = codes.map((code, i) => (codes.length > 1 ? `# Network ${SIDES[i]}\n${code}` : code)).join("\n\n");
    const copied = await this.copy(text);
    this.code.replaceChildren(
      html("p", {}, copied ? "These lines are in the clipboard:" : "These lines do the same:"),
      html("pre", { tabindex: 0 }, text),
      html("button", { type: "button", onclick: () => this.code.close() }, "Close"),
    );
    if (!this.code.open) this.code.showModal();
  }

  /** Which pictures the reader sees. @param {IntersectionObserverEntry[]} entries */
  see(entries) {
    for (const { target, isIntersecting } of entries) {
      const key = /** @type {HTMLElement} */ (target).dataset.base ?? "";
      if (isIntersecting) this.seen.add(key);
      else this.seen.delete(key);
    }
    if (entries.some(({ isIntersecting }) => isIntersecting)) {
      this.unsettled = true;
      this.asking.pump();
    }
  }

  draw() {
    const { frame } = this;
    this.frame = null;
    if (!frame || frame.turn !== this.turn || !this.asking.going) return;
    for (const sent of frame.pictures) {
      this.sent.set(sent.key, sent);
      this.picture(sent).show(this.shown(sent));
    }
    if (frame.keys) this.prune(frame.keys);
    this.lacking = (frame.keys ?? []).filter((/** @type {string} */ key) => !this.pictures.has(key));
    if (this.lacking.length) {
      this.unsettled = true;
      this.asking.pump();
    }
    this.tell(frame);
    frame.marks?.forEach((/** @type {Record<string, Mark>} */ marks, /** @type {number} */ i) =>
      this.panels[i]?.mark(marks),
    );
    if (frame.ends) this.panels[0].limit(frame.ends);
    this.drawnFrames = (this.drawnFrames ?? 0) + 1;
    this.host.dispatchEvent(new CustomEvent("vgcore-frame", { detail: frame, bubbles: true }));
  }

  /**
   * A picture as it is drawn: of one whose places are controls' the cursor is where these are.
   * @param {any} sent
   * @returns {Sent}
   */
  shown(sent) {
    const made = prepared(sent);
    if (!sent.choose) return made;
    const which = sent.side ?? 0;
    const panel = this.panels[which];
    const choose = (/** @type {number} */ i, /** @type {number | undefined} */ row) => {
      const settings = settingsAt(sent, i, row);
      panel.set(settings);
      this.changed(which, ...Object.keys(settings));
    };
    const { place = "", row } = sent.choose;
    /** @type {{cellName?: (i: number, row: number) => string}} */
    const named = row === place ? { cellName: (i, r) => `${sent.row_word} ${settingsAt(sent, i, r)[place]}` } : {};
    return { ...made, ...named, ...cursorOf(sent, panel.values), choose };
  }

  /** @param {Sent & {base?: string, order?: number, side?: number | null}} sent */
  picture(sent) {
    const known = this.pictures.get(sent.key);
    if (known) return known;
    const base = sent.base ?? sent.key;
    const order = String(sent.order ?? this.pictures.size);
    const paired = typeof sent.side === "number";
    const made = new MovingPicture(paired ? this.pairOf(base, order) : /** @type {Element} */ (this.grid));
    Object.assign(made.root.dataset, { base, key: sent.key });
    made.root.style.order = paired ? String(sent.side) : order;
    this.pictures.set(sent.key, made);
    this.watching.observe(made.root);
    return made;
  }

  /** Where the pictures of two networks stand side by side. @param {string} base @param {string} order */
  pairOf(base, order) {
    const known = this.grid?.querySelector(`.pair[data-pair="${CSS.escape(base)}"]`);
    if (known) return known;
    const made = html("div", { class: "pair", "data-pair": base, style: `order:${order}` });
    this.grid?.append(made);
    return made;
  }

  /** Take away pictures that there are no more. @param {string[]} keys */
  prune(keys) {
    for (const [key, picture] of this.pictures) {
      if (keys.includes(key)) continue;
      this.watching.unobserve(picture.root);
      picture.remove();
      this.pictures.delete(key);
      this.sent.delete(key);
    }
    this.grid?.querySelectorAll(".pair:empty").forEach((pair) => pair.remove());
  }

  /** @param {{turn: number, states?: State[], verdicts?: Verdict[]}} frame */
  tell({ turn, states = [], verdicts = [] }) {
    const several = states.length > 1;
    const named = (/** @type {number} */ i) => (several ? `${SIDES[i]}: ` : "");
    const lines = states.map(({ step, epoch, loss, broken }, i) => {
      const value = typeof loss === "string" ? Number(loss === "inf" ? Infinity : loss === "-inf" ? -Infinity : NaN) : loss;
      const end = broken ? "; training has ended, for a loss is not finite" : "";
      return `${named(i)}step ${step.toLocaleString("en")}, epoch ${number(Number(epoch.toFixed(1)))}, loss ${number(value)}${end}`;
    });
    while (this.states.childElementCount < lines.length) this.states.append(html("p"));
    while (this.states.childElementCount > lines.length) this.states.lastChild?.remove();
    lines.forEach((line, i) => write(this.states.children[i], line));
    if (!verdicts.length) return; // they take their time
    // Numbers alone are told anew without new buttons, and without a word to screen readers
    const key = JSON.stringify([turn, ...verdicts.map(({ text, cures }) => [text.replace(/[\d.e,+-]+/g, "#"), cures])]);
    if (key === this.judged) {
      verdicts.forEach(({ text }, i) => write(this.verdicts.querySelectorAll(".judgement")[i], `${named(i)}${text} `));
      return;
    }
    this.judged = key;
    this.verdicts.replaceChildren(
      ...verdicts.map(({ text, ill, cures }, i) =>
        html(
          "p",
          { class: ill ? "verdict ill" : "verdict well" },
          html("span", { class: "judgement", "aria-live": "off" }, `${named(i)}${text} `),
          ...cures.map(({ name, settings }) =>
            html(
              "button",
              { type: "button", class: "cure", title: `Try it: ${name}`, onclick: () => this.cure(i, settings) },
              name,
            ),
          ),
        ),
      ),
    );
  }

  /** @param {number} which @param {Settings} settings */
  cure(which, settings) {
    this.panels[which].set(settings);
    this.own();
    this.play(true);
    this.restart();
  }
}

/**
 * A picture as it is drawn: percents as shares, of which 0 is left blank; points on the axes of their plane.
 * @param {any} sent
 * @returns {Sent}
 */
function prepared(sent) {
  const { values: places, place, block = 1, end } = sent.x;
  const told = (/** @type {number} */ value) => value.toLocaleString("en");
  const named = (/** @type {number} */ i) =>
    block > 1 ? `${place}s ${told(places[i])}–${told(Math.min(places[i] + block, end) - 1)}` : `${place} ${told(places[i])}`;
  if (place) sent = { ...sent, places: named };
  if (sent.kind === "lines") return { ...sent, lines: sent.lines.map(lineOf) };
  if (sent.kind === "heat" && sent.percent) {
    const absent = Uint8Array.from(sent.values, (value) => Number(!value));
    return { ...sent, share: true, values: Float32Array.from(sent.values, (value) => value / 100), absent };
  }
  if (sent.kind === "heat" && sent.none) {
    const columns = sent.none.length;
    return { ...sent, absent: Uint8Array.from(sent.values, (_, i) => sent.none[i % columns]) };
  }
  if (sent.kind !== "plane") return sent;
  const values = sent.values instanceof Uint8Array && !sent.classes ? Float32Array.from(sent.values, (v) => v / 255) : sent.values;
  if (!(sent.points instanceof Uint8Array)) return { ...sent, values };
  const ends = [sent.x, sent.y];
  const points = Float32Array.from(sent.points, (value, i) => {
    const [low, high] = ends[i % 2];
    return low + (value / 255) * (high - low);
  });
  return { ...sent, values, points };
}

/** A line that says where it has no value. @param {any} line @returns {SentLine} */
function lineOf({ none, ...line }) {
  return none ? { ...line, absent: (/** @type {number} */ i) => Boolean(none[i]) } : line;
}
