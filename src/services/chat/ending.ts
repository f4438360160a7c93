/** Something that ends once, and who waits for it. */
export class Ending<Outcome> {
  readonly promise: Promise<Outcome>;
  isSettled = false;
  #resolve!: (outcome: Outcome) => void;

  constructor() {
    this.promise = new Promise(resolve => {
      this.#resolve = resolve;
    });
  }

  settle(outcome: Outcome): void {
    this.isSettled = true;
    this.#resolve(outcome);
  }
}
