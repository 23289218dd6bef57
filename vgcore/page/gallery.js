// The pictures of a live page: those of a frame, each in its place, and which of them can be seen. Needs sent.js and
// choosing.js.

class Gallery {
  /**
   * @param {() => void} wanted called when a picture comes into sight
   * @param {(side: number) => Settings} settingsOf the values of a network's controls
   * @param {(side: number, settings: Settings) => void} chosen called when a click sets some
   */
  constructor(wanted, settingsOf, chosen) {
    this.settingsOf = settingsOf;
    this.chosen = chosen;
    this.root = html("div", { class: "grid-of-pictures" });
    /** @type {Map<string, MovingPicture>} */
    this.pictures = new Map();
    /** @type {Map<string, any>} */
    this.sent = new Map(); // as they came last
    /** @type {Set<string>} */
    this.seen = new Set();
    /** @type {Set<string>} */
    this.renewed = new Set(); // keys of pictures that came since settings changed
    /** @type {string[]} */
    this.lacking = []; // keys of pictures that there are but have not come
    this.watching = new IntersectionObserver((entries) => this.see(entries, wanted), { rootMargin: "100px" });
  }

  /** Keys of the pictures that are to be sent; undefined while none is known. */
  get shown() {
    return this.seen.size ? [...this.seen, ...this.lacking] : undefined;
  }

  /**
   * Versions of the pictures that are here, and of those that wait to be drawn, where they have some.
   * @param {any[]} waiting
   * @returns {Record<string, any>}
   */
  versions(waiting) {
    const versions = [...this.sent.values(), ...waiting].map(({ key, version }) => [key, version]);
    return Object.fromEntries(versions.filter(([, version]) => version));
  }

  /**
   * Draw what came.
   * @param {any[]} pictures
   * @param {string[] | undefined} keys of all that there are
   */
  show(pictures, keys) {
    for (const sent of pictures) {
      this.sent.set(sent.key, sent);
      const picture = this.pictureOf(sent);
      picture.root.classList.remove("old");
      this.renewed.add(sent.key);
      picture.show(this.chooseable(sent));
    }
    if (!keys) return;
    for (const key of [...this.pictures.keys()].filter((each) => !keys.includes(each))) this.remove(key);
    this.root.querySelectorAll(".pair:empty").forEach((pair) => pair.remove());
    this.lacking = keys.filter((key) => !this.pictures.has(key));
  }

  /** Dim what is still of the settings before; pictures with versions come anew only where they differ. */
  age() {
    for (const [key, { root }] of this.pictures)
      if (!this.renewed.has(key) && !this.sent.get(key).version) root.classList.add("old");
  }

  /** Put the cursors of pictures whose places are controls' where these are. */
  follow() {
    for (const [key, sent] of this.sent) if (sent.choose) this.pictures.get(key)?.show(this.chooseable(sent));
  }

  recolour() {
    for (const picture of this.pictures.values()) picture.recolour();
  }

  end() {
    this.watching.disconnect();
    for (const picture of this.pictures.values()) picture.remove();
  }

  /**
   * @param {IntersectionObserverEntry[]} entries
   * @param {() => void} wanted
   */
  see(entries, wanted) {
    for (const { target, isIntersecting } of entries) {
      const key = /** @type {HTMLElement} */ (target).dataset.base ?? "";
      this.seen[isIntersecting ? "add" : "delete"](key);
    }
    if (entries.some(({ isIntersecting }) => isIntersecting)) wanted();
  }

  /**
   * A picture as it is drawn: of one whose places are controls' the cursor is where these are.
   * @param {any} sent
   * @returns {Sent}
   */
  chooseable(sent) {
    const made = prepared(sent);
    if (!sent.choose) return made;
    const side = sent.side ?? 0;
    const choose = (/** @type {number} */ i, /** @type {number | undefined} */ row) =>
      this.chosen(side, settingsAt(sent, i, row));
    const { place = "", row } = sent.choose;
    /** @type {{cellName?: (i: number, row: number) => string}} */
    const named =
      row === place ? { cellName: (i, r) => `${sent.row_word} ${settingsAt(sent, i, r)[place]}` } : {};
    return { ...made, ...named, ...cursorOf(sent, this.settingsOf(side)), choose };
  }

  /** @param {Sent & {base?: string, order?: number, side?: number | null}} sent */
  pictureOf(sent) {
    const base = sent.base ?? sent.key;
    const paired = typeof sent.side === "number";
    const known = this.pictures.get(sent.key);
    const order = String(sent.order ?? (known ? known.root.style.order : this.pictures.size));
    const among = paired ? this.pairOf(base, order) : this.root;
    const made = known ?? new MovingPicture(among);
    made.root.style.order = paired ? String(sent.side) : order;
    if (known) return known;
    Object.assign(made.root.dataset, { base, key: sent.key });
    this.pictures.set(sent.key, made);
    this.watching.observe(made.root);
    return made;
  }

  /**
   * Where the pictures of two networks stand side by side.
   * @param {string} base
   * @param {string} order
   */
  pairOf(base, order) {
    /** @type {HTMLElement | null} */
    const known = this.root.querySelector(`.pair[data-pair="${CSS.escape(base)}"]`);
    const made = known ?? html("div", { class: "pair", "data-pair": base });
    made.style.order = order;
    if (!known) this.root.append(made);
    return made;
  }

  /** @param {string} key */
  remove(key) {
    const picture = /** @type {MovingPicture} */ (this.pictures.get(key));
    this.watching.unobserve(picture.root);
    picture.remove();
    this.pictures.delete(key);
    this.sent.delete(key);
  }
}
