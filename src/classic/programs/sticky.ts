import { encodeBlock, receiveBlocks } from '../framing/blocks.ts';
import { type DrawnPart, drawBytes } from '../framing/draw-bytes.ts';
import { encodeWithHeader, receiveWithHeader } from '../framing/json-header.ts';
import { encodeLengthText, OK, receiveAfterOk, sendAfterOk } from '../framing/length-and-ok.ts';
import { encodeStruct, receiveStruct } from '../framing/struct-length.ts';
import type { ByteStream, Connection } from '../net/connection.ts';
import { makePair } from '../net/pair.ts';
import type { ProgramOptions } from '../person.ts';
import { bytesLiteral } from '../text/bytes-literal.ts';

/**
 * The glued packets, over a real connection of this machine with itself: both faults as they happen, and the same two
 * messages in each of four frames, sent in one piece and then byte by byte.
 */
export async function showSticky({ person, signal }: ProgramOptions): Promise<void> {
  const say = (line: string): Promise<void> => person.say(line);
  await showSenderFault(say, signal);
  await showReceiverFault(say, signal);
  for (const frame of FRAMES) await showCure(frame, say, signal);
}

type Say = (line: string) => Promise<void>;

async function showSenderFault(say: Say, signal: AbortSignal): Promise<void> {
  await say('1. Two messages are sent, and one recv(200) takes both: TCP carries bytes, and keeps no borders.');
  await withPair(signal, async (near, far) => {
    // In one go, as the original sends them: the receiver comes too late to see them apart.
    await Promise.all(MESSAGES.map(message => near.send(message)));
    await say(`   sent: ${MESSAGES.map(bytesLiteral).join(' and ')}`);
    await say(`   res: ${bytesLiteral((await far.receive(200)) ?? NOTHING)}`);
  });
}

async function showReceiverFault(say: Say, signal: AbortSignal): Promise<void> {
  await say('2. One message is sent, and recv(2) and recv(10) take a part each: the rest would be the next answer.');
  await withPair(signal, async (near, far) => {
    await near.send(MESSAGES[0]!);
    await say(`   sent: ${bytesLiteral(MESSAGES[0]!)}`);
    await say(`   res: ${bytesLiteral((await far.receive(2)) ?? NOTHING)}`);
    await say(`   res2: ${bytesLiteral((await far.receive(10)) ?? NOTHING)}`);
  });
}

async function showCure({ title, draw, send, receive }: Frame, say: Say, signal: AbortSignal): Promise<void> {
  await say('');
  await say(title);
  for (const line of MESSAGES.flatMap(message => drawBytes(draw(message)))) await say(`   ${line}`);
  for (const [way, size] of WAYS) {
    await withPair(signal, async (near, far) => {
      const sending = send(inPieces(near, size), MESSAGES);
      const received = await receive(far, MESSAGES.length);
      await sending;
      await say(`   ${way}: ${received.map(bytesLiteral).join(' and ')}`);
    });
  }
}

interface Frame {
  readonly title: string;
  readonly draw: (message: Uint8Array) => readonly DrawnPart[];
  readonly send: (stream: ByteStream, messages: readonly Uint8Array[]) => Promise<void>;
  readonly receive: (stream: ByteStream, count: number) => Promise<Uint8Array[]>;
}

const FRAMES: readonly Frame[] = [
  {
    title: '3. The size as text, answered with ok; then the bytes. One more round trip for each message.',
    draw: message => [
      { label: 'size', bytes: encodeLengthText(message.length) },
      { label: 'ok comes back', bytes: OK },
      { label: 'message', bytes: message },
    ],
    send: async (stream, messages) => {
      for (const message of messages) await sendAfterOk(stream, message);
    },
    receive: (stream, count) => times(count, () => receiveAfterOk(stream)),
  },
  {
    title: "4. The length as 4 bytes, struct.pack('i', length). Nothing comes back, nothing is guessed.",
    draw: message => [
      { label: 'length', bytes: encodeStruct(message).subarray(0, 4) },
      { label: 'message', bytes: message },
    ],
    send: (stream, messages) => sendAll(stream, messages.map(encodeStruct)),
    receive: (stream, count) => times(count, () => receiveStruct(stream)),
  },
  {
    title: '5. The length of a header as 4 bytes, the header as JSON, then the bytes. It can say more than a length.',
    draw: message => {
      const framed = encodeWithHeader(message);
      const header = framed.length - message.length;
      return [
        { label: 'length', bytes: framed.subarray(0, 4) },
        { label: 'header', bytes: framed.subarray(4, header) },
        { label: 'message', bytes: message },
      ];
    },
    send: (stream, messages) => sendAll(stream, messages.map(encodeWithHeader)),
    receive: (stream, count) => times(count, () => receiveWithHeader(stream)),
  },
  {
    title: "6. The first tutorial's blocks: length.to_bytes(4, 'little') before each, an empty one at the end.",
    draw: message => [
      { label: 'length', bytes: encodeBlock(message).subarray(0, 4) },
      { label: 'block', bytes: message },
    ],
    send: (stream, messages) => sendAll(stream, [...messages, NOTHING].map(encodeBlock)),
    receive: async stream => {
      const blocks: Uint8Array[] = [];
      for await (const block of receiveBlocks(stream)) blocks.push(block);
      return blocks;
    },
  },
];

/** Both in one piece, glued as fault 1 glued them. */
async function sendAll(stream: ByteStream, framed: readonly Uint8Array[]): Promise<void> {
  for (const bytes of framed) await stream.send(bytes);
}

async function times(count: number, receive: () => Promise<Uint8Array | undefined>): Promise<Uint8Array[]> {
  const received: Uint8Array[] = [];
  while (received.length < count) {
    const message = await receive();
    if (message === undefined) break;
    received.push(message);
  }
  return received;
}

function inPieces(connection: Connection, size: number): ByteStream {
  return {
    receive: (maxBytes, withinMs) => connection.receive(maxBytes, withinMs),
    hasMore: withinMs => connection.hasMore(withinMs),
    send: async bytes => {
      for (let at = 0; at < bytes.length; at += size) await connection.send(bytes.subarray(at, at + size));
    },
  };
}

async function withPair(
  signal: AbortSignal,
  work: (near: Connection, far: Connection) => Promise<void>,
): Promise<void> {
  const [near, far] = await makePair(signal);
  try {
    await work(near, far);
  } finally {
    await Promise.all([near.close(), far.close()]);
  }
}

/** As the tutorial sent them. */
const MESSAGES = [new TextEncoder().encode('hello, world!'), new TextEncoder().encode('wyb666')];
const NOTHING = new Uint8Array();
const WAYS = [
  ['received, sent whole', Number.POSITIVE_INFINITY],
  ['received, sent byte by byte', 1],
] as const;
