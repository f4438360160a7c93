import { askTime, ORIGINAL_PORT, serveTime } from '../../../classic/index.ts';
import { LineError } from '../../../node/index.ts';
import { addressed, type ListenOptions, listens } from './options.ts';
import type { ClassicProgram } from './program.ts';
import { calling, serving } from './verb.ts';

/** The UDP time server with strftime formats. */
export const time: ClassicProgram = {
  name: 'time',
  summary: 'the time over UDP, in any format',
  add: (program, grammar) => {
    const serves = grammar.verb<ListenOptions>(program, 'serve', 'answer until Ctrl-C', (context, _, options) =>
      serving(context, TIME, options, serveTime),
    );
    listens(serves, TIME.port);
    const asks = grammar.verb<object, [string?, string?]>(
      program,
      'ask',
      'ask once in FORMAT, or as often as formats are typed',
      (context, words) => {
        const [address, format] = inOrder(words);
        return calling(context, TIME, address, (to, options) => askTime(to, { ...options, format }));
      },
    );
    addressed(asks, TIME.port).argument('[format]', "'%Y-%m-%d %X' for one; '' for the server's own");
  },
};

/** The address may be left out: a format has a percent sign, or is empty. */
function inOrder([first, second]: [string?, string?]): readonly [
  address: string | undefined,
  format: string | undefined,
] {
  const isFormat = first !== undefined && (first === '' || first.includes('%'));
  if (!isFormat) return [first, second];
  if (second !== undefined) throw new LineError('USAGE', 'HOST:PORT stands before FORMAT');
  return [undefined, first];
}

const TIME = { program: 'time', port: ORIGINAL_PORT.usual, secure: 'postern time HOST' };
