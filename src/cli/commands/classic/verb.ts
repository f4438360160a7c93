import type { Address, ServeOptions } from '../../../classic/index.ts';
import type { CommandContext } from '../../context.ts';
import { callAddress, type ListenOptions, listenAddress, tellInsecure, tellListening } from './options.ts';
import { TerminalPerson } from './terminal-person.ts';

/** What a verb of the network says and needs: the program, its original's port, and the verb of the line that is secure. */
export interface NetworkVerb {
  /** `talk`. */
  readonly program: string;
  readonly port: number;
  /** `postern chat HOST`. */
  readonly secure: string;
  /** Why the program is not; that nothing is encrypted, unless given. */
  readonly why?: string;
}

/** Runs a serving side: where it may listen, the word of warning, and where it does listen. */
export async function serving(
  context: CommandContext,
  { program, port, secure, why }: NetworkVerb,
  options: ListenOptions,
  work: (at: Address, options: ServeOptions) => Promise<void>,
): Promise<void> {
  begin(context, program);
  const at = listenAddress(options, port);
  tellInsecure(context, { program, secure, why }, options);
  const onListening = (address: Address): void => void tellListening(context, address);
  await work(at, { person: new TerminalPerson(context), signal: context.signal, onListening });
}

/** Runs a calling side. */
export async function calling(
  context: CommandContext,
  { program, port, secure, why }: NetworkVerb,
  address: string | undefined,
  work: (to: Address, options: ServeOptions) => Promise<void>,
): Promise<void> {
  begin(context, program);
  const to = callAddress(address, port);
  tellInsecure(context, { program, secure, why });
  context.phase = 'connecting';
  await work(to, { person: new TerminalPerson(context), signal: context.signal });
}

function begin(context: CommandContext, program: string): void {
  context.doing = `classic ${program} did not go through`;
  // What other commands advise has nothing to do with these.
  context.hint = '';
}
