import type { Address } from '../address.ts';
import { formatAddress } from '../address.ts';
import { IDLE_MS, MAX_MESSAGE_BYTES } from '../limits.ts';
import { Datagrams } from '../net/datagrams.ts';
import { COLORS, type Color, type Heard, type Person, type ProgramOptions, type ServeOptions } from '../person.ts';
import { decodeText, encodeText } from '../text/encoding.ts';
import { OLD_WANG, PROMPT } from './originals.ts';

/**
 * The UDP chat. The original serves whoever spoke last; so does this, one after the other in the order in which they
 * spoke, and says who it is. A bare `bye` of a caller means that caller: it would have ended the original, for everybody.
 */
export async function serveQq(at: Address, { person, signal, onListening }: ServeOptions): Promise<void> {
  const datagrams = await Datagrams.bind(at, signal);
  try {
    onListening?.(datagrams.address);
    for (;;) {
      const { bytes, from } = await datagrams.receive();
      const caller = formatAddress(from);
      const text = decodeText(bytes, 'utf-8');
      if (text === BYE) {
        person.note(`${caller} has left`);
        continue;
      }
      await person.hear({ ...readPainted(text), from: caller });
      const answer = await askMessage(person, PROMPT, line => line);
      if (answer === undefined) return;
      // A caller that is gone by now is told by nothing: there is no connection.
      await datagrams.send(answer, from).catch(() => {});
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  } finally {
    datagrams.close();
  }
}

export interface CallQqOptions extends ProgramOptions {
  /** The original's is 老王. */
  readonly name?: string | undefined;
  /** The original's is blue. */
  readonly color?: Color | undefined;
}

/** Speaks and is answered, in turns, until the other side says `bye`. */
export async function callQq(to: Address, options: CallQqOptions): Promise<void> {
  const { person, signal, name = OLD_WANG, color = 'blue' } = options;
  const datagrams = await Datagrams.connect(to, signal);
  try {
    for (;;) {
      const message = await askMessage(person, `${name}: `, line => paintMessage(line, name, color));
      if (message === undefined) return;
      datagrams.forget();
      await datagrams.send(message);
      const { bytes } = await datagrams.receive(IDLE_MS);
      const text = decodeText(bytes, 'utf-8');
      if (text === BYE) return;
      await person.hear(readPainted(text));
    }
  } finally {
    datagrams.close();
  }
}

/** The wire form: the colour as the terminal takes it, around the name and the message. */
export function paintMessage(text: string, name: string = OLD_WANG, color: Color = 'blue'): string {
  return `\x1b[${FIRST_COLOR + COLORS.indexOf(color)}m来自${name}的消息: ${text}\x1b[0m`;
}

/** The text without its colour, which is known by name from here on: nothing of a peer drives the terminal (R-X1). */
export function readPainted(text: string): Heard {
  const painted = /^\x1b\[3([0-7])m([\s\S]*)\x1b\[0m$/.exec(text);
  return painted === null ? { text } : { text: painted[2]!, color: COLORS[Number(painted[1])] };
}

/**
 * What is typed, in its wire form; `undefined` at the end of input. Asks again for what recvfrom(1024) on the other side would
 * cut, in the middle of a character perhaps.
 */
async function askMessage(
  person: Person,
  prompt: string,
  wireForm: (line: string) => string,
): Promise<Uint8Array | undefined> {
  for (;;) {
    const line = await person.ask(prompt);
    if (line === undefined) return undefined;
    const bytes = encodeText(wireForm(line), 'utf-8');
    if (bytes.length <= MAX_MESSAGE_BYTES) return bytes;
    person.note(`not sent: a message has at most ${MAX_MESSAGE_BYTES} bytes on the wire, and this has ${bytes.length}`);
  }
}

const BYE = 'bye';
const FIRST_COLOR = 30;
