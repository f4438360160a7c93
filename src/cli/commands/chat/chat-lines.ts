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
import { formatCount, formatSize, formatTimestamp } from '../../terminal/format.ts';
import { MAX_TRIES } from '../files/transfer/redial.ts';
import { inputLines } from './input-lines.ts';
import { isOwnPresence, type Membership } from './membership.ts';
import { dayAndTime } from './message-lines.ts';
import { parseGet, RoomTransfers } from './room-transfers.ts';

/**
 * A room for programs: each line of standard input is a message, each message a line of standard output; under `--json`
 * both are JSON. What is not acknowledged is bounded, and the input waits for it.
 */
export class ChatLines {
  readonly #context: CommandContext;
  readonly #membership: Membership;
  readonly #transfers: RoomTransfers;
  readonly #takesCommands: boolean;
  readonly #last: number;
  /** The passphrase may have been all of the input. */
  readonly #takesInput: boolean;
  #fulfilled = 0;
  #lastSentId = 0;
  #firstFailure: LineError | undefined;
  #shownId = 0;
  #whenShown: (() => void) | undefined;

  constructor(
    context: CommandContext,
    membership: Membership,
    options: { readonly last: number; readonly passwordFile?: string; readonly commands?: boolean },
  ) {
    this.#context = context;
    this.#membership = membership;
    this.#transfers = new RoomTransfers(membership, context.signal);
    this.#last = options.last;
    this.#takesCommands = options.commands === true;
    this.#takesInput = options.passwordFile !== '-';
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
    if (this.#fulfilled === 0) {
      // What helps with files that are served is no help with a line.
      this.#context.hint ??= '';
      throw this.#firstFailure;
    }
    this.#context.exitStatus = EXIT.partial;
  }

  // ── Input ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #sendAll(room: ChatRoom): Promise<void> {
    const underway = new Set<Promise<void>>();
    let at = 0;
    const input = this.#takesInput ? inputLines(process.stdin as AsyncIterable<Uint8Array>, MAX_LINE) : [];
    for await (const line of input) {
      at += 1;
      const wish = this.#decode(line, at);
      if (wish === 'quit') break;
      if (wish === undefined) continue;
      while (underway.size >= MAX_UNACKNOWLEDGED) await Promise.race(underway);
      const sending = this.#fulfil(room, wish, at).finally(() => underway.delete(sending));
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

  async #fulfil(room: ChatRoom, wish: Wish, line: number): Promise<void> {
    try {
      if ('get' in wish) await this.#get(wish.get, wish.as);
      else {
        const { id } = 'text' in wish ? await room.send(wish.text, wish) : await this.#transfers.send(wish.file);
        this.#lastSentId = Math.max(this.#lastSentId, id);
      }
      this.#fulfilled += 1;
    } catch (thrown) {
      this.#fail(line, thrown);
    }
  }

  async #get(id: number, as: string | undefined): Promise<void> {
    const { name, size, wasThere } = await this.#transfers.get(id, as);
    if (!this.#context.options.json) this.#context.note(`${escapeText(name)} ${wasThere ? 'was' : 'is'} here`);
    else await this.#tellStatus({ event: 'fetched', id, name, size });
  }

  /** `undefined` for nothing, and for what is told to be wrong. */
  #decode(line: string | undefined, lineNumber: number): Wish | 'quit' | undefined {
    if (line === undefined) {
      this.#fail(lineNumber, new LineError('USAGE', 'the line is too long for a message'));
      return undefined;
    }
    if (line.trim() === '') return undefined;
    try {
      return this.#context.options.json
        ? decodeWish(JSON.parse(line) as unknown)
        : parseWish(line, this.#takesCommands);
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
      else if (event.type === 'missed') await this.#tellMissed(event);
      else if (!isOwnPresence(event, room)) await this.#tellStatus(statusOf(event));
    }
  }

  /** History could not be read, so what came in between is not waited for either. */
  async #tellMissed(event: Extract<ChatEvent, { type: 'missed' }>): Promise<void> {
    if (this.#context.options.json) await this.#tellStatus(statusOf(event));
    else this.#context.note(`${formatCount(event.count)} messages were passed over`);
    this.#noteShown(event.before - 1);
  }

  async #show(message: ChatMessage, isOld: boolean): Promise<void> {
    if (this.#context.options.json) await this.#context.printJson(messageJson(message, isOld));
    else await this.#context.print(messageLine(message));
    this.#noteShown(message.id);
    this.#membership.room.seen(message.id);
  }

  #noteShown(id: number): void {
    this.#shownId = Math.max(this.#shownId, id);
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

/** What a line asks for: to say something, to put a file into the room, or to fetch one. */
type Wish =
  | (Omit<SendOptions, 'file'> & { readonly text: string })
  | { readonly file: string }
  | { readonly get: number; readonly as: string | undefined };

/**
 * A text, `bye` or `/quit`; if commands are taken also `/send FILE` and `/get N [NAME]`, which two slashes make texts again:
 * what is piped in may be written by others, and must not name files of this machine. Throws `USAGE`.
 */
function parseWish(line: string, takesCommands: boolean): Wish | 'quit' {
  const trimmed = line.trim();
  if (trimmed === 'bye' || trimmed === '/quit') return 'quit';
  const [, slashes, command, rest = ''] = (takesCommands && /^(\/\/?)(send|get)(?:\s+(.*))?$/.exec(line)) || [];
  if (command === undefined) return { text: line };
  if (slashes === '//') return { text: line.slice(1) };
  if (command === 'get') {
    const { id, name } = parseGet(rest.trim());
    return { get: id, as: name };
  }
  if (rest === '') throw new LineError('USAGE', 'which file? /send FILE');
  return { file: rest };
}

/** `{"text":…,"to"?:…,"action"?:true}`, `{"file":PATH}` or `{"get":N,"as"?:NAME}`; throws `USAGE`. */
function decodeWish(value: unknown): Wish {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const { text, to, action, file, get, as } = fields;
  if (file !== undefined) {
    if (typeof file !== 'string' || file === '') throw new LineError('USAGE', '"file" is a path');
    return { file };
  }
  if (get !== undefined) {
    if (!Number.isSafeInteger(get) || (get as number) < 1)
      throw new LineError('USAGE', '"get" is the number of a message');
    if (as !== undefined && typeof as !== 'string') throw new LineError('USAGE', '"as" is a name');
    return { get: get as number, as };
  }
  if (typeof text !== 'string' || text === '') throw new LineError('USAGE', 'a message needs a "text"');
  if (to !== undefined && typeof to !== 'string') throw new LineError('USAGE', '"to" is a name');
  if (action !== undefined && typeof action !== 'boolean') throw new LineError('USAGE', '"action" is true or false');
  return { text, to, action };
}

/** One line, whatever the text holds: line feeds come as `\n`, tabs as `\t`. */
export function messageLine({ id, timeMs, from, to, kind, text, file }: ChatMessage): string {
  const head = `${dayAndTime(timeMs)[1]} ${kind === 'text' ? '' : '* '}${escapeText(from)}`;
  const whom = to === undefined ? '' : ` -> ${escapeText(to)}`;
  if (file !== undefined)
    return `${head}${whom} puts ${escapeText(file.name)} here, ${formatSize(file.size)}: /get ${id}`;
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
