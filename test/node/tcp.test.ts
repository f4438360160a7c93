import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as connectRaw, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { LineError } from '../../src/errors.ts';
import type { ConnectedLine } from '../../src/line/connect.ts';
import type { RejectedLogin } from '../../src/line/listener.ts';
import { type ConnectOptions, connect } from '../../src/node/connect.ts';
import { makeSha256, serveFolder } from '../../src/node/files/folder-service.ts';
import { ReceiveRoot } from '../../src/node/files/receive-root.ts';
import { type ListenOptions, listen, type Server } from '../../src/node/listen.ts';
import { type Install, temporaryInstall } from '../../src/node/state/install.ts';
import { StretchedPassphrase } from '../../src/node/stretched-passphrase.ts';
import { FilesClient } from '../../src/services/files/reading/client.ts';
import { download } from '../../src/services/files/receiving/download.ts';
import { collect, makeScene, openDescriptors, type Scene } from './files/scene.ts';

const HOST = '127.0.0.1';
const PASSPHRASE = 'orbit-velvet-canyon-turtle';
const code = (value: LineError['code']) => expect.objectContaining({ name: 'LineError', code: value });

/** What must be taken away after each test, last first. */
const atEnd: (() => unknown)[] = [];
let clientInstall: Install;

beforeAll(() => {
  clientInstall = temporaryInstall();
});

afterEach(async () => {
  for (const action of atEnd.splice(0).reverse()) await action();
});

async function serve(options: Partial<ListenOptions> = {}): Promise<Server> {
  const server = await listen({
    host: HOST,
    port: 0,
    passphrase: [{ text: PASSPHRASE, generated: true }],
    install: temporaryInstall(),
    ...options,
  });
  atEnd.push(() => server.close(0));
  return server;
}

async function dial(server: { port: number }, options: Partial<ConnectOptions> = {}): Promise<ConnectedLine> {
  const connected = await connect({
    host: HOST,
    port: server.port,
    passphrase: PASSPHRASE,
    install: clientInstall,
    ...options,
  });
  atEnd.push(() => connected.line.abort(new LineError('CANCELLED', 'the test is over')));
  return connected;
}

function scene(): Scene {
  const made = makeScene();
  atEnd.push(() => made.remove());
  return made;
}

/** A TCP server of no protocol; its connections are taken away at the end. */
async function rawServer(onSocket: (socket: Socket) => void): Promise<{ port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer(socket => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  await new Promise<void>(resolve => server.listen(0, HOST, resolve));
  atEnd.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port };
}

/** A raw client, connected; `closed` resolves when the server has ended it, with all that it said. */
async function rawClient(
  server: { port: number },
  say: Uint8Array | string = '',
): Promise<{ closed: Promise<Buffer> }> {
  const socket = connectRaw(server.port, HOST);
  atEnd.push(() => void socket.destroy());
  const heard: Buffer[] = [];
  socket.on('data', chunk => heard.push(chunk));
  socket.on('error', () => {});
  const closed = new Promise<Buffer>(resolve => socket.once('close', () => resolve(Buffer.concat(heard))));
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  if (say.length > 0) socket.write(say);
  return { closed };
}

describe('logging in over TCP', () => {
  test('the right passphrase opens a line, and both ends agree who they are', async () => {
    const lines: string[] = [];
    const server = await serve({ allow: ['read'], agent: 'server/1', onLine: line => lines.push(line.verifier) });
    const stages: string[] = [];
    const { line, allowed } = await dial(server, { agent: 'client/1', onStage: stage => stages.push(stage) });
    await line.ping();
    expect(lines).toEqual([line.verifier]);
    expect(line.peer.agent).toBe('server/1');
    expect(stages).toEqual(['dialling', 'reached']);
    // Nothing is offered that needs `read`, so it is of no use.
    expect(allowed).toEqual([]);
    expect(server.connectionCount).toBe(1);
    await line.close();
    expect(await line.closed).toBeUndefined();
  });

  test('a wrong passphrase is AUTH at both ends, and opens nothing', async () => {
    const rejected: RejectedLogin[] = [];
    const server = await serve({ onRejected: login => rejected.push(login) });
    await expect(dial(server, { passphrase: 'wrong-wrong-wrong-wrong' })).rejects.toEqual(code('AUTH'));
    await expect(dial(server, { realm: 'nobody' })).rejects.toEqual(code('AUTH'));
    await server.close();
    expect(rejected.map(({ error }) => error.code)).toEqual(['AUTH', 'AUTH']);
    expect(rejected[0]!.address).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test('each realm has its own passphrase, and a one-time code opens once', async () => {
    const realms: (string | undefined)[] = [];
    const server = await serve({
      passphrase: [
        { text: PASSPHRASE, generated: true },
        { text: 'amber-cactus-dolphin-ember', realm: 'guest', oneTime: true, generated: true },
      ],
      onLine: line => realms.push(line.realm),
    });
    const guest = { realm: 'guest', passphrase: 'amber-cactus-dolphin-ember' };
    const { line } = await dial(server, guest);
    await line.ping();
    await expect(dial(server, guest)).rejects.toEqual(code('GONE'));
    await (await dial(server)).line.ping();
    expect(realms).toEqual(['guest', '']);
  });

  test('a passphrase that was stretched before opens as many lines as are wanted, in its realm alone', async () => {
    const server = await serve({
      passphrase: [
        { text: PASSPHRASE, generated: true },
        { text: PASSPHRASE, generated: true, realm: 'other' },
      ],
    });
    const passphrase = new StretchedPassphrase(PASSPHRASE, 'other');
    for (let line = 0; line < 2; line += 1) await dial(server, { passphrase });
    await dial(server, { passphrase, realm: 'other' });
    await expect(dial(server, { passphrase, realm: '' })).rejects.toEqual(code('USAGE'));
    await expect(dial(server, { passphrase: new StretchedPassphrase('wrong') })).rejects.toEqual(code('AUTH'));
    await expect(dial(server, { passphrase: new StretchedPassphrase('') })).rejects.toEqual(code('USAGE'));
  });

  test('R-A14 an empty passphrase, none at all and two of one realm are refused before anything listens', async () => {
    await expect(serve({ passphrase: '' })).rejects.toEqual(code('USAGE'));
    await expect(serve({ passphrase: [] })).rejects.toEqual(code('USAGE'));
    await expect(serve({ passphrase: [{ text: PASSPHRASE }, { text: 'another-one' }] })).rejects.toEqual(code('USAGE'));
    const server = await serve();
    await expect(dial(server, { passphrase: '' })).rejects.toEqual(code('USAGE'));
  });

  test.each([70_000, -1, 1.5, Number.NaN])('the port %d is USAGE at both ends', async port => {
    await expect(serve({ port })).rejects.toEqual(code('USAGE'));
    await expect(dial({ port })).rejects.toEqual(code('USAGE'));
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('a time limit of %d ms is USAGE', async connectTimeoutMs => {
    await expect(dial({ port: 1 }, { connectTimeoutMs })).rejects.toEqual(code('USAGE'));
  });

  test('an address that is taken is ACCESS', async () => {
    const server = await serve();
    await expect(serve({ port: server.port })).rejects.toEqual(code('ACCESS'));
  });

  test('the first login pins the key; another key is PIN, and nothing secret is sent to it', async () => {
    const server = await serve();
    const install = temporaryInstall();
    const { line } = await dial(server, { install });
    expect((await install.pins.lookup(HOST, server.port))?.publicKey).toEqual(line.peer.key);
    const { port } = server;
    await line.close();
    await server.close();
    const rejected: RejectedLogin[] = [];
    const impostor = await serve({ port, onRejected: login => rejected.push(login) });
    await expect(dial(impostor, { install })).rejects.toEqual(code('PIN'));
    await impostor.close();
    // Had FINISH been sent, with the right passphrase in it, this would have been a login.
    expect(rejected).toHaveLength(1);
    expect(rejected[0]!.error.code).not.toBe('AUTH');
    expect((await install.pins.lookup(HOST, port))?.publicKey).toEqual(line.peer.key);
  });

  test('a wrong passphrase pins nothing', async () => {
    const server = await serve();
    const install = temporaryInstall();
    await expect(dial(server, { install, passphrase: 'wrong-wrong-wrong' })).rejects.toEqual(code('AUTH'));
    expect(await install.pins.lookup(HOST, server.port)).toBeUndefined();
  });

  test('a pin that cannot be stored ends the line', async () => {
    const server = await serve();
    const install = temporaryInstall();
    const broken: Install = {
      ...install,
      pins: {
        ...install.pins,
        remember: () => Promise.reject(new LineError('ACCESS', 'the disk cannot be written')),
      },
    };
    await expect(dial(server, { install: broken })).rejects.toEqual(code('ACCESS'));
    await expect.poll(() => server.connectionCount, { timeout: 20_000 }).toBe(0);
  });

  test('a closed port is UNREACHABLE', async () => {
    const server = await serve();
    await server.close();
    await expect(dial({ port: await closedPort() })).rejects.toEqual(code('UNREACHABLE'));
    expect(() => server.port).toThrow(code('CLOSED'));
  });

  test('a server that never answers costs no more than connectTimeoutMs', async () => {
    const silent = await rawServer(() => {});
    await expect(dial(silent, { connectTimeoutMs: 50 })).rejects.toEqual(code('TIMEOUT'));
    const controller = new AbortController();
    const dialling = dial(silent, {
      signal: controller.signal,
      onStage: () => controller.abort(),
    });
    await expect(dialling).rejects.toEqual(code('CANCELLED'));
    await expect(dial(silent, { signal: AbortSignal.abort() })).rejects.toEqual(code('CANCELLED'));
  });

  test.each([
    ['closes at once', (socket: Socket) => void socket.end()],
    ['resets', (socket: Socket) => void socket.resetAndDestroy()],
    ['speaks HTTP', (socket: Socket) => void socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')],
    ['sends noise', (socket: Socket) => void socket.write(randomBytes(100_000))],
    ['echoes', (socket: Socket) => void socket.pipe(socket)],
  ])('a server that %s ends the login with a code', async (_, behave) => {
    const strange = await rawServer(behave);
    const failure: unknown = await dial(strange, { connectTimeoutMs: 5_000 }).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(LineError);
    expect((failure as LineError).code).not.toBe('TIMEOUT');
    expect((failure as LineError).code).not.toBe('INTERNAL');
  });

  test('BUSY is tried again until the server lets in', async () => {
    const server = await serve({ limits: { helloBurstPerSource: 1, hellosPerSecondPerSource: 0.4 } });
    await sayHello(server);
    const stages: string[] = [];
    await dial(server, { onStage: stage => stages.push(stage), connectTimeoutMs: 60_000 });
    expect(stages).toEqual(['dialling', 'reached', 'busy', 'dialling', 'reached']);
  });

  test('BUSY for longer than there is time is BUSY, with the wait that the server named', async () => {
    const server = await serve({ limits: { helloBurstPerSource: 1, hellosPerSecondPerSource: 0.01 } });
    await sayHello(server);
    await expect(dial(server, { connectTimeoutMs: 2_000 })).rejects.toMatchObject({
      code: 'BUSY',
      retryAfterSeconds: expect.any(Number),
    });
  });
});

describe('R-A10 R-A11 a hostile client', () => {
  const HTTP = 'GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n';

  test.each([
    ['garbage', randomBytes(10_000)],
    ['HTTP', HTTP],
    ['a length that is huge', Buffer.from([0x01, 0xff, 0xff, 0xff])],
    ['zeros', Buffer.alloc(64)],
    ['a TLS greeting', Buffer.from('16030102000100', 'hex')],
  ])('that says %s is ended, told little, and keeps nobody out', async (_, say) => {
    const rejected: string[] = [];
    const server = await serve({ onRejected: ({ error }) => rejected.push(error.code) });
    const { closed } = await rawClient(server, say);
    const answer = await closed;
    expect(answer.length).toBeLessThan(64);
    await expect.poll(() => rejected.length, { timeout: 20_000 }).toBe(1);
    expect(rejected[0]).not.toBe('INTERNAL');
    await dial(server);
  });

  test('that says nothing, or half a HELLO, many times over, does not keep an honest one out', async () => {
    const server = await serve();
    // More than may be half open from one address: the oldest make room.
    for (let n = 0; n < 30; n += 1) await rawClient(server, n % 2 === 0 ? '' : Buffer.from([0x01, 0x00, 0x01]));
    await (await dial(server)).line.ping();
    expect(server.connectionCount).toBeLessThanOrEqual(10);
  });

  test('that is silent is ended when the server closes', async () => {
    const server = await serve();
    const silent = await Promise.all([rawClient(server), rawClient(server, HTTP.slice(0, 3)), rawClient(server)]);
    await server.close(0);
    await Promise.all(silent.map(client => client.closed));
    expect(server.connectionCount).toBe(0);
  });
});

describe('closing a server', () => {
  test('ends idle lines in good order, and what is under way at the end of the grace', async () => {
    const server = await serve({
      services: [{ name: 'endless', kinds: { endless: { permission: 'time', handle: () => new Promise(() => {}) } } }],
      allow: ['time'],
    });
    const idle = await dial(server);
    const busy = await dial(server);
    const reading = busy.line.open('endless').read();
    reading.catch(() => {});
    await Promise.all([idle.line.ping(), busy.line.ping()]);
    await server.close(0);
    await expect(reading).rejects.toEqual(code('SHUTDOWN'));
    expect(await busy.line.closed).toMatchObject({ code: 'SHUTDOWN' });
    await idle.line.closed;
    expect(() => idle.line.open('x')).toThrow(expect.objectContaining({ name: 'LineError' }));
    await server.close();
  });

  test('and a folder service gives every descriptor back', async () => {
    const { root } = scene();
    for (let n = 0; n < 10; n += 1) mkdirSync(join(root, `${n}`));
    for (let n = 0; n < 10; n += 1) writeFileSync(join(root, `${n}/f`), 'x');
    const round = async (): Promise<void> => {
      const service = await serveFolder(root);
      const server = await serve({ services: [service], allow: ['read'] });
      const { line } = await dial(server);
      const files = new FilesClient(line);
      for (let n = 0; n < 10; n += 1) await files.stat(`${n}/f`);
      await line.close();
      await server.close(0);
      await service.close();
    };
    await round();
    const before = openDescriptors();
    for (let n = 0; n < 5; n += 1) await round();
    await expect.poll(openDescriptors, { timeout: 20_000 }).toBeLessThanOrEqual(before);
  });
});

describe('files over TCP', () => {
  test('forty clients list and fetch while one fetches 64 MiB', async () => {
    const { root, base } = scene();
    const big = randomBytes(64 * 1024 * 1024);
    writeFileSync(join(root, 'big'), big);
    mkdirSync(join(root, 'folder'));
    for (let n = 0; n < 20; n += 1) writeFileSync(join(root, `folder/${n}`), `content ${n}`);
    const faults: unknown[] = [];
    const server = await serve({
      services: [await serveFolder(root)],
      allow: ['read'],
      onFault: thrown => faults.push(thrown),
      limits: { helloBurstPerSource: 1000, hellosPerSecondPerSource: 1000, halfOpenConnectionsPerSource: 100 },
    });
    const target = await ReceiveRoot.open(join(base, 'target'), { make: true });
    atEnd.push(() => target.close());
    const fetching = dial(server).then(({ line, allowed }) => {
      expect(allowed).toEqual(['read']);
      return download(new FilesClient(line), target, { from: 'big', to: 'big' }, { makeSha256, checksum: true });
    });
    const small = Array.from({ length: 40 }, async (_, n) => {
      const { line } = await dial(server, { install: temporaryInstall(), connectTimeoutMs: 60_000 });
      const files = new FilesClient(line);
      expect(await collect(files.list('', { recursive: true }))).toHaveLength(22);
      const summary = await download(files, target, { from: 'folder', to: `to${n}` }, { makeSha256 });
      expect(summary).toMatchObject({ received: 20, failed: 0 });
      await line.close();
    });
    await Promise.all([fetching, ...small]);
    expect(Buffer.compare(readFileSync(join(base, 'target/big')), big)).toBe(0);
    expect(readFileSync(join(base, 'target/to39/7'), 'utf8')).toBe('content 7');
    expect(faults).toEqual([]);
  });
});

/** Uses up one HELLO: the login is broken off by the client as soon as the server has answered. */
async function sayHello(server: { port: number }): Promise<void> {
  const install = temporaryInstall();
  await install.pins.remember(HOST, server.port, new Uint8Array(32));
  await expect(dial(server, { install })).rejects.toEqual(code('PIN'));
}

/** A port that was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, HOST, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  return port;
}
