import type { Route } from '../line/route.ts';
import { ChatRoom, type ChatRoomOptions } from '../services/chat/chat-room.ts';
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
