import { bytesLiteral, packNativeInt, unpackNativeInt } from '../../../classic/index.ts';
import { LineError } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import type { ClassicProgram } from './program.ts';

/** The demonstration of the struct module: a number as 4 bytes, and back. */
export const struct: ClassicProgram = {
  name: 'struct',
  summary: 'a number as 4 bytes, and back',
  add: (program, grammar) => {
    grammar.runs<object, [string | undefined]>(
      program.argument('[number]', 'from -2147483648 to 2147483647 (default: 4096)'),
      showNumber,
    );
  },
};

async function showNumber(context: CommandContext, [text = '4096']: [string | undefined]): Promise<void> {
  if (!/^-?\d+$/.test(text)) throw new LineError('USAGE', `${JSON.stringify(text)} is no whole number`);
  const packed = packNativeInt(Number(text));
  const number = unpackNativeInt(packed);
  if (context.options.json) {
    await context.printJson({ number, bytes: [...packed] });
    return;
  }
  await context.print(bytesLiteral(packed));
  await context.print(`(${number},)`);
  await context.print(`${number}`);
}
