// A live page in an element, whichever host answers. Needs view.js and asking.js.

const AWAY = 500; // milliseconds between two looks at whether it is back

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

function randomName() {
  const random = crypto.getRandomValues(new Uint32Array(2));
  return Array.from(random, (part) => part.toString(36)).join("");
}

class LivePage {
  /**
   * @param {HTMLElement} el
   * @param {Step} step
   * @param {boolean} links
   */
  constructor(el, step, links) {
    this.links = links;
    this.el = el;
    this.looking = 0; // a timer, while it is away
    this.shown = false; // whether it has been in the document: some hosts put it there later
    this.host = html("div", { class: "vgcore" });
    el.replaceChildren(this.host);
    const shadow = this.host.attachShadow({ mode: "open" });
    this.root = html("div", { class: "live" }, html("p", { class: "pale" }, "One moment…"));
    shadow.append(html("style", {}, STYLE), this.root);
    this.session = randomName();
    /** @type {View | null} */
    this.view = null; // until the page is told what it is made of
    this.asking = new Asking(
      step,
      () => this.next(),
      (frame, asked) => this.take(frame, asked),
      (error) => this.fail(error.message),
    );
    this.ends = new AbortController();
    const until = { signal: this.ends.signal };
    addEventListener("pagehide", () => this.leave(), until);
    document.addEventListener("visibilitychange", () => document.hidden || this.asking.pump(), until);
    this.schemes = new MutationObserver(() => this.follow());
    for (const watched of [document.documentElement, document.body])
      this.schemes.observe(watched, { attributes: true });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.follow(), until);
    if (links) addEventListener("hashchange", () => this.view?.begin(), until);
    this.follow();
    this.asking.pump();
  }

  end() {
    this.ends.abort();
    this.asking.end();
    this.schemes.disconnect();
    this.view?.end();
    this.host.remove();
  }

  /** Say that nothing more is asked for; should the browser bring the page back, it is another session. */
  leave() {
    this.asking.step({ session: this.session, leaves: true }).catch(() => {});
    this.session = randomName();
  }

  /** Be light or dark as what is around: by the colour of its text. */
  follow() {
    const inherited = getComputedStyle(this.el).color;
    const [red, green, blue] = (inherited.match(/[\d.]+/g) ?? ["0", "0", "0"]).map(Number);
    const scheme = 0.3 * red + 0.6 * green + 0.1 * blue > 128 ? "dark" : "light";
    if (this.host.dataset.scheme === scheme) return;
    this.host.dataset.scheme = scheme;
    this.view?.gallery.recolour();
  }

  /** @returns {object | null} what is asked for next */
  next() {
    if (document.hidden || this.isAway()) return null;
    const { session, view } = this;
    if (!view) return this.asking.underWay ? null : { session, page: true };
    const params = view.params(this.asking.underWay > 0);
    return params && { session, ...params };
  }

  /** Whether it has been taken from the document, as notebooks do with what is out of sight; looks again if so. */
  isAway() {
    const { isConnected } = this.host;
    this.shown ||= isConnected;
    if (!this.shown || isConnected) return false;
    this.looking ||= window.setTimeout(() => {
      this.looking = 0;
      this.asking.pump();
    }, AWAY);
    return true;
  }

  /** @param {any} frame @param {number} asked of which request it is the answer */
  take(frame, asked) {
    if (this.view) this.view.take(frame, asked);
    else if (frame.error)
      throw new Error(frame.error.message); // it is asked for again
    else {
      const ask = (/** @type {boolean} */ urgent) => this.asking.pump(urgent);
      this.view = new View(frame.page, this.host, ask, this.links);
      this.root.replaceChildren(...this.view.roots);
      this.view.begin();
    }
  }

  /** @param {string} message */
  fail(message) {
    if (this.view) this.view.complain(message);
    else this.root.replaceChildren(html("p", { class: "wrong", role: "alert" }, message));
  }
}
