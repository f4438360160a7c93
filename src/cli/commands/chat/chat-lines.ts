import {
  type ChatEvent,
  type ChatMessage,
  type ChatRoom,
  fingerprint,
  type JoinedRoom,
  LineError,
  type SendOptions,
} from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { EXIT } from '../../exit-status.ts';
import { explainError } from '../../failure.ts';
import { escapeJson, escapeProse, escapeText } from '../../terminal/escape.ts';
import { formatSize, formatTimestamp } from '../../terminal/format.ts';
import { MAX_TRIES } from '../files/transfer/redial.ts';
import { inputLines } from './input-lines.ts';
import { isOwnPresence, type Membership } from './membership.ts';
import { dayAndTime } from './message-lines.ts';

/**
 * A room for programs: each line of standard input is a message, each message a line of standard output; under `--json`
 * both are JSON. What is not acknowledged is bounded, and the input waits for it.
 */
export class ChatLines {
  readonly #context: CommandContext;
  readonly #membership: Membership;
  readonly #last: number;
  /** The passphrase may have been all of the input. */
  readonly #takesInput: boolean;
  #sent = 0;
  #lastSentId = 0;
  #firstFailure: LineError | undefined;
  #shownId = 0;
  #whenShown: (() => void) | undefined;

  constructor(
    context: CommandContext,
    membership: Membership,
    { last, passwordFile }: { readonly last: number; readonly passwordFile?: string },
  ) {
    this.#context = context;
    this.#membership = membership;
    this.#last = last;
    this.#takesInput = passwordFile !== '-';
  }

  /** Resolves when the input has ended, all of it is acknowledged, and what it said has come out too. */
  async run(joined: JoinedRoom): Promise<void> {
    const { room } = this.#membership;
    const { name, seen, members, count } = joined;
    await this.#tellStatus({ event: 'joined', room: room.room, name, seen, members, count });
    const kept = this.#membership.keep({
      onLost: (error, attempt, waitMs) => this.#tellLost(error, attempt, waitMs),
      onBack: ({ head }) => this.#tellBack(head),
    });
    const failed = Promise.race([aborted(this.#context.signal), failureOf(kept)]);
    await Promise.race([this.#showPast(room, joined), failed]);
    const shown = this.#showAll(room);
    await Promise.race([this.#sendAll(room), failed, failureOf(shown)]);
    await Promise.all([this.#membership.leave(), shown]);
    if (this.#firstFailure === undefined) return;
    if (this.#sent === 0) throw this.#firstFailure;
    this.#context.exitStatus = EXIT.partial;
  }

  // ── Input ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #sendAll(room: ChatRoom): Promise<void> {
    const underway = new Set<Promise<void>>();
    let at = 0;
    const input = this.#takesInput ? inputLines(process.stdin as AsyncIterable<Uint8Array>, MAX_LINE) : [];
    for await (const line of input) {
      at += 1;
      const said = this.#decode(line, at);
      if (said === 'quit') break;
      if (said === undefined) continue;
      while (underway.size >= MAX_UNACKNOWLEDGED) await Promise.race(underway);
      const sending = this.#send(room, said, at).finally(() => underway.delete(sending));
      underway.add(sending);
    }
    // Nobody is there any more who would say that it takes too long.
    this.#membership.maxTries = MAX_TRIES;
    await Promise.all(underway);
    while (this.#shownId < this.#lastSentId) {
      await new Promise<void>(resolve => {
        this.#whenShown = resolve;
      });
    }
  }

  async #send(room: ChatRoom, said: Said, line: number): Promise<void> {
    try {
      const { id } = await room.send(said.text, said);
      this.#sent += 1;
      this.#lastSentId = Math.max(this.#lastSentId, id);
    } catch (thrown) {
      this.#fail(line, thrown);
    }
  }

  /** `undefined` for nothing, and for what is told to be wrong. */
  #decode(line: string | undefined, lineNumber: number): Said | 'quit' | undefined {
    if (line === undefined) {
      this.#fail(lineNumber, new LineError('USAGE', 'the line is too long for a message'));
      return undefined;
    }
    if (line.trim() === '') return undefined;
    if (!this.#context.options.json) return ['bye', '/quit'].includes(line.trim()) ? 'quit' : { text: line };
    try {
      return decodeSaid(JSON.parse(line) as unknown);
    } catch (thrown) {
      this.#fail(lineNumber, thrown instanceof LineError ? thrown : new LineError('USAGE', 'the line is no JSON'));
      return undefined;
    }
  }

  #fail(line: number, thrown: unknown): void {
    if (!(thrown instanceof LineError)) throw thrown;
    this.#firstFailure ??= thrown;
    const message = explainError(thrown);
    if (this.#context.options.json) this.#context.tell(escapeJson({ type: 'error', code: thrown.code, message, line }));
    else this.#context.tell(`postern: line ${line}: ${message}`);
  }

  // ── Output ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #showPast(room: ChatRoom, joined: JoinedRoom): Promise<void> {
    for await (const message of this.#membership.past(room, joined, this.#last)) await this.#show(message, true);
  }

  async #showAll(room: ChatRoom): Promise<void> {
    for await (const event of room) {
      if (event.type === 'message') await this.#show(event.message, event.isOld);
      else if (!isOwnPresence(event, room)) await this.#tellStatus(statusOf(event));
    }
  }

  async #show(message: ChatMessage, isOld: boolean): Promise<void> {
    if (this.#context.options.json) await this.#context.printJson(messageJson(message, isOld));
    else await this.#context.print(messageLine(message));
    this.#shownId = Math.max(this.#shownId, message.id);
    this.#membership.room.seen(message.id);
    this.#whenShown?.();
  }

  /** Who comes and goes is for programs that ask for all, and for `-v`. */
  async #tellStatus(status: RoomStatus): Promise<void> {
    const time = formatTimestamp(Date.now());
    if (this.#context.options.json) await this.#context.printJson({ type: 'status', time, ...status });
    else this.#context.detail(`${status.name ?? status.from} ${status.event}`);
  }

  #tellBack(head: number): void {
    // A server that has forgotten what it stored does not tell it any more.
    this.#lastSentId = Math.min(this.#lastSentId, head);
    this.#whenShown?.();
    this.#context.detail('connected again');
  }

  #tellLost({ code }: LineError, attempt: number, waitMs: number): void {
    if (this.#context.options.quiet) return;
    if (!this.#context.options.json) {
      if (attempt === 1) this.#context.note('connection lost, trying again (hint: --no-retry)');
      return;
    }
    const time = formatTimestamp(Date.now());
    const event = { type: 'status', time, event: 'redial', code, attempt, wait_ms: Math.round(waitMs) };
    this.#context.tell(escapeJson(event));
  }
}

interface Said extends SendOptions {
  readonly text: string;
}

/** `{"text":…,"to"?:…,"action"?:true}`; throws `USAGE`. */
function decodeSaid(value: unknown): Said {
  const { text, to, action } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof text !== 'string' || text === '') throw new LineError('USAGE', 'a message needs a "text"');
  if (to !== undefined && typeof to !== 'string') throw new LineError('USAGE', '"to" is a name');
  if (action !== undefined && typeof action !== 'boolean') throw new LineError('USAGE', '"action" is true or false');
  return { text, to, action };
}

/** One line, whatever the text holds: line feeds come as `\n`, tabs as `\t`. */
export function messageLine({ timeMs, from, to, kind, text, file }: ChatMessage): string {
  const head = `${dayAndTime(timeMs)[1]} ${kind === 'text' ? '' : '* '}${escapeText(from)}`;
  const whom = to === undefined ? '' : ` -> ${escapeText(to)}`;
  if (file !== undefined) return `${head}${whom} puts ${escapeText(file.name)} here, ${formatSize(file.size)}`;
  return `${head}${whom}${kind === 'text' ? ':' : ''} ${escapeProse(text)}`;
}

function messageJson({ id, timeMs, from, device, kind, text, to, file }: ChatMessage, isOld: boolean): object {
  const time = formatTimestamp(timeMs);
  return { type: 'message', id, time, from, device: fingerprint(device), kind, text, to, file, old: isOld };
}

/** `joined`, `came`, `left` or `renamed`, and to whom it happened. */
interface RoomStatus extends Readonly<Record<string, unknown>> {
  readonly event: string;
  readonly name?: string;
  readonly from?: string;
}

function statusOf(event: Exclude<ChatEvent, { type: 'message' }>): RoomStatus {
  const { type, ...fields } = event;
  return { event: type, ...fields };
}

/** Rejects if `work` fails; else it never settles. */
function failureOf(work: Promise<void>): Promise<never> {
  return work.then(() => new Promise<never>(() => {}));
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

/** Any message fits, JSON with every character as an escape too. */
const MAX_LINE = 64 * 1024;
/** Enough for the server to store many at once. */
const MAX_UNACKNOWLEDGED = 64;
