// The controls of a live page: those of one network or of two, and the scenes that set them. Needs panel.js.

const SIDES = ["A", "B"];
const MANY_CONTROLS = 4; // of more, a narrow page begins with the pictures

/** @typedef {{name: string, title: string, lesson: string, begins: Settings[],
 *   moves: string}} Scene moves: whose controls the lesson has moved */

class Panels {
  /**
   * @param {Declared} page
   * @param {(side: number, names: string[]) => void} changed
   * @param {() => void} turned called when other controls are seen
   */
  constructor({ controls, compares, shared = [] }, changed, turned) {
    this.controls = controls;
    this.shared = shared;
    this.panels = SIDES.slice(0, compares ? 2 : 1).map(
      (_, i) => new Panel(controls, (name) => changed(i, [name])),
    );
    const turn = (/** @type {number} */ i) => {
      this.turnTo(i);
      turned();
    };
    this.tabs = SIDES.map((name, i) =>
      html(
        "button",
        { type: "button", role: "tab", "aria-controls": `network-${name}`, onclick: () => turn(i) },
        `Network ${name}`,
      ),
    );
    const onkeydown = (/** @type {KeyboardEvent} */ event) => {
      const i = ["ArrowLeft", "ArrowRight"].indexOf(event.key);
      if (i < 0) return;
      event.preventDefault();
      turn(i);
      this.tabs[i].focus();
    };
    this.tabbed = html("div", { class: "tabs", role: "tablist", hidden: true, onkeydown }, ...this.tabs);
    this.panels.forEach(({ root }, i) => {
      root.id = `network-${SIDES[i]}`;
    });
    const all = html("div", { class: "sidebar" }, this.tabbed, ...this.panels.map(({ root }) => root));
    const many = controls.filter((each) => !isFixed(each)).length > MANY_CONTROLS;
    const open = !(many && matchMedia("(max-width: 37rem)").matches);
    this.root = html(
      "details",
      { class: "folding", open, ontoggle: turned },
      html("summary", {}, "Settings"),
      all,
    );
    this.two = false;
    this.turnTo(0);
  }

  /** Show the controls of one network. @param {number} which */
  turnTo(which) {
    this.tabs.forEach((tab, i) => {
      tab.setAttribute("aria-selected", String(i === which));
      tab.tabIndex = i === which ? 0 : -1;
    });
    this.panels.forEach(({ root }, i) => {
      root.hidden = i !== which;
      if (this.two) root.setAttribute("role", "tabpanel");
      else root.removeAttribute("role");
    });
  }

  /** Have the controls of one network, or of two. @param {boolean} two @param {number} seen first */
  pair(two, seen) {
    this.two = two && this.panels.length > 1;
    this.tabbed.hidden = !this.two;
    this.turnTo(this.two ? seen : 0);
  }

  /** The values of the controls of each network. */
  get settings() {
    return this.panels.slice(0, this.two ? 2 : 1).map(({ values }) => values);
  }

  /** @param {Settings[]} settings of one network or two @param {number} seen of which controls are seen first */
  begin([first, second], seen) {
    this.panels[0].set(first);
    this.pair(Boolean(second), seen);
    if (!second || !this.two) return;
    this.panels[1].set(second);
    this.share(0, this.shared);
  }

  /**
   * Set some controls of one network.
   * @param {number} side
   * @param {Settings} settings
   */
  set(side, settings) {
    this.panels[side].set(settings);
    this.share(side, Object.keys(settings));
  }

  /**
   * Have both networks agree in what they share.
   * @param {number} side whose values count
   * @param {string[]} names that have changed
   */
  share(side, names) {
    const { values } = this.panels[side];
    const some = names.filter((name) => this.shared.includes(name)).map((name) => [name, values[name]]);
    for (const panel of this.panels) if (panel !== this.panels[side]) panel.set(Object.fromEntries(some));
  }

  /** @param {Record<string, Mark>[]} marks of the controls of each network */
  mark(marks) {
    marks.forEach((each, i) => this.panels[i]?.mark(each));
  }

  /** @param {Record<string, Limits>} ends that sliders have now */
  limit(ends) {
    this.panels[0].limit(ends);
  }

  /** Whether the controls of a network are seen. @param {number} side */
  sees(side) {
    return this.panels[side].root.checkVisibility();
  }

  /**
   * Say at its control what is wrong.
   * @param {string} message
   * @param {string} control
   * @param {number} side
   */
  complain(message, control, side) {
    this.panels.forEach((panel, i) => panel.complain(control && i === side ? message : "", control));
  }
}

/** The scenes to choose from, with the lesson of the one that is on. */
class Scenes {
  /**
   * @param {Scene[]} scenes
   * @param {(name: string) => void} enter
   */
  constructor(scenes, enter) {
    this.scenes = scenes;
    this.name = "";
    const options = scenes.map(({ name, title }) => html("option", { value: name }, title));
    this.chooser = html(
      "select",
      { "aria-label": "Scene", "data-name": "scene", onchange: () => enter(this.chooser.value) },
      html("option", { value: "" }, "of your own"),
      ...options,
    );
    this.lesson = html("p", { class: "lesson" });
    const label = html("label", { class: "scene" }, html("span", {}, "Scene"), this.chooser);
    this.root = html("div", { hidden: !scenes.length }, label, this.lesson);
  }

  /** Tell a scene's lesson. @param {string} name */
  tell(name) {
    const scene = this.scenes.find((each) => each.name === name);
    this.name = scene?.name ?? "";
    this.chooser.value = this.name;
    write(this.lesson, scene?.lesson ?? "");
    return scene;
  }

  /** The settings are no scene's any more; its lesson stays. */
  leave() {
    this.name = "";
  }
}
