import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { LineError } from '../../../src/errors.ts';
import { isLineLost } from '../../../src/line/lost.ts';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import type { JsonObject } from '../../../src/protocol/bytes/json.ts';
import type { Permission } from '../../../src/services/permission.ts';
import { openShell } from '../../../src/services/shell/remote-terminal.ts';
import { type ShellHost, shellHost } from '../../../src/services/shell/shell-host.ts';
import type { MemoryOptions } from '../../../src/transports/memory.ts';
import { seeded } from '../../support/bytes.ts';
import { code } from '../files/served.ts';
import { REQUEST, textOf } from '../shell/scene.ts';
import { ScriptedTerminals } from '../shell/scripted-terminal.ts';
import { type JoinedAgent, Machines, type Operator, type ServeOptions } from './machines.ts';

const scenes: Scene[] = [];

afterEach(async () => {
  await Promise.all(scenes.splice(0).map(scene => scene.end()));
});

async function begin(options: SceneOptions = {}): Promise<Scene> {
  const scene = await Scene.begin(options);
  scenes.push(scene);
  return scene;
}

interface SceneOptions {
  /** What the agent permits. */
  readonly allow?: readonly Permission[];
  /** Of the server. */
  readonly serving?: ServeOptions;
}

/** An agent with scripted terminals, and an operator that finds the way to it again as the command does. */
class Scene {
  readonly machines: Machines;
  readonly terminals = new ScriptedTerminals();
  readonly host: ShellHost;
  readonly agentKey = nodeCrypto.generateKeyPair();
  readonly operatorKey = nodeCrypto.generateKeyPair();
  /** What each channel to the agent ended with. */
  readonly ends: string[] = [];
  readonly #allow: readonly Permission[];
  agent!: JoinedAgent;
  operator!: Operator;
  isOperatorLost = false;

  private constructor(machines: Machines, allow: readonly Permission[]) {
    this.machines = machines;
    this.#allow = allow;
    this.host = shellHost(this.terminals, { randomBytes: length => nodeCrypto.randomBytes(length) });
  }

  static async begin({ allow = ['shell', 'exec'], serving }: SceneOptions): Promise<Scene> {
    const scene = new Scene(await Machines.serve(serving), allow);
    await scene.join();
    await scene.dial();
    return scene;
  }

  /** The agent dials in, for the first time or again, over a line that breaks after so many bytes. */
  async join(breakAfter?: number): Promise<void> {
    const { memory, armed } = breakable(breakAfter);
    this.agent = await this.machines.agent('web1', {
      services: [this.host],
      allow: this.#allow,
      dialling: { staticKey: this.agentKey },
      onReached: ({ kind, error }) => this.ends.push(`${kind} ${error?.code}`),
      memory,
    });
    armed();
  }

  async dial(breakAfter?: number): Promise<void> {
    const { memory, armed } = breakable(breakAfter);
    this.operator = await this.machines.operator(undefined, { staticKey: this.operatorKey }, memory);
    this.isOperatorLost = false;
    const { line } = this.operator;
    void line.closed.then(() => {
      this.isOperatorLost ||= this.operator.line === line;
    });
    armed();
  }

  /** Has the agent dial in again whenever its line is lost, over lines that break after so many bytes, the last ones not. */
  stay(breaks: readonly number[]): { stop(): void } {
    const left = [...breaks];
    let isOver = false;
    void (async () => {
      for (;;) {
        await this.agent.membership.left;
        if (isOver) return;
        await this.join(left.shift());
      }
    })();
    return {
      stop: () => {
        isOver = true;
      },
    };
  }

  async end(): Promise<void> {
    await this.machines.end();
    for (const terminal of this.terminals.started) terminal.exit({ status: 0 });
    await this.host.close();
  }
}

/** A connection that breaks so many bytes, of both directions together, after it was `armed`; without a number never. */
function breakable(breakAfter = Number.POSITIVE_INFINITY): { memory: MemoryOptions; armed: () => void } {
  let left = Number.POSITIVE_INFINITY;
  return {
    memory: {
      tamper: bytes => {
        left -= bytes.length;
        return left < 0 ? undefined : bytes;
      },
    },
    armed: () => {
      left = breakAfter;
    },
  };
}

/** Bytes of which each tells where it stands, near enough: a piece that is lost, doubled or swapped shows. */
function numbered(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at ^ (at >> 8) ^ (at >> 16) ^ (at >> 5)) & 0xff);
}

const totalBytes = (parts: readonly Uint8Array[]) => parts.reduce((sum, { length }) => sum + length, 0);

describe('a terminal of an agent', () => {
  it('is opened in the name of the operator, whose device the server tells', async () => {
    const scene = await begin();
    const terminal = await openShell(await scene.operator.to('web1'), REQUEST);
    const { asking } = scene.terminals.requests[0]!;
    expect(asking.kind).toBe('shell.open');
    expect(Buffer.from(asking.key).equals(scene.operatorKey.publicKey)).toBe(true);
    await terminal.write(Buffer.from('ls\r'));
    await scene.terminals.last.until(() => scene.terminals.last.typedText === 'ls\r');
    scene.terminals.last.print('a  b');
    scene.terminals.last.exit({ status: 3 });
    expect(await textOf(terminal.output)).toBe('a  b');
    expect(await terminal.wait()).toEqual({ status: 3 });
    await expect.poll(() => scene.ends).toEqual(['shell.open undefined']);
  });

  it('R-A8 needs the permission at the agent, and agents at the server', async () => {
    const scene = await begin({ allow: ['exec'] });
    const route = await scene.operator.to('web1');
    await expect(openShell(route, REQUEST)).rejects.toEqual(code('FORBIDDEN'));
    expect(scene.terminals.refusals).toEqual(['shell.open FORBIDDEN']);
    const other = await begin({ allow: ['shell'] });
    const command = { ...REQUEST, command: { shell: 'id' } };
    await expect(openShell(await other.operator.to('web1'), command)).rejects.toEqual(code('FORBIDDEN'));
    expect([...scene.terminals.started, ...other.terminals.started]).toEqual([]);

    const closed = await Machines.serve({ allow: ['read', 'exec', 'shell'] });
    const { line } = await closed.operator();
    const reached = line.open('agents.reach', { name: 'web1', open: { kind: 'shell.open' }, secret: '' });
    await expect(reached.readMessage()).rejects.toEqual(code('FORBIDDEN'));
    await closed.end();
  });

  it('goes on when the line of the operator is cut, and the agent is told that it was lost', async () => {
    const scene = await begin();
    const terminal = await openShell(await scene.operator.to('web1'), REQUEST, {
      redial: async error => {
        expect(isLineLost(error)).toBe(true);
        await scene.dial();
        return scene.operator.to('web1');
      },
    });
    const program = scene.terminals.last;
    program.print('before ');
    scene.operator.transport.break();
    await expect.poll(() => scene.ends).toEqual(['shell.open TRUNCATED']);
    program.print('after');
    await terminal.write(Buffer.from('x'));
    await program.until(() => program.typedText === 'x');
    program.exit({ status: 5 });
    expect(await textOf(terminal.output)).toBe('before after');
    expect(await terminal.wait()).toEqual({ status: 5 });
    expect(program.signals).toEqual([]);
  });

  it('goes on when the line of the agent is cut, once that has dialled in again', async () => {
    const scene = await begin();
    const errors: string[] = [];
    const terminal = await openShell(await scene.operator.to('web1'), REQUEST, {
      redial: async error => {
        errors.push(error.code);
        // While it is away, the server that is asked for it says so, and that is no other end than a lost line.
        const away = await scene.operator.to('web1').catch((thrown: unknown) => thrown);
        expect(isLineLost(away)).toBe(true);
        expect(away).toEqual(code('UNREACHABLE'));
        await scene.join();
        return scene.operator.to('web1');
      },
    });
    const program = scene.terminals.last;
    scene.agent.transport.break();
    program.print('went on');
    await program.until(() => program.readBytes === 7);
    program.exit({ status: 0 });
    expect(await textOf(terminal.output)).toBe('went on');
    expect(errors).toEqual(['TRUNCATED']);
    expect(program.signals).toEqual([]);
  });

  it('goes on when the agent takes a new line and the server was told nothing of the end of the old one', async () => {
    const scene = await begin();
    let redials = 0;
    const terminal = await openShell(await scene.operator.to('web1'), REQUEST, {
      redial: async () => {
        redials += 1;
        return scene.operator.to('web1');
      },
    });
    const former = scene.agent;
    former.transport.pause();
    await scene.join();
    const program = scene.terminals.last;
    program.print('here');
    program.exit({ status: 0 });
    expect(await textOf(terminal.output)).toBe('here');
    expect(redials).toBe(1);
    former.transport.resume();
  });

  it('is hung up when the operator leaves, or its program ends the line with CANCELLED', async () => {
    const scene = await begin();
    const left = await openShell(await scene.operator.to('web1'), REQUEST);
    const first = scene.terminals.last;
    left.close();
    await first.until(() => first.signals[0] === 'SIGHUP');
    await openShell(await scene.operator.to('web1'), REQUEST);
    const second = scene.terminals.last;
    scene.operator.line.abort(new LineError('CANCELLED', ''));
    await second.until(() => second.signals[0] === 'SIGHUP');
  });

  it('tells whoever looks at it that it was hung up, before the agent goes', async () => {
    const scene = await begin();
    const terminal = await openShell(await scene.operator.to('web1'), REQUEST);
    const program = scene.terminals.last;
    const closing = scene.host.close();
    await program.until(() => program.signals[0] === 'SIGHUP');
    program.exit({ signal: 'SIGHUP' });
    await closing;
    scene.agent.membership.leave();
    expect(await terminal.wait()).toEqual({ signal: 'SIGHUP' });
  });

  it('R-A8 is not returned to by another device that knows its number', async () => {
    const scene = await begin();
    const attached: JsonObject[] = [];
    const terminal = await openShell(await scene.operator.to('web1'), REQUEST, {
      redial: async () => {
        await scene.dial();
        const route = await scene.operator.to('web1');
        return {
          open: (kind, request = {}) => {
            attached.push({ kind, ...request });
            return route.open(kind, request);
          },
        };
      },
    });
    scene.operator.transport.break();
    const program = scene.terminals.last;
    program.print('secret');
    await program.until(() => program.readBytes === 6 && program.sizes.length > 0);
    expect(attached).toEqual([{ kind: 'shell.attach', session: expect.any(String), received: expect.any(Number) }]);
    const { kind, ...request } = attached[0]!;
    const stranger = await scene.machines.operator();
    const theirs = (await stranger.to('web1')).open(kind as string, request);
    await expect(theirs.readMessage()).rejects.toEqual(code('NOT_FOUND'));
    program.exit({ status: 0 });
    expect(await textOf(terminal.output)).toBe('secret');
  });
});

describe('what goes through a terminal of an agent', () => {
  const piece = fc.integer({ min: 1, max: 60_000 });
  // How far each line goes once it is logged in, from in the middle of the first message on.
  const breaks = fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 4 });
  const scenario = fc.record({
    output: fc.array(piece, { maxLength: 12 }),
    input: fc.array(piece, { maxLength: 6 }),
    operatorBreaks: breaks,
    agentBreaks: breaks,
    seed: fc.integer(),
  });

  it('arrives once and in order, in both directions, wherever either line breaks', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ output, input, operatorBreaks, agentBreaks, seed }) => {
        const chance = seeded(seed);
        const sometimes = async (): Promise<void> => {
          if (chance() < 0.3) await new Promise(resolve => setImmediate(resolve));
        };
        const scene = await Scene.begin({});
        const staying = scene.stay(agentBreaks);
        const left = [...operatorBreaks];
        const terminal = await openShell(await scene.operator.to('web1'), REQUEST, {
          redial: async () => {
            for (;;) {
              try {
                if (scene.isOperatorLost) await scene.dial(left.shift());
                return await scene.operator.to('web1');
              } catch (thrown) {
                if (!isLineLost(thrown)) throw thrown;
                await new Promise(resolve => setImmediate(resolve));
              }
            }
          },
        });
        const program = scene.terminals.last;
        program.takes = sometimes;
        const wholeOutput = numbered(output.reduce((sum, length) => sum + length, 0));
        const wholeInput = numbered(input.reduce((sum, length) => sum + length, 0));
        const printing = (async () => {
          for (let at = 0, next = 0; next < output.length; next++) {
            program.print(wholeOutput.slice(at, at + output[next]!));
            at += output[next]!;
            await sometimes();
          }
        })();
        const typing = (async () => {
          for (let at = 0, next = 0; next < input.length; next++) {
            await terminal.write(wholeInput.slice(at, at + input[next]!));
            at += input[next]!;
            await sometimes();
          }
          await program.until(() => totalBytes(program.typed) === wholeInput.length);
        })();
        if (operatorBreaks.length > 0) scene.operator.transport.break();
        if (agentBreaks.length > 0) scene.agent.transport.break();
        const received: Uint8Array[] = [];
        const reading = (async () => {
          for await (const bytes of terminal.output) {
            received.push(bytes);
            await sometimes();
          }
        })();
        await Promise.all([printing, typing]);
        program.exit({ status: 7 });

        expect(await terminal.wait()).toEqual({ status: 7 });
        await reading;
        expect(Buffer.compare(Buffer.concat(received), wholeOutput)).toBe(0);
        expect(Buffer.compare(Buffer.concat(program.typed), wholeInput)).toBe(0);
        expect(program.signals).toEqual([]);
        expect(scene.machines.faults).toEqual([]);
        staying.stop();
        await scene.end();
      }),
      { numRuns: process.env['POSTERN_SOAK'] === '1' ? 300 : 20 },
    );
  });
});
