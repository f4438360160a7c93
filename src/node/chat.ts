import { setTimeout as sleep } from 'node:timers/promises';
import type { LineError } from '../errors.ts';
import { onAbort, toLineError } from '../line/abort.ts';
import type { Line } from '../line/line.ts';
import type { Route } from '../line/route.ts';
import { ChatRoom, type ChatRoomOptions } from '../services/chat/chat-room.ts';
import type { JoinedRoom } from '../services/chat/message.ts';
import { LASTING, waitBeforeDialling } from './agent.ts';
import { type ConnectOptions, connect, stretchFor } from './connect.ts';
import { nodeCrypto } from './crypto.ts';

/** A room to attach to lines one after the other; see `ChatRoom`. */
export function makeChatRoom(options: Omit<ChatRoomOptions, 'randomBytes'>): ChatRoom {
  return new ChatRoom({ ...options, randomBytes: length => nodeCrypto.randomBytes(length) });
}

/** Joins a room over `route`. Throws what `attach` does. */
export async function joinChat(
  route: Pick<Route, 'open'>,
  options: Omit<ChatRoomOptions, 'randomBytes'>,
): Promise<ChatRoom> {
  const room = makeChatRoom(options);
  await room.attach(route);
  return room;
}

/**
 * Stays in `room` until it is left: dials, joins, and when the line is lost dials again, after 1 s, then twice as long each
 * time, up to 60 s, less up to half by chance. Resolves after `room.leave()`, and when `signal` is aborted, which leaves it.
 *
 * Throws what another try would not change: `AUTH`, `PIN`, `REVOKED`, `VERSION`, `FORBIDDEN`, `UNSUPPORTED`, `EXISTS`,
 * `BAD_NAME`, `USAGE`. The room is left then.
 */
export async function stayInChat(room: ChatRoom, options: StayInChatOptions): Promise<void> {
  const { onEvent, ...dialling } = options;
  const passphrase = stretchFor(options);
  const leaving = new AbortController();
  const stopListening = onAbort(options.signal, () => leaving.abort());
  void room.left.then(() => leaving.abort());
  const { signal } = leaving;
  try {
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const error = await stay(room, { ...dialling, passphrase, signal }, joined => {
        attempt = 0;
        onEvent?.(joined);
      });
      if (error === undefined || signal.aborted) break;
      if (LASTING.has(error.code)) throw error;
      const waitMs = waitBeforeDialling(attempt, Math.random());
      onEvent?.({ type: 'lost', error, waitMs });
      await sleep(waitMs, undefined, { signal }).catch(() => {}); // Aborted: the loop ends.
    }
  } finally {
    stopListening();
    await room.leave();
  }
}

export interface StayInChatOptions extends Omit<ConnectOptions, 'onChannel'> {
  readonly onEvent?: ((event: StayInChatEvent) => void) | undefined;
}

export type StayInChatEvent =
  | { readonly type: 'joined'; readonly joined: JoinedRoom; readonly line: Line }
  /** There is no line, and another one is dialled after `waitMs`. */
  | { readonly type: 'lost'; readonly error: LineError; readonly waitMs: number };

/** One line, from dialling to its end; gives what ended it, `undefined` after `leave`. */
async function stay(
  room: ChatRoom,
  options: ConnectOptions,
  onJoined: (event: StayInChatEvent) => void,
): Promise<LineError | undefined> {
  let line: Line | undefined;
  try {
    ({ line } = await connect({ ...options, sharesLine: true }));
    const joined = await room.attach(line);
    onJoined({ type: 'joined', joined, line });
    const stopListening = onAbort(options.signal, () => void room.leave());
    const error = await room.detached;
    stopListening();
    return error;
  } catch (thrown) {
    return toLineError(thrown);
  } finally {
    await line?.close();
  }
}
