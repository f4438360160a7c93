import { LineError } from '../../errors.ts';
import type { Address } from '../address.ts';
import type { CommandOutput, CommandRunner } from '../commands/command-runner.ts';
import { encodeCommand } from '../commands/command-text.ts';
import { joinBytes } from '../framing/growing-bytes.ts';
import { receiveAfterOk, sendAfterOk } from '../framing/length-and-ok.ts';
import { receiveMessage } from '../framing/raw.ts';
import { encodeStruct, receiveStruct } from '../framing/struct-length.ts';
import { COMMAND_MS, IDLE_MS } from '../limits.ts';
import type { Connection } from '../net/connection.ts';
import { acceptOne, dial } from '../net/tcp.ts';
import type { ProgramOptions, ServeOptions } from '../person.ts';
import { decodeText, type Encoding, encodeText, reencodeOutput } from '../text/encoding.ts';
import { PROMPT } from './originals.ts';

/**
 * The controller, and the machine that dialled in. Commands go one way without a frame; what they print comes back in one
 * of three framings: none, its length as text answered by `ok`, or its length as 4 bytes.
 */
export const CONTROL_FRAMINGS = ['raw', 'length', 'struct'] as const;
export type ControlFraming = (typeof CONTROL_FRAMINGS)[number];

export interface ControlOptions {
  readonly framing: ControlFraming;
  /** Of commands and of what they print; the original's is GBK. */
  readonly encoding?: Encoding | undefined;
}

/** The controller: waits for the machine, and sends it what is typed until `q`. */
export async function serveControl(at: Address, options: ServeOptions & ControlOptions): Promise<void> {
  const { person, framing, encoding = 'gbk' } = options;
  const connection = await acceptOne(at, options);
  person.note(`${connection.peer} has dialled in`);
  // Kept over answers: without a frame a character may be cut in two by their border.
  const decoder = new TextDecoder(encoding, { ignoreBOM: true });
  try {
    for (;;) {
      const line = (await person.ask(PROMPT)) ?? QUIT;
      if (isQuit(line, framing)) {
        await connection.send(encodeText(QUIT, 'utf-8'));
        return;
      }
      // TCP cannot carry nothing: the originals would both wait for ever.
      if (line === '') continue;
      await connection.send(encodeCommand(line, encoding));
      const output = await receiveOutput(connection, framing);
      if (output === undefined) {
        person.note('the machine has left');
        return;
      }
      if (output === 'nothing')
        person.note('no answer: it prints nothing, or takes long; without a frame nobody can tell');
      else await person.show(decoder.decode(output, { stream: framing === 'raw' }));
    }
  } finally {
    await connection.close();
  }
}

export interface ObeyOptions extends ProgramOptions, ControlOptions {
  readonly commands: CommandRunner;
  /** Asked before each command; what it says no to is answered as refused. */
  readonly mayRun: (command: string) => Promise<boolean>;
}

/** The machine that dials in and runs what it is sent. */
export async function obeyControl(to: Address, options: ObeyOptions): Promise<void> {
  const { person, signal, framing, encoding = 'gbk', commands, mayRun } = options;
  const connection = await dial(to, signal);
  try {
    for (;;) {
      const bytes = await receiveMessage(connection);
      if (bytes === undefined) {
        person.note('the controller has left');
        return;
      }
      const command = decodeText(bytes, encoding);
      if (isQuit(command, framing)) return;
      await person.hear({ text: command, from: connection.peer });
      const output = (await mayRun(command)) ? await commands.run(command, connection.peer, signal) : REFUSED;
      if (output.cut !== undefined) person.note(output.cut);
      await sendOutput(connection, framing, inEncoding(output, encoding));
    }
  } finally {
    await connection.close();
  }
}

/** `exit` leaves the first pair of programs alone; in the later two it is a command. */
function isQuit(line: string, framing: ControlFraming): boolean {
  return line === QUIT || (framing === 'raw' && line === 'exit');
}

/** One after the other, as the originals send them. */
function inEncoding({ stdout, stderr }: CommandOutput, encoding: Encoding): Uint8Array {
  return joinBytes([reencodeOutput(stdout, encoding), reencodeOutput(stderr, encoding)]);
}

async function sendOutput(connection: Connection, framing: ControlFraming, output: Uint8Array): Promise<void> {
  if (framing === 'length') await sendAfterOk(connection, output);
  else if (framing === 'struct') await connection.send(encodeStruct(output));
  // Nothing is sent for nothing, and the controller cannot know: the fault that the framings cure.
  else if (output.length > 0) await connection.send(output);
}

/** Without a frame an answer is what has come by now, 1 KiB at most; the rest shows up as the answer to the next command. */
async function receiveOutput(
  connection: Connection,
  framing: ControlFraming,
): Promise<Uint8Array | 'nothing' | undefined> {
  if (framing === 'length') return receiveAfterOk(connection, IDLE_MS);
  if (framing === 'struct') return receiveStruct(connection, IDLE_MS);
  try {
    return await receiveMessage(connection, COMMAND_MS);
  } catch (thrown) {
    if (thrown instanceof LineError && thrown.code === 'TIMEOUT') return 'nothing';
    throw thrown;
  }
}

const QUIT = 'q';
const REFUSED: CommandOutput = {
  stdout: new Uint8Array(),
  stderr: new TextEncoder().encode('postern: refused\n'),
};
