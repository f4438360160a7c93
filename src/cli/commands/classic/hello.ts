import { callHelloTcp, callHelloUdp, ORIGINAL_PORT, serveHelloTcp, serveHelloUdp } from '../../../classic/index.ts';
import { addressed, type ListenOptions, listens } from './options.ts';
import type { ClassicProgram } from './program.ts';
import { calling, serving } from './verb.ts';

/** The first server and client, over TCP and over UDP. */
export const hello: ClassicProgram = {
  name: 'hello',
  summary: 'the first server and client, tcp and udp',
  add: (program, grammar) => {
    for (const [transport, serve, call] of PAIRS) {
      const group = program.command(transport).summary(`over ${transport.toUpperCase()}: serve or call`);
      const serves = grammar.verb<ListenOptions>(group, 'serve', 'answer one caller', (context, _, options) =>
        serving(context, HELLO, options, serve),
      );
      listens(serves, HELLO.port);
      const calls = grammar.verb<object, [string?]>(group, 'call', 'say hello', (context, [address]) =>
        calling(context, HELLO, address, call),
      );
      addressed(calls, HELLO.port);
    }
  },
};

const HELLO = { program: 'hello', port: ORIGINAL_PORT.usual, secure: 'postern ping HOST' };
const PAIRS = [
  ['tcp', serveHelloTcp, callHelloTcp],
  ['udp', serveHelloUdp, callHelloUdp],
] as const;
