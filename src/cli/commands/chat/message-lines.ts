import type { ChatMessage } from '../../../node/index.ts';
import type { Colors } from '../../terminal/colors.ts';
import { escapeProse, escapeText } from '../../terminal/escape.ts';
import { formatLocalTime, formatSize } from '../../terminal/format.ts';
import { displayWidth } from '../../terminal/width.ts';

/** How messages and what else happens in a room look on a terminal. All that others have written is escaped. */
export class MessageLines {
  readonly #colors: Colors;
  readonly #columns: () => number;
  #day = '';

  constructor(colors: Colors, columns: () => number) {
    this.#colors = colors;
    this.#columns = columns;
  }

  /** `07:33 ann: text`; further lines of the text stand under its first one. Before a new day comes a line that says so. */
  message(message: ChatMessage, ownName: string): string[] {
    const [day, time] = dayAndTime(message.timeMs);
    const lines = day === this.#day ? [] : [this.mark(day)];
    this.#day = day;
    return [...lines, ...this.#message(message, time, ownName)];
  }

  /** As `message`, with the day in each line: for what is shown out of its order. */
  found(message: ChatMessage, ownName: string): string[] {
    return this.#message(message, dayAndTime(message.timeMs).join(' '), ownName);
  }

  /** `— text —` */
  mark(text: string): string {
    return this.#colors.dim(`— ${text} —`);
  }

  /** Something that happened now and is no message. */
  event(text: string): string {
    return this.#colors.dim(`${dayAndTime(Date.now())[1]} ${text}`);
  }

  failure(text: string): string {
    return this.#colors.red(text);
  }

  name(name: string): string {
    const color = NAME_COLORS[hash(name.normalize('NFKC').toLowerCase()) % NAME_COLORS.length]!;
    return this.#colors[color](escapeText(name));
  }

  #message(message: ChatMessage, time: string, ownName: string): string[] {
    const { kind, from, to, file } = message;
    const who = from === ownName ? this.#colors.bold(this.name(from)) : this.name(from);
    const whom = to === undefined ? '' : ` ${this.#colors.magenta('→')} ${to === ownName ? 'you' : this.name(to)}`;
    const told = this.#colors.dim(time);
    if (kind === 'file' && file !== undefined) {
      const text = `puts ${this.#colors.bold(escapeText(file.name))} here, ${formatSize(file.size)}: /get ${message.id}`;
      return [`${told} ${this.#colors.dim('*')} ${who}${whom} ${text}`];
    }
    const head = kind === 'action' ? `${told} ${this.#colors.dim('*')} ${who}${whom} ` : `${told} ${who}${whom}: `;
    const width = displayWidth(head);
    const indent = ' '.repeat(width <= this.#columns() / 3 ? width : NARROW_INDENT);
    return textLines(message.text).map((line, at) => (at === 0 ? head : indent) + line);
  }
}

/** The lines of a text, each escaped. Tabs become spaces. */
function textLines(text: string): string[] {
  return text
    .trimEnd()
    .split(/\r?\n/)
    .map(line => escapeProse(line.replaceAll('\t', '    ')));
}

export function dayAndTime(unixMs: number): readonly [day: string, time: string] {
  const [day, time] = formatLocalTime(unixMs).split(' ');
  return [day!, time!];
}

/** FNV-1a: the same name has the same colour everywhere. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}

/** Those that can be read on dark and on light, and that nothing else has. */
const NAME_COLORS = [
  'cyan',
  'green',
  'yellow',
  'blue',
  'cyanBright',
  'greenBright',
  'yellowBright',
  'blueBright',
  'redBright',
  'magentaBright',
] as const;
const NARROW_INDENT = 2;
