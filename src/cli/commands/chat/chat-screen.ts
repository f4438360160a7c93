import type { ReadStream, WriteStream } from 'node:tty';
import {
  type ChatEvent,
  type ChatMessage,
  type ChatRoom,
  type JoinedRoom,
  type Line,
  LineError,
  systemClock,
} from '../../../node/index.ts';
import { MAX_CHAT_TEXT_BYTES } from '../../../protocol/limits.ts';
import type { CommandContext } from '../../context.ts';
import { explainError } from '../../failure.ts';
import { InputScreen } from '../../input/input-screen.ts';
import { type Key, KeyDecoder } from '../../input/key-decoder.ts';
import { LineEditor } from '../../input/line-editor.ts';
import { escapeText } from '../../terminal/escape.ts';
import { formatCount } from '../../terminal/format.ts';
import { completeWord } from './completion.ts';
import { isOwnPresence, type Membership } from './membership.ts';
import { MessageLines } from './message-lines.ts';
import { progressText, RoomTransfers } from './room-transfers.ts';
import { type Entry, findCommand, parseEntry, SLASH_COMMANDS, type Talk } from './slash-commands.ts';

/** A room on this terminal, until whoever sits there leaves. The terminal is given back as it was, however that ends. */
export class ChatScreen implements Talk {
  readonly lines: MessageLines;
  readonly transfers: RoomTransfers;
  readonly #context: CommandContext;
  readonly #membership: Membership;
  readonly #last: number;
  readonly #input: ReadStream = process.stdin;
  readonly #output: WriteStream = process.stdout;
  readonly #screen: InputScreen;
  readonly #editor = new LineEditor(MAX_CHAT_TEXT_BYTES);
  readonly #decoder = new KeyDecoder(systemClock, key => this.#pressed(key));
  readonly #names = new Set<string>();
  /** The messages that were shown last, oldest first. */
  #shown: { readonly id: number; readonly timeMs: number }[] = [];
  #firstShown: number | undefined;
  /** Messages that are not acknowledged. */
  #unsent = 0;
  /** How far a file is. */
  #transfer: string | undefined;
  /** Files are not waited for when one leaves. */
  readonly #stop = new AbortController();
  #isLost = false;
  #terminal: 'ours' | 'lent' | 'given back' = 'lent';
  #end: { resolve: () => void; reject: (thrown: unknown) => void } | undefined;
  readonly #typed = (bytes: Uint8Array): void => this.#decoder.feed(bytes);
  readonly #resized = (): void => this.#screen.resized();
  readonly #leave = (): void => this.#leaveTerminal();
  readonly #hungUp = (): void => this.quit();

  constructor(context: CommandContext, membership: Membership, last: number) {
    const style = context.stdout;
    const { colors } = style;
    const columns = (): number => style.columns();
    const rows = (): number => style.rows();
    this.#context = context;
    this.#membership = membership;
    this.#last = last;
    this.lines = new MessageLines(colors, columns);
    this.transfers = new RoomTransfers(membership, this.#stop.signal, progress => {
      this.#transfer = progress && progressText(progress, escapeText(progress.name));
      this.#showStatus();
    });
    this.#screen = new InputScreen(
      { write: (text, taken) => this.#output.write(text, taken), columns, rows, dim: colors.dim },
      systemClock,
      () => ({ prompt: `${colors.bold(escapeText(this.room.room))}> `, ...this.#draft() }),
    );
  }

  /** Resolves when whoever sits here has left; throws what ends it otherwise. */
  async run(joined: JoinedRoom): Promise<void> {
    const ended = new Promise<void>((resolve, reject) => {
      this.#end = { resolve, reject };
    });
    this.#context.signal.addEventListener('abort', () => this.quit(), { once: true });
    this.#enterTerminal();
    this.#context.onClose(this.#leave);
    this.#context.display = { print: line => this.#screen.print(line), pause: () => {}, resume: () => {} };
    const kept = this.#membership.keep({
      onLost: () => this.#setLost(true),
      onBack: () => this.#setLost(false),
    });
    kept.catch(thrown => this.#end?.reject(thrown));
    this.#follow(this.room, joined);
    try {
      await ended;
    } finally {
      this.#stop.abort();
      this.#leaveTerminal();
      this.#context.display = undefined;
      this.#tellUnsent();
    }
  }

  /** Leaving waits for what is on its way, but for no other line. */
  #tellUnsent(): void {
    if (this.#unsent === 0) return;
    if (this.#isLost)
      this.#context.tell(`${formatCount(this.#unsent)} ${this.#unsent === 1 ? 'message' : 'messages'} not sent`);
    else this.#context.note('sending what was typed last…');
  }

  // ── For commands ────────────────────────────────────────────────────────────────────────────────────────────────

  get room(): ChatRoom {
    return this.#membership.room;
  }

  get line(): Line {
    return this.#membership.line;
  }

  get names(): Iterable<string> {
    return this.#names;
  }

  get lastShown(): number {
    return this.#shown.at(-1)?.id ?? 0;
  }

  timeOf(id: number): number | undefined {
    return this.#shown.findLast(message => message.id <= id)?.timeMs;
  }

  show(...lines: readonly string[]): void {
    this.#screen.print(...lines);
  }

  async showEarlier(count: number): Promise<void> {
    const messages: ChatMessage[] = [];
    for await (const message of this.room.history({ before: this.#firstShown, last: count })) messages.push(message);
    if (messages.length === 0) {
      this.show(this.lines.mark('nothing before that is kept'));
      return;
    }
    this.#firstShown = messages[0]!.id;
    this.show(this.lines.mark(`${formatCount(messages.length)} earlier`));
    for (const message of messages) this.show(...this.lines.found(message, this.room.name));
    this.show(this.lines.mark('until here'));
  }

  async change(room: string): Promise<JoinedRoom> {
    const joined = await this.#membership.change(room);
    this.#names.clear();
    this.#shown = [];
    this.#firstShown = undefined;
    this.#follow(this.room, joined);
    return joined;
  }

  quit(): void {
    this.#end?.resolve();
  }

  // ── What comes ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Shows what is said in `room` until one leaves it. */
  #follow(room: ChatRoom, joined: JoinedRoom): void {
    this.#showRoom(room, joined).catch(thrown => this.#end?.reject(thrown));
  }

  async #showRoom(room: ChatRoom, joined: JoinedRoom): Promise<void> {
    this.#know(...joined.members);
    const others = joined.members.filter(name => name !== joined.name).map(name => this.lines.name(name));
    const rest = joined.count - joined.members.length;
    if (rest > 0) others.push(`${formatCount(rest)} more`);
    this.show(this.lines.mark(`${escapeText(room.room)}, as ${escapeText(joined.name)}`));
    this.show(others.length === 0 ? this.lines.event('nobody else is here') : `also here: ${others.join(', ')}`);
    await this.#showPast(room, joined);
    for await (const event of room) {
      // One has gone to another room, and this one had more to tell.
      if (room !== this.room) return;
      this.#showEvent(room, event);
      await this.#screen.room();
    }
  }

  /** The last messages, and from where on they are new. */
  async #showPast(room: ChatRoom, joined: JoinedRoom): Promise<void> {
    const past: ChatMessage[] = [];
    for await (const message of this.#membership.past(room, joined, this.#last)) past.push(message);
    const seen = joined.seen ?? joined.head;
    const recent = past.filter(({ id, from }) => id > seen && from !== joined.name);
    for (const message of past) {
      if (message === recent[0]) {
        const mayBeMore = message === past[0] && past.length === this.#last ? ' or more' : '';
        this.show(this.lines.mark(`${formatCount(recent.length)}${mayBeMore} new since you were here`));
      }
      this.#showMessage(room, message);
    }
  }

  #showEvent(room: ChatRoom, event: ChatEvent): void {
    if (isOwnPresence(event, room)) return;
    switch (event.type) {
      case 'message':
        this.#showMessage(room, event.message);
        return;
      case 'came':
        this.#know(event.name);
        this.show(this.lines.event(`${escapeText(event.name)} came`));
        return;
      case 'left':
        this.#names.delete(event.name);
        this.show(this.lines.event(`${escapeText(event.name)} left`));
        return;
      case 'renamed':
        this.#names.delete(event.from);
        this.#know(event.to);
        this.show(this.lines.event(`${escapeText(event.from)} is now ${escapeText(event.to)}`));
        return;
      case 'missed':
        this.show(this.lines.mark(`${formatCount(event.count)} messages were passed over; /history shows them`));
    }
  }

  #showMessage(room: ChatRoom, message: ChatMessage): void {
    const { id, timeMs } = message;
    this.#know(message.from);
    this.show(...this.lines.message(message, room.name));
    this.#shown.push({ id, timeMs });
    if (this.#shown.length > MAX_SHOWN) this.#shown.shift();
    this.#firstShown = Math.min(this.#firstShown ?? id, id);
    room.seen(id);
  }

  /** For completion; those who were heard of longest ago are forgotten. */
  #know(...names: readonly string[]): void {
    for (const name of names) {
      this.#names.delete(name);
      this.#names.add(name);
    }
    for (const name of this.#names) {
      if (this.#names.size <= MAX_NAMES) break;
      this.#names.delete(name);
    }
  }

  // ── What is typed ───────────────────────────────────────────────────────────────────────────────────────────────

  #draft(): { readonly text: string; readonly cursor: number } {
    const { text, cursor } = this.#editor;
    return { text, cursor };
  }

  #pressed(key: Key): void {
    const request = this.#editor.press(key);
    this.#screen.update();
    switch (request?.type) {
      case undefined:
        return;
      case 'submit':
        this.#entered(request.text);
        return;
      case 'complete':
        this.#complete(request.before);
        return;
      case 'full':
        this.show(this.lines.failure(`a message holds ${formatCount(MAX_CHAT_TEXT_BYTES)} bytes, and no more fits in`));
        return;
      case 'clear-screen':
        this.#screen.clear();
        return;
      case 'suspend':
        this.#suspend();
        return;
      case 'leave':
        this.quit();
    }
  }

  #entered(text: string): void {
    const entry = parseEntry(text);
    if (entry.type === 'quit') this.quit();
    else if (entry.type !== 'nothing') {
      // Of a command it is plain what failed; what was said is off the line already.
      const what = entry.type === 'say' ? 'not said: ' : '';
      this.#run(entry).catch(thrown => this.#showFailure(thrown, what));
    }
  }

  /** What is said counts as unsent until the server has it. */
  async #run(entry: Extract<Entry, { type: 'say' | 'command' }>): Promise<void> {
    const command = entry.type === 'command' ? findCommand(entry.name) : undefined;
    const count = command === undefined || command.says ? 1 : 0;
    this.#countUnsent(count);
    try {
      if (entry.type === 'say') await this.room.send(entry.text);
      else await command!.run(this, entry.rest);
    } finally {
      this.#countUnsent(-count);
    }
  }

  /** At once where that is possible, so that what is typed behind it finds the word whole. */
  #complete(before: string): void {
    const entry = parseEntry(before);
    const start = before.search(/\S*$/);
    if (entry.type === 'command' && start > 0) {
      const found = SLASH_COMMANDS.find(({ name }) => name === entry.name)?.complete?.(this, entry.rest) ?? [];
      if (found instanceof Promise) {
        found.then(words => this.#completeBy(before, start, words, ' ')).catch(thrown => this.#showFailure(thrown));
      } else {
        this.#completeBy(before, start, found, ' ');
      }
    } else if (entry.type === 'command') {
      const names = SLASH_COMMANDS.map(({ name }) => `/${name}`);
      this.#completeBy(before, start, names, ' ');
    } else {
      this.#completeBy(before, start, this.#names, start === 0 ? ': ' : ' ');
    }
  }

  #completeBy(before: string, start: number, candidates: Iterable<string>, behind: string): void {
    const completion = completeWord(before.slice(start), candidates, behind);
    if (completion === undefined) return;
    if (completion.choices.length > 0) this.show(this.lines.event(completion.choices.map(escapeText).join('  ')));
    this.#editor.complete(before, start, completion.word);
    this.#screen.update();
  }

  #showFailure(thrown: unknown, what = ''): void {
    if (!(thrown instanceof LineError)) this.#end?.reject(thrown);
    else if (thrown.code !== 'CANCELLED') this.show(this.lines.failure(`${what}${explainError(thrown)}`));
  }

  #countUnsent(by: number): void {
    this.#unsent += by;
    this.#showStatus();
  }

  #setLost(isLost: boolean): void {
    this.#isLost = isLost;
    this.#showStatus();
  }

  #showStatus(): void {
    const waiting = this.#unsent === 0 ? '' : `; ${formatCount(this.#unsent)} to send`;
    if (this.#isLost) this.#screen.setStatus(`connection lost, trying again… Ctrl-C leaves${waiting}`);
    else if (this.#transfer !== undefined) this.#screen.setStatus(this.#transfer);
    else this.#screen.setStatus(this.#unsent > MANY_UNSENT ? `sending ${formatCount(this.#unsent)}…` : '');
  }

  // ── The terminal ────────────────────────────────────────────────────────────────────────────────────────────────

  #enterTerminal(): void {
    if (this.#terminal !== 'lent') return;
    this.#terminal = 'ours';
    process.once('exit', this.#leave);
    this.#input.setRawMode(true);
    this.#input.on('data', this.#typed).once('end', this.#hungUp).resume();
    this.#output.on('resize', this.#resized);
    this.#screen.enter();
  }

  /** For good, or until it is entered again. May be called twice. */
  #leaveTerminal(as: 'lent' | 'given back' = 'given back'): void {
    const wasOurs = this.#terminal === 'ours';
    this.#terminal = as;
    if (!wasOurs) return;
    process.off('exit', this.#leave);
    this.#screen.leave();
    this.#decoder.close();
    this.#output.off('resize', this.#resized);
    this.#input.off('data', this.#typed).off('end', this.#hungUp).pause();
    this.#input.setRawMode(false);
  }

  /** Gives the terminal back to the shell that postern was started from, until that continues us. */
  #suspend(): void {
    this.#leaveTerminal('lent');
    process.once('SIGCONT', () => this.#enterTerminal());
    // The whole group, as Ctrl-Z does: whoever started us waits for it.
    process.kill(0, 'SIGTSTP');
    // Where nobody could continue us, the system does not stop us either.
    systemClock.after(NOT_STOPPED_MS, () => this.#enterTerminal());
  }
}

const MAX_SHOWN = 500;
const MAX_NAMES = 1000;
/** Fewer are sent before one could read that they are. */
const MANY_UNSENT = 2;
const NOT_STOPPED_MS = 100;
