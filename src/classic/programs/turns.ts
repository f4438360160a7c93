/** One person, and several who want to talk: each has the person alone, in the order in which they came. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `talk` when all before it have ended, however they did. */
  take<T>(talk: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(talk);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
