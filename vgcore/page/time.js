// Pictures of a field of time over timesteps and steps. Needs explore.js.

/**
 * Every walk through time of every run: {run, i, walk: its name}.
 * @param {Run[]} runs
 */
function walksOf(runs) {
  return runs.flatMap((run, i) => Object.keys(run.walks).map((walk) => ({ run, i, walk })));
}

class ThroughTime {
  /** @param {Explorer} on that holds what is chosen */
  constructor(on) {
    this.on = on;
    const timed = walksOf(on.runs);
    const root = this.on.section("Through time");
    const controls = new Controls(root, () => this.on.draw());
    const walks = [...new Set(timed.map(({ walk }) => walk))];
    const fields = [...new Set(timed.flatMap(({ run, walk }) => Object.keys(run.walks[walk].fields)))];
    const longest = Math.max(...timed.map(({ run, walk }) => run.walks[walk].timesteps));
    Object.assign(on, { walk: walks[0], timeField: fields[0], time: longest - 1, timeMap: timed[0].i });
    controls.select(
      "Layer",
      walks.map((name) => [name, name]),
      (name) => {
        this.on.walk = name;
      },
    );
    controls.select(
      "Field",
      fields.map((name) => [name, this.on.titleOf(name)]),
      (name) => {
        this.on.timeField = name;
      },
    );
    const setStep = this.on.stepSlider(controls);
    const setTime = controls.slider(
      "Timestep",
      longest,
      (i) => {
        this.on.time = i;
      },
      (i) => `${i}`,
    );
    this.on.runChoice(controls, (i) => {
      this.on.timeMap = i;
    });
    const grid = html("div", { class: "grid-of-pictures" });
    root.append(grid);
    const [times, steps, map] = [1, 2, 3].map(() => new Picture(grid));
    this.draw = () => {
      setStep();
      setTime(this.on.time);
      times.show(this.overTimesteps());
      steps.show(this.atTimestep());
      map.show(this.mapOfTime());
    };
  }

  /** The walks that are shown: {run, look, walk, matrix, times: buckets of timesteps}. */
  walking() {
    return this.on.shownRuns().flatMap(({ run, look, i }) => {
      const walk = run.walks[this.on.walk];
      const matrix = walk?.fields[this.on.timeField];
      return matrix ? [{ run, look, i, walk, matrix, times: new Steps(walk) }] : [];
    });
  }

  /** @param {{times: Steps}[]} shown */
  timePlaces(shown) {
    const firsts = new Set(shown.flatMap(({ times }) => times.first));
    return [...firsts].sort((a, b) => a - b);
  }

  /** @returns {Spec} */
  overTimesteps() {
    const shown = this.walking();
    const places = this.timePlaces(shown);
    const single = this.on.runs.length < 2;
    const lines = shown.flatMap(({ run, look, walk, matrix, times }) => {
      const columns = new Map(times.first.map((first, c) => [first, c]));
      const of = (/** @type {number} */ bucket) =>
        matrix.line(places.length, (i) => {
          const column = columns.get(places[i]);
          return column === undefined ? -1 : bucket * matrix.columns + column;
        });
      const bucket = walk.steps.at(this.on.step);
      if (!single) return [{ name: run.name, look, ...of(bucket) }];
      const looks = ordered(3);
      const last = walk.steps.count - 1;
      return [...new Set([0, bucket, last])]
        .sort((a, b) => a - b)
        .map((each) => ({
          name: walk.steps.name(each),
          look: looks[each === bucket ? 1 : each === 0 ? 0 : 2],
          strong: each === bucket,
          ...of(each),
        }));
    });
    const at = new Steps({ first: places, last: places });
    return {
      ...this.on.spec(this.on.timeField),
      title: this.on.titleOf(this.on.timeField),
      note: `${this.on.walk}, over the timesteps, at step ${this.on.step.toLocaleString("en")}`,
      x: { values: places, label: "timestep" },
      lines,
      places: (i) => `timestep ${places[i]}`,
      chosen: at.at(this.on.time),
      choose: (i) => this.on.choose({ time: places[i] }),
    };
  }

  /** @returns {Spec} */
  atTimestep() {
    const shown = this.walking();
    const firsts = [...new Set(shown.flatMap(({ walk }) => walk.steps.first))].sort((a, b) => a - b);
    const single = this.on.runs.length < 2;
    const steps = single && shown.length ? shown[0].walk.steps : new Steps({ first: firsts, last: firsts });
    const lines = shown.map(({ run, look, walk, matrix, times }) => {
      const column = times.at(this.on.time);
      const rows = new Map(walk.steps.first.map((first, r) => [first, r]));
      const beyond = this.on.time >= walk.timesteps;
      const at = (/** @type {number} */ i) => {
        const row = rows.get(steps.first[i]);
        return beyond || row === undefined ? -1 : row * matrix.columns + column;
      };
      return {
        name: single ? `timestep ${this.on.time}` : run.name,
        look: single ? ordered(1)[0] : look,
        ...matrix.line(steps.count, at),
      };
    });
    return {
      ...this.on.spec(this.on.timeField),
      ...this.on.overSteps(steps),
      title: this.on.titleOf(this.on.timeField),
      note: `${this.on.walk}, over the steps, at timestep ${this.on.time}`,
      lines,
    };
  }

  /** @returns {Spec} */
  mapOfTime() {
    const run = this.on.runs[this.on.timeMap];
    const walk = run.walks[this.on.walk];
    const matrix = walk?.fields[this.on.timeField];
    const steps = walk?.steps ?? run.steps;
    const times = walk ? walk.first.map((_, i) => new Steps(walk).name(i).replace("step", "timestep")) : [];
    const at = new Steps(walk ?? { first: [], last: [] });
    return {
      ...this.on.spec(this.on.timeField),
      ...this.on.overSteps(steps),
      label: "timestep",
      title: this.on.titleOf(this.on.timeField),
      note: this.on.mapNote(`${this.on.walk}, over timesteps and steps`, run, matrix),
      rows: times.map((name) => name.replace("timestep ", "").replace(/ \(.*/, "")),
      value: (r, c) => matrix.shown(c * matrix.columns + r),
      absent: (r, c) => !matrix || matrix.isAbsent(c * matrix.columns + r),
      row: at.at(this.on.time),
      exact: matrix?.tally(matrix.counts.map((_, i) => i)),
      choose: (i, row) =>
        this.on.choose({
          step: this.on.nearestStep(steps.first[i]),
          time: walk.first[row ?? -1] ?? this.on.time,
        }),
    };
  }
}
