import { type ConnectedLine, type OpenLineOptions, openLine } from '../../src/line/connect.ts';
import type { Line } from '../../src/line/line.ts';
import type { Listener, ListenerOptions, PairingAsked, RejectedLogin } from '../../src/line/listener.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { JsonObject } from '../../src/protocol/bytes/json.ts';
import { encodeJson } from '../../src/protocol/bytes/json.ts';
import { encodeFrame, FRAME } from '../../src/protocol/channels/frame.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import { memoryPair } from '../../src/transports/memory.ts';
import { MemoryDevices } from '../support/devices.ts';
import { loginOptions, makeListener } from '../support/lines.ts';
import { settingsFrame } from '../support/multiplexers.ts';
import { settled } from '../support/session-ends.ts';
import { Wire } from '../support/wire.ts';

/** A server with a list, whose time the test moves. */
export class Scene {
  readonly clock = new ManualClock();
  readonly list = new MemoryDevices();
  readonly rejected: RejectedLogin[] = [];
  readonly asked: PairingAsked[] = [];
  readonly faults: unknown[] = [];
  readonly lines: Line[] = [];
  readonly staticKey = nodeCrypto.generateKeyPair();
  listener!: Listener;

  static async open(options: Partial<ListenerOptions> = {}, isPairing = true): Promise<Scene> {
    const scene = new Scene();
    scene.listener = await makeListener({
      clock: scene.clock,
      devices: { list: scene.list, isPairing },
      allowed: ['read', 'chat'],
      onRejected: one => scene.rejected.push(one),
      onPairing: one => scene.asked.push(one),
      onFault: thrown => scene.faults.push(thrown),
      onLine: line => scene.lines.push(line),
      ...options,
    });
    return scene;
  }

  async dial(options: Partial<OpenLineOptions> = {}): Promise<ConnectedLine> {
    const [near, far] = memoryPair();
    this.listener.accept(far);
    const connected = await openLine(near, await loginOptions({ staticKey: this.staticKey, ...options }));
    await connected.line.ping();
    return connected;
  }

  /** By key alone. */
  dialByKey(options: Partial<OpenLineOptions> = {}): Promise<ConnectedLine> {
    return this.dial({ prs: undefined, checkServerKey() {}, ...options });
  }

  /** A client by hand that has logged in. */
  async wire(options: Parameters<typeof Wire.login>[2] = {}, source = 'memory'): Promise<Wire> {
    const wire = await Wire.login(this.listener, source, { staticKey: this.staticKey, ...options });
    await wire.sendFrames(settingsFrame({ credit: 4 * 1024 * 1024, lane_credit: 16 * 1024 * 1024 }));
    wire.frames();
    return wire;
  }

  async ended(promise: Promise<unknown>): Promise<void> {
    await settled();
    this.clock.advance(20_000);
    await promise;
  }
}

export function control(message: JsonObject): Uint8Array {
  return encodeFrame(FRAME.MSG, 0, encodeJson(message, 4096));
}

/** Control messages that were heard. */
export function answers(wire: Wire): JsonObject[] {
  return wire
    .frames()
    .filter(({ type, channel }) => type === FRAME.MSG && channel === 0)
    .map(({ payload }) => JSON.parse(Buffer.from(payload).toString()) as JsonObject);
}
