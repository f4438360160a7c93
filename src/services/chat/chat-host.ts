import { LineError } from '../../errors.ts';
import type { Channel } from '../../line/channel.ts';
import { systemClock } from '../../line/clock.ts';
import type { Route } from '../../line/route.ts';
import type { Service } from '../service.ts';
import type { ChatHistory } from './history.ts';
import { ChatServer, type ChatServerOptions } from './hosting/chat-server.ts';
import { CHAT_KIND } from './messages.ts';

/**
 * The chat service: rooms that remember (docs/protocol/4-services.md §3). `openHistory` is called once, when somebody
 * first asks for chat; what it gives belongs to the host.
 */
export function chatHost(openHistory: () => Promise<ChatHistory>, options: ChatHostOptions): ChatHost {
  const held: { server?: Promise<ChatServer>; isClosed?: boolean } = {};
  const open = async (): Promise<ChatServer> =>
    ChatServer.open(await openHistory(), { ...options, clock: options.clock ?? systemClock });
  const kind = (handle: (server: ChatServer, channel: Channel, route: Route) => Promise<void>) => ({
    permission: 'chat' as const,
    handle: async (channel: Channel, route: Route) => {
      if (held.isClosed) throw new LineError('SHUTDOWN', 'this side stops');
      held.server ??= open();
      await handle(await held.server, channel, route);
    },
  });
  return {
    name: 'chat',
    kinds: {
      [CHAT_KIND.join]: kind((server, channel, route) => server.join(channel, route)),
      [CHAT_KIND.history]: kind((server, channel, route) => server.readHistory(channel, route)),
      [CHAT_KIND.search]: kind((server, channel, route) => server.search(channel, route)),
      [CHAT_KIND.rooms]: kind((server, channel, route) => server.listRooms(channel, route)),
      [CHAT_KIND.who]: kind((server, channel, route) => server.listMembers(channel, route)),
    },
    close: async () => {
      held.isClosed = true;
      // One that could not be opened told so whoever asked for it.
      const server = await held.server?.catch(() => undefined);
      await server?.close();
    },
  };
}

export interface ChatHost extends Service {
  /** Stores what was said, ends the channels that are open, and closes the history. May be called twice. */
  close(): Promise<void>;
}

export interface ChatHostOptions extends Omit<ChatServerOptions, 'clock'>, Partial<Pick<ChatServerOptions, 'clock'>> {}
