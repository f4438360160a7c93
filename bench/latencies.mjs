/** How long things took, by tenths of a millisecond: millions of them in little memory. */
export class Latencies {
  #counts = new Uint32Array(100_000);
  #total = 0;
  #worstMs = 0;

  add(ms) {
    this.#counts[Math.min(Math.floor(ms * 10), this.#counts.length - 1)] += 1;
    this.#total += 1;
    this.#worstMs = Math.max(this.#worstMs, ms);
  }

  summary() {
    return {
      p50: this.#percentile(0.5),
      p95: this.#percentile(0.95),
      p99: this.#percentile(0.99),
      worst: this.#worstMs,
    };
  }

  #percentile(share) {
    let left = this.#total * share;
    const at = this.#counts.findIndex(count => {
      left -= count;
      return left <= 0;
    });
    return at / 10;
  }
}
