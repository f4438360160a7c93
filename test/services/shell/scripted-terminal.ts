import type { LineError } from '../../../src/errors.ts';
import type {
  AskingPeer,
  Terminal,
  TerminalEnd,
  TerminalRequest,
  TerminalSignal,
  TerminalSize,
  Terminals,
} from '../../../src/services/shell/terminal.ts';

/** A terminal whose process is the test. */
export class ScriptedTerminal implements Terminal {
  readonly ended: Promise<TerminalEnd>;
  readonly typed: Uint8Array[] = [];
  readonly sizes: TerminalSize[] = [];
  readonly signals: TerminalSignal[] = [];
  /** Holds what is typed back, as a program that does not read does. */
  takes: () => Promise<void> = async () => {};
  /** How many bytes of output were read. */
  readBytes = 0;
  readonly #output: Uint8Array[] = [];
  #isOver = false;
  #settle!: (end: TerminalEnd) => void;
  #waiting: (() => void)[] = [];

  constructor() {
    this.ended = new Promise(resolve => {
      this.#settle = resolve;
    });
  }

  /** Writes as its program would. */
  print(bytes: Uint8Array | string): void {
    this.#output.push(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes);
    this.#wake();
  }

  exit(end: TerminalEnd): void {
    this.#isOver = true;
    this.#settle(end);
    this.#wake();
  }

  /** Resolves when `isSo`, looked at whenever something happens to the terminal. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  get typedText(): string {
    return Buffer.concat(this.typed).toString();
  }

  async read(): Promise<Uint8Array | undefined> {
    await this.until(() => this.#output.length > 0 || this.#isOver);
    const bytes = this.#output.shift();
    this.readBytes += bytes?.length ?? 0;
    this.#wake();
    return bytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.typed.push(bytes);
    this.#wake();
    await this.takes();
  }

  resize(size: TerminalSize): void {
    this.sizes.push(size);
    this.#wake();
  }

  signal(name: TerminalSignal): void {
    this.signals.push(name);
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Gives scripted terminals and remembers who asked for what. */
export class ScriptedTerminals implements Terminals {
  readonly started: ScriptedTerminal[] = [];
  readonly requests: { readonly request: TerminalRequest; readonly asking: AskingPeer }[] = [];

  async start(request: TerminalRequest, asking: AskingPeer): Promise<Terminal> {
    this.requests.push({ request, asking });
    const terminal = new ScriptedTerminal();
    this.started.push(terminal);
    return terminal;
  }

  readonly refusals: string[] = [];

  async refused({ kind }: AskingPeer, { code }: LineError): Promise<void> {
    this.refusals.push(`${kind} ${code}`);
  }

  get last(): ScriptedTerminal {
    return this.started.at(-1)!;
  }
}
