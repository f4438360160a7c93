import type { Address } from '../address.ts';
import { receiveMessage } from '../framing/raw.ts';
import { IDLE_MS } from '../limits.ts';
import type { Connection } from '../net/connection.ts';
import { acceptMany, dial } from '../net/tcp.ts';
import type { Person, ProgramOptions, ServeOptions } from '../person.ts';
import { decodeText, encodeText } from '../text/encoding.ts';
import { OLD_WANG, PROMPT } from './originals.ts';
import { Turns } from './turns.ts';

/**
 * The threaded socketserver: many callers at once, and one operator who answers each. The originals' threads ask for input
 * all at the same time; here the callers take turns, in the order in which they spoke.
 */
export async function serveDesk(at: Address, options: ServeOptions): Promise<void> {
  const turns = new Turns();
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  await acceptMany(at, { ...options, signal }, async connection => {
    for (;;) {
      const bytes = await receiveMessage(connection, IDLE_MS);
      const text = bytes === undefined ? GOODBYE : decodeText(bytes, 'utf-8');
      if (text === GOODBYE) {
        options.person.note(`${connection.peer} has left`);
        return;
      }
      const hasAnswered = await turns.take(() => answer(connection, text, options.person));
      // Nobody sits here any more.
      if (!hasAnswered) over.abort();
      if (!hasAnswered) return;
    }
  });
}

export interface CallDeskOptions extends ProgramOptions {
  /** Put before each message; the original's is 老王. */
  readonly name?: string | undefined;
}

/** Speaks first; `q` leaves. */
export async function callDesk(to: Address, options: CallDeskOptions): Promise<void> {
  const { person, signal, name = OLD_WANG } = options;
  const connection = await dial(to, signal);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  try {
    for (;;) {
      const line = (await person.ask(PROMPT)) ?? GOODBYE;
      const isLast = line === GOODBYE;
      await connection.send(encodeText(isLast ? GOODBYE : `${name}: ${line}`, 'utf-8'));
      if (isLast) return;
      const bytes = await receiveMessage(connection);
      if (bytes === undefined) {
        person.note('the desk is closed');
        return;
      }
      await person.hear({ text: decoder.decode(bytes, { stream: true }) });
    }
  } finally {
    await connection.close();
  }
}

/** Shows what was said and sends what the operator types; `false` when there is nothing more to be typed. */
async function answer(connection: Connection, text: string, person: Person): Promise<boolean> {
  await person.hear({ text, from: connection.peer });
  for (;;) {
    const line = await person.ask(PROMPT);
    if (line === undefined) return false;
    // TCP cannot carry nothing, and a caller waits for an answer.
    if (line === '') continue;
    await connection.send(encodeText(line, 'utf-8'));
    return true;
  }
}

const GOODBYE = 'q';
