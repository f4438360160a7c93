import type { CommandContext } from '../../context.ts';
import { OutputFilter } from '../../terminal/output-filter.ts';

/** Where what one machine prints goes. Text comes in pieces; each waits until it has been taken. */
export interface MachineOutput {
  text(stream: Stream, text: string): Promise<void>;
  /** It is over there; `failure` says why it did not succeed. */
  end(failure: string | undefined): Promise<void>;
}

export type Stream = 'stdout' | 'stderr';

/** Each line behind the name of its machine, as it comes, on the output that it was printed to. */
export class PrefixedOutput {
  readonly #context: CommandContext;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  machine(name: string): MachineOutput {
    const begun: Record<Stream, string> = { stdout: '', stderr: '' };
    return {
      text: async (stream, text) => {
        const lines = (begun[stream] + text).split('\n');
        begun[stream] = lines.pop()!;
        for (const line of lines) await write(this.#context, stream, `${name}: ${line}`);
        if (begun[stream].length <= MAX_LINE_LENGTH) return;
        // A line without an end is cut, so that it does not fill the memory.
        await write(this.#context, stream, `${name}: ${begun[stream]}`);
        begun[stream] = '';
      },
      end: async () => {
        for (const stream of ['stdout', 'stderr'] as const) {
          if (begun[stream] !== '') await write(this.#context, stream, `${name}: ${begun[stream]}`);
        }
      },
    };
  }

  async end(): Promise<void> {}
}

/** When all are over: what each printed, once for all that printed the same and ended the same. */
export class GroupedOutput {
  readonly #context: CommandContext;
  readonly #groups = new Map<string, Group>();
  #leftLength = MAX_ALL_GROUPED_LENGTH;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  machine(name: string): MachineOutput {
    const printed: Record<Stream, string> = { stdout: '', stderr: '' };
    let isCut = false;
    return {
      text: async (stream, text) => {
        const room = Math.min(MAX_GROUPED_LENGTH - printed[stream].length, this.#leftLength);
        this.#leftLength -= Math.min(room, text.length);
        printed[stream] += text.slice(0, room);
        isCut ||= text.length > room;
      },
      end: async failure => {
        const key = JSON.stringify([printed, isCut, failure]);
        const known = this.#groups.get(key);
        known?.names.push(name);
        // What is held once already takes no more room.
        if (known !== undefined) this.#leftLength += printed.stdout.length + printed.stderr.length;
        else this.#groups.set(key, { ...printed, isCut, failure, names: [name] });
      },
    };
  }

  async end(): Promise<void> {
    for (const { names, stdout, stderr, isCut, failure } of this.#groups.values()) {
      await write(this.#context, 'stdout', `${names.sort().join(', ')}:`);
      for (const [stream, text] of [['stdout', stdout] as const, ['stderr', stderr] as const]) {
        if (text !== '') await write(this.#context, stream, text.replace(/\n$/, ''));
      }
      if (isCut) this.#context.tell('postern: there was more, which is left out');
      if (failure !== undefined) this.#context.tell(`postern: ${failure}`);
    }
  }
}

interface Group {
  readonly stdout: string;
  readonly stderr: string;
  readonly isCut: boolean;
  readonly failure: string | undefined;
  readonly names: string[];
}

/** For programs: one JSON line for each piece. */
export class OutputEvents {
  readonly #context: CommandContext;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  machine(name: string): MachineOutput {
    return {
      text: async (stream, data) => {
        if (data !== '') await this.#context.printJson({ type: 'output', machine: name, stream, data });
      },
      end: async failure => {
        await this.#context.printJson({
          type: 'item',
          machine: name,
          outcome: failure === undefined ? 'done' : 'failed',
        });
      },
    };
  }

  async end(): Promise<void> {}
}

/** One line, or several of one machine. A terminal is shown nothing that it would obey (R-X1). */
function write(context: CommandContext, stream: Stream, text: string): Promise<void> {
  const filter = context[stream].terminal ? new OutputFilter() : undefined;
  const shown = filter === undefined ? text : filter.filter(text) + filter.end();
  if (stream === 'stdout') return context.print(shown);
  return new Promise(resolve => {
    process.stderr.write(`${shown}\n`, () => resolve());
  });
}

const MAX_LINE_LENGTH = 65_536;
/** Of each output of a machine. */
const MAX_GROUPED_LENGTH = 262_144;
/** Of all machines together. */
const MAX_ALL_GROUPED_LENGTH = 64 * 1024 * 1024;
