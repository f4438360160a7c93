import type { Address } from '../address.ts';
import { receiveMessage } from '../framing/raw.ts';
import { ANSWER_MS, SILENCE_MS } from '../limits.ts';
import type { Connection } from '../net/connection.ts';
import { Datagrams } from '../net/datagrams.ts';
import { acceptOne, dial } from '../net/tcp.ts';
import type { Person, ProgramOptions, ServeOptions } from '../person.ts';
import { bytesLiteral } from '../text/bytes-literal.ts';
import { decodeText, encodeText } from '../text/encoding.ts';

/** The first TCP server: two messages are read, two are answered, and it is over. */
export async function serveHelloTcp(at: Address, options: ServeOptions): Promise<void> {
  const { person } = options;
  const connection = await acceptOne(at, options);
  try {
    await showLiteral(connection, person);
    await connection.send(HI);
    await showText(connection, person);
    await connection.send(BUNS);
  } finally {
    await connection.close();
  }
}

/** The first TCP client. */
export async function callHelloTcp(to: Address, { person, signal }: ProgramOptions): Promise<void> {
  const connection = await dial(to, signal);
  try {
    await connection.send(NAME);
    await showLiteral(connection, person);
    await connection.send(LUNCH);
    await showText(connection, person);
  } finally {
    await connection.close();
  }
}

/** The first UDP server: one datagram is read and answered with `bye`. */
export async function serveHelloUdp(at: Address, { person, signal, onListening }: ServeOptions): Promise<void> {
  const datagrams = await Datagrams.bind(at, signal);
  try {
    onListening?.(datagrams.address);
    const { bytes, from } = await datagrams.receive();
    await person.hear({ text: decodeText(bytes, 'utf-8') });
    await datagrams.send(BYE, from);
  } finally {
    datagrams.close();
  }
}

/** The first UDP client. */
export async function callHelloUdp(to: Address, { person, signal }: ProgramOptions): Promise<void> {
  const datagrams = await Datagrams.connect(to, signal);
  try {
    await datagrams.send(HELLO);
    const { bytes } = await datagrams.receive(ANSWER_MS);
    await person.hear({ text: decodeText(bytes, 'utf-8') });
  } finally {
    datagrams.close();
  }
}

/** As print() shows bytes. */
async function showLiteral(connection: Connection, person: Person): Promise<void> {
  await person.say(bytesLiteral((await receiveMessage(connection, SILENCE_MS)) ?? new Uint8Array()));
}

async function showText(connection: Connection, person: Person): Promise<void> {
  const bytes = (await receiveMessage(connection, SILENCE_MS)) ?? new Uint8Array();
  await person.hear({ text: decodeText(bytes, 'utf-8') });
}

const NAME = encodeText('wyb', 'utf-8');
const HI = encodeText('hi!', 'utf-8');
const LUNCH = encodeText('中午吃什么', 'utf-8');
const BUNS = encodeText('吃包子啊!', 'utf-8');
const HELLO = encodeText('hello', 'utf-8');
const BYE = encodeText('bye', 'utf-8');
