import type { CommandRunner } from '../commands/command-runner.ts';
import type { ProgramOptions } from '../person.ts';
import { decodeText, type Encoding } from '../text/encoding.ts';

export interface SubprocessOptions extends ProgramOptions {
  readonly commands: CommandRunner;
  /** Of what commands print here; the original's is GBK, which is right on its machine. */
  readonly encoding: Encoding;
  /** Asked for if it is not given. */
  readonly command?: string | undefined;
}

/** The demonstration of the subprocess module: a command's two outputs, apart, and decoded. */
export async function showSubprocess(options: SubprocessOptions): Promise<void> {
  const { person, signal, commands, encoding, command } = options;
  const line = (command ?? (await person.ask(QUESTION)))?.trim();
  if (line === undefined || line === '') return;
  const { stdout, stderr, cut } = await commands.run(line, 'here', signal);
  await person.show(`stdout:  ${decodeText(stdout, encoding)}`);
  await person.show(`stderr:  ${decodeText(stderr, encoding)}`);
  if (cut !== undefined) person.note(cut);
}

const QUESTION = '请输入命令: ';
