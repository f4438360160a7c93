// A slow link in a process of its own: a TCP proxy before one port of this machine that delays both directions and bounds
// the rate of each, for all connections together. `fork` it with the port, the delay of one way in ms and the rate in
// Mbit/s; it sends the port to dial.
//
//   1. A connection takes as long as SYN and SYN-ACK would: so long nothing is read, and the target is dialled when the
//      ACK would be there.
//   2. Each piece leaves the bottleneck when all before it have, and arrives a delay later.
//   3. What has been read and not delivered is bounded by the queue; beyond it nothing is read, so that the sender is held
//      back as by a router whose queue is full, but without loss. What the kernel's own buffers hold comes on top.
import { createServer, Socket } from 'node:net';

const [port, delayMs, megabits] = process.argv.slice(2).map(Number);
const bytesPerMs = (megabits * 1e6) / 8 / 1000;
/** Twice what is under way in one round trip. */
const QUEUE_BYTES = 2 * bytesPerMs * 2 * delayMs;

/** One direction of the link, shared by all connections. */
class Bottleneck {
  #freeAtMs = 0;

  /** When the last of so many bytes, offered now, arrives at the far end. */
  arrivalMs(byteLength) {
    this.#freeAtMs = Math.max(performance.now(), this.#freeAtMs) + byteLength / bytesPerMs;
    return this.#freeAtMs + delayMs;
  }
}

/** One direction of one connection. */
class Way {
  #from;
  #to;
  #bottleneck;
  /** In order of arrival; the last one has no bytes: the end. */
  #pieces = [];
  #queuedBytes = 0;
  #timer;
  /** The far end takes nothing at present, or is not connected yet. */
  #isHeldBack;

  constructor(from, to, bottleneck) {
    this.#from = from;
    this.#to = to;
    this.#bottleneck = bottleneck;
    this.#isHeldBack = to.pending;
    from.on('data', bytes => this.#take(bytes));
    from.on('end', () => this.#take(undefined));
    for (const event of ['connect', 'drain']) {
      to.on(event, () => {
        this.#isHeldBack = false;
        this.#deliver();
      });
    }
  }

  #take(bytes) {
    const byteLength = bytes?.length ?? 0;
    this.#pieces.push({ bytes, byteLength, arrivalMs: this.#bottleneck.arrivalMs(byteLength) });
    this.#queuedBytes += byteLength;
    if (this.#queuedBytes >= QUEUE_BYTES) this.#from.pause();
    if (this.#timer === undefined && !this.#isHeldBack) this.#deliver();
  }

  #deliver() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#pieces.length > 0 && !this.#isHeldBack) {
      const waitMs = this.#pieces[0].arrivalMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#deliver(), waitMs);
        return;
      }
      const { bytes, byteLength } = this.#pieces.shift();
      this.#queuedBytes -= byteLength;
      if (this.#queuedBytes < QUEUE_BYTES) this.#from.resume();
      if (bytes === undefined) this.#to.end();
      else this.#isHeldBack = !this.#to.write(bytes);
    }
  }
}

const up = new Bottleneck();
const down = new Bottleneck();

const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, client => {
  const target = new Socket({ allowHalfOpen: true, noDelay: true });
  new Way(client, target, up);
  new Way(target, client, down);
  // What breaks at one end breaks at the other, whatever is under way.
  client.on('error', () => target.destroy());
  target.on('error', () => client.destroy());
  setTimeout(() => client.resume(), 2 * delayMs);
  setTimeout(() => target.connect({ port, host: '127.0.0.1' }), 3 * delayMs);
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
process.on('disconnect', () => process.exit());
