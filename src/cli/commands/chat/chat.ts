import { type JoinedRoom, LineError } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { formatHost } from '../../place.ts';
import { remoteHost } from '../dial.ts';
import { chatName } from './chat-name.ts';
import { Membership, type MembershipOptions } from './membership.ts';

export interface ChatOptions extends MembershipOptions {
  /** The name that one is called there. */
  readonly as?: string;
  /** How many messages of the past are shown. */
  readonly last: number;
  /** Lines that are piped in may be commands. */
  readonly commands?: boolean;
}

/** Talks in a room of another machine: on the screen, or where there is none, line by line. */
export async function chat(context: CommandContext, text: string, room: string, options: ChatOptions): Promise<void> {
  const place = await remoteHost(context, text, options, ': rooms are not in the folder');
  context.doing = `cannot talk on ${formatHost(place.host)}`;
  if (options.last > MAX_LAST) throw new LineError('USAGE', `--last takes a number up to ${MAX_LAST}`);
  const name = await chatName(options.as);
  const membership = new Membership(context, place, options);
  try {
    const joined = await membership.start(room, name).catch(thrown => {
      throw tellTaken(context, thrown, name);
    });
    await talk(context, membership, joined, options);
    await membership.leave();
  } catch (thrown) {
    membership.giveUp();
    throw thrown;
  }
}

async function talk(
  context: CommandContext,
  membership: Membership,
  joined: JoinedRoom,
  options: ChatOptions,
): Promise<void> {
  const isAtScreen = process.stdin.isTTY && process.stdout.isTTY && context.stdout.redraw && !context.options.json;
  if (isAtScreen) {
    const { ChatScreen } = await import('./chat-screen.ts');
    await new ChatScreen(context, membership, options.last).run(joined);
  } else {
    const { ChatLines } = await import('./chat-lines.ts');
    await new ChatLines(context, membership, options).run(joined);
  }
}

/** A name of somebody else is no file that is in the way. */
function tellTaken(context: CommandContext, thrown: unknown, name: string): unknown {
  if (!(thrown instanceof LineError)) return thrown;
  if (thrown.code === 'EXISTS') {
    context.hint = 'choose another one with --as NAME';
    return new LineError('EXISTS', `${name} is the name of somebody else there`, { cause: thrown });
  }
  if (thrown.code === 'BAD_NAME')
    context.hint = 'names are letters and digits of any script, with . _ and - in between, up to 32: --as NAME';
  return thrown;
}

const MAX_LAST = 1000;
