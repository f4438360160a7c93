import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ObjectStream } from '../../../src/classic/files/object-stream.ts';
import type { ServeFilesOptions } from '../../../src/classic/files/server.ts';
import { type Address, keyOfPassword, type PickleValue, serveFiles } from '../../../src/classic/index.ts';
import type { Connection } from '../../../src/classic/net/connection.ts';
import { acceptOne, dial } from '../../../src/classic/net/tcp.ts';
import { LineError, ReadRoot } from '../../../src/node/index.ts';
import { Pieces } from './pieces.ts';
import { type Served, serve } from './programs.ts';

/** Peers of the file server and its client that do as a test tells them. */

export const PASSWORD = 'hunter2';
/** For waits that have to end, where what is waited for never comes. */
export const SHORT_MS = 250;
export const LONG_MS = 60_000;

const credentials = keyOfPassword(PASSWORD);

/** A folder of this test alone. */
export async function makeFolder(files: Readonly<Record<string, Uint8Array>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-classic-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** Our server over a folder, or over what poses as one. */
export async function serveFolder(
  root: string | ServeFilesOptions['root'],
  options: Partial<Pick<ServeFilesOptions, 'password' | 'silenceMs'>> = {},
): Promise<Served<void>> {
  const opened = typeof root === 'string' ? await ReadRoot.open(root) : root;
  if (opened instanceof ReadRoot) onTestFinished(() => opened.close());
  return serve([], (at, around) => serveFiles(at, { ...around, root: opened, password: PASSWORD, ...options }));
}

/** A connection to `at` by which a test says whatever it likes. */
export async function callRaw(at: Address): Promise<{ connection: Connection; objects: ObjectStream }> {
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort(new LineError('CANCELLED', 'the test is over')));
  const connection = await dial(at, stopping.signal);
  return { connection, objects: new ObjectStream(connection, credentials) };
}

/** A server that hands its first caller to a test. */
export async function serveRaw(
  handle: (objects: ObjectStream, connection: Connection) => Promise<void>,
): Promise<{ readonly at: Address; readonly done: Promise<void> }> {
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort(new LineError('CANCELLED', 'the test is over')));
  return new Promise(resolve => {
    const done = (async () => {
      const around = { signal: stopping.signal, onListening: (at: Address) => resolve({ at, done }) };
      const connection = await acceptOne({ host: '127.0.0.1', port: 0 }, around);
      try {
        await handle(new ObjectStream(connection, credentials), connection);
      } finally {
        await connection.close();
      }
    })();
    // A test that does not wait for it has what it wants to know from the other side.
    done.catch(() => {});
  });
}

/** The objects in the bytes of one direction, in the pieces in which they are given. */
export async function objectsIn(...pieces: Uint8Array[]): Promise<PickleValue[]> {
  const stream = new ObjectStream(new Pieces(...pieces), credentials);
  const objects: PickleValue[] = [];
  for (;;) {
    const object = await stream.receive(LONG_MS);
    if (object === undefined) return objects;
    objects.push(object);
  }
}

/** What one side sends of these objects. */
export async function bytesOf(...objects: readonly PickleValue[]): Promise<Uint8Array> {
  const pieces = new Pieces();
  const stream = new ObjectStream(pieces, credentials);
  for (const object of objects) await stream.send(object, LONG_MS);
  return new Uint8Array(Buffer.concat(pieces.sent));
}

/** A `SaveFile` that keeps what was whole, and how much came of what was not. */
export class SavedFiles {
  readonly whole = new Map<string, Uint8Array>();
  readonly begun = new Map<string, number>();

  readonly save = async (location: string, content: AsyncIterable<Uint8Array>): Promise<void> => {
    const pieces: Uint8Array[] = [];
    this.begun.set(location, 0);
    for await (const piece of content) {
      pieces.push(piece);
      this.begun.set(location, this.begun.get(location)! + piece.length);
    }
    this.whole.set(location, new Uint8Array(Buffer.concat(pieces)));
  };
}

/** A file that is as long as it says and as random as can be. */
export function noiseFile(size: number, overrides: object = {}) {
  return {
    entry: { path: '', type: 'file' as const, size, mtimeUs: 0, mode: 0o644 },
    read: async (target: Uint8Array, position: number) => {
      const length = Math.max(0, Math.min(target.length, size - position));
      target.set(randomBytes(length));
      return length;
    },
    verifyUnchanged: async () => {},
    close: async () => {},
    ...overrides,
  };
}
