import type { Connection } from './connection.ts';
import { acceptOne, dial } from './tcp.ts';

/** Both ends of one connection of this machine with itself; whoever asked closes both. */
export async function makePair(signal: AbortSignal): Promise<[near: Connection, far: Connection]> {
  let dialled: Promise<Connection> | undefined;
  const far = await acceptOne(
    { host: '127.0.0.1', port: 0 },
    {
      signal,
      onListening: address => {
        dialled = dial(address, signal);
      },
    },
  );
  return [await dialled!, far];
}
