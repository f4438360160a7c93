import type { Address } from '../address.ts';
import type { CommandRunner } from '../commands/command-runner.ts';
import { encodeCommand } from '../commands/command-text.ts';
import { joinBytes } from '../framing/growing-bytes.ts';
import { encodeWithHeader, receiveWithHeader } from '../framing/json-header.ts';
import { receiveMessage } from '../framing/raw.ts';
import { IDLE_MS } from '../limits.ts';
import { acceptMany, dial } from '../net/tcp.ts';
import type { ProgramOptions, ServeOptions } from '../person.ts';
import { decodeText, type Encoding, reencodeOutput } from '../text/encoding.ts';

/**
 * The command server: a command comes without a frame, in UTF-8; what it prints goes back as 4 bytes with the length of a
 * header, the header as JSON, and the output.
 */
export interface ServeExecOptions extends ServeOptions {
  readonly commands: CommandRunner;
  /** Of what commands print; the original's is GBK. */
  readonly encoding?: Encoding | undefined;
}

/** The original serves one caller after the other, and the next never if one stays; here they are served at once. */
export async function serveExec(at: Address, options: ServeExecOptions): Promise<void> {
  const { person, commands, encoding = 'gbk' } = options;
  await acceptMany(at, options, async (connection, signal) => {
    person.note(`${connection.peer} has dialled in`);
    for (;;) {
      const bytes = await receiveMessage(connection, IDLE_MS);
      if (bytes === undefined) return;
      const command = decodeText(bytes, 'utf-8');
      await person.hear({ text: `接收的是:${command}`, from: connection.peer });
      const output = await commands.run(command, connection.peer, signal);
      if (output.cut !== undefined) person.note(output.cut);
      const all = joinBytes([reencodeOutput(output.stdout, encoding), reencodeOutput(output.stderr, encoding)]);
      await connection.send(encodeWithHeader(all));
    }
  });
}

export interface CallExecOptions extends ProgramOptions {
  readonly encoding?: Encoding | undefined;
  /** Run once; without it commands are read until there are no more. */
  readonly command?: string | undefined;
}

export async function callExec(to: Address, options: CallExecOptions): Promise<void> {
  const { person, signal, encoding = 'gbk', command } = options;
  const connection = await dial(to, signal);
  try {
    let isOver = false;
    while (!isOver) {
      isOver = command !== undefined;
      const line = (command ?? (await person.ask(QUESTION)))?.trim();
      if (line === undefined) return;
      // TCP cannot carry nothing: the originals would both wait for ever.
      if (line === '') continue;
      await connection.send(encodeCommand(line, 'utf-8'));
      const output = await receiveWithHeader(connection, IDLE_MS);
      if (output === undefined) {
        person.note('the server has left');
        return;
      }
      await person.show(`返回的消息:${decodeText(output, encoding)}`);
    }
  } finally {
    await connection.close();
  }
}

const QUESTION = '输入命令>>';
