// The loop of a live page: it asks for a frame when the one before has come, so that nothing ever queues up. Where
// an answer takes much longer than what is done for it, up to three are under way.

const MOST_UNDER_WAY = 3;
const RETRY = 500; // milliseconds after an answer that failed

/** @typedef {(params: object) => Promise<ArrayBuffer>} Step */

class Asking {
  /**
   * @param {Step} step
   * @param {() => object | null} next params of the next frame; null while none is wanted
   * @param {(frame: any, asked: number) => void} came is told of which request it is the answer
   * @param {(error: Error) => void} failed
   */
  constructor(step, next, came, failed) {
    this.step = step;
    this.next = next;
    this.came = came;
    this.failed = failed;
    this.asked = 0;
    this.underWay = 0;
    this.most = 1;
    this.going = true;
    this.timer = 0;
  }

  /** Ask, if a frame is wanted. @param {boolean} [urgent] whether it does not wait for those under way */
  pump(urgent = false) {
    while (this.going && !this.timer && this.underWay < this.most + Number(urgent)) {
      const params = this.next();
      if (!params) return;
      this.ask(params);
      urgent = false;
    }
  }

  /** @param {object} params */
  async ask(params) {
    const asked = ++this.asked;
    const begin = performance.now();
    this.underWay++;
    try {
      const frame = unpack(await this.step({ ...params, asked }));
      if (!this.going) return;
      this.settle(performance.now() - begin, 1000 * (frame.took ?? 0));
      this.came(frame, asked);
    } catch (error) {
      if (!this.going) return;
      this.failed(/** @type {Error} */ (error));
      this.timer ||= window.setTimeout(() => {
        this.timer = 0;
        this.pump();
      }, RETRY);
    } finally {
      this.underWay--;
    }
    this.pump();
  }

  /**
   * How many are to be under way: as many as keep whoever answers at work.
   * @param {number} round milliseconds from asking to the answer
   * @param {number} took of them for the work
   */
  settle(round, took) {
    const waits = Math.max(round / this.underWay - took, 0);
    const wanted = took > 0 && waits > 0.15 * took ? 1 + Math.ceil(waits / took) : 1;
    const most = Math.min(Math.max(wanted, this.underWay > 1 ? 2 : 1), MOST_UNDER_WAY);
    this.most = most > this.most ? this.most + 1 : Math.max(most, this.most - 1);
  }

  end() {
    this.going = false;
    clearTimeout(this.timer);
  }
}
