import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type Address,
  askTime,
  callDesk,
  callExec,
  callHmac,
  callQq,
  callTalk,
  obeyControl,
  serveControl,
  serveDesk,
  serveExec,
  serveHmac,
  serveQq,
  serveTalk,
  serveTime,
} from '../../src/classic/index.ts';
import { caller, makeRunner, type Served, serve } from './support/programs.ts';
import { hasPython, PYTHON } from './support/python.ts';

const secret = new TextEncoder().encode('wyb');
const FRAMINGS = ['raw', 'length', 'struct'] as const;
const LONG = 'head -c 300000 /dev/zero | tr "\\0" x';
/** After an empty output of framing `length` the peer's recv(1024) may take the next command for a part of `ok`. */
const LINES = { raw: ['echo 你好', 'q'], length: ['echo 你好', LONG, 'q'], struct: ['echo 你好', LONG, 'true', 'q'] };

/** Our side against a peer of our own that is written in Python, with its struct, json, hmac and strftime. */
describe.skipIf(!hasPython)('ours serves, Python calls', () => {
  it('talk', async () => {
    const served = serve(['有', 'bye'], serveTalk);
    await callPython('talk', served);
    await served.ended;
    expect(served.person.heard.map(({ text }) => text)).toEqual(['在吗', '好']);
  });

  it('desk', async () => {
    const served = serve(['请说'], serveDesk);
    expect(await callPython('desk', served)).toEqual(['请说']);
  });

  it('qq', async () => {
    const served = serve(['吃了'], serveQq);
    expect(await callPython('qq', served)).toEqual(['吃了']);
    expect(served.person.heard[0]).toMatchObject({ text: '来自小李的消息: 你好', color: 'green' });
  });

  it('time', async () => {
    expect(await callPython('time', serve([], serveTime))).toEqual(['True', 'True', 'True']);
  });

  it.each(FRAMINGS)('control %s', async framing => {
    const lines = LINES[framing];
    const served = serve(lines, (at, options) => serveControl(at, { ...options, framing }));
    expect(await callPython(framing, served)).toEqual(lines.slice(0, -1));
    await served.ended;
    expect(served.person.printed.startsWith('>>>你好\n\n>>>')).toBe(true);
    if (framing !== 'raw') expect(served.person.printed).toContain(`>>>${'x'.repeat(300_000)}\n>>>`);
  });

  it('exec', async () => {
    const { commands } = await makeRunner();
    const served = serve([], (at, options) => serveExec(at, { ...options, commands }));
    expect(await callPython('exec', served)).toEqual(['你好\n', 'x'.repeat(300_000), '', 'err\n']);
  });

  it.each(['md5', 'sha256'] as const)('hmac with %s', async digest => {
    const served = serve([], (at, options) => serveHmac(at, { ...options, secret, digest }));
    await callPython(digest, served);
    expect(await served.ended).toBe(true);
  });
});

describe.skipIf(!hasPython)('Python serves, ours calls', () => {
  it('talk', async () => {
    const { at, shown } = await servePython('talk');
    const calling = caller(['一', '二', 'bye']);
    await callTalk(at, calling);
    expect(await shown).toEqual(['一', '二']);
    expect(calling.person.heard.map(({ text }) => text)).toEqual(['好', '好']);
  });

  it('desk', async () => {
    const { at, shown } = await servePython('desk');
    await callDesk(at, caller(['在吗', 'q']));
    expect(await shown).toEqual(['老王: 在吗', 'q']);
  });

  it('qq', async () => {
    const { at, shown } = await servePython('qq');
    const calling = caller(['你好', '吃了']);
    await callQq(at, calling);
    expect(await shown).toEqual(['\x1b[34m来自老王的消息: 你好\x1b[0m', '\x1b[34m来自老王的消息: 吃了\x1b[0m']);
    expect(calling.person.heard).toEqual([{ text: '吃了吗' }]);
  });

  it('time', async () => {
    const { at, shown } = await servePython('time');
    const calling = caller(['', '%A %j']);
    await askTime(at, calling);
    expect(await shown).toEqual(['', '%A %j']);
    expect(calling.person.heard.map(({ text }) => text)).toEqual(['2018-05-08 20:30:15', 'Tuesday 128']);
  });

  it.each(FRAMINGS)('control %s', async framing => {
    const { at, shown } = await servePython(framing);
    const { commands } = await makeRunner();
    await obeyControl(at, { ...caller(), framing, commands, mayRun: async () => true });
    const all = ['你好\n', 'x'.repeat(300_000), '', 'err\n'];
    expect(await shown).toEqual(framing === 'raw' ? all.slice(0, 1) : all);
  });

  it('exec', async () => {
    const { at, shown } = await servePython('exec');
    const calling = caller(['echo 你好', LONG, 'true']);
    await callExec(at, calling);
    expect(await shown).toEqual(['echo 你好', LONG, 'true']);
    expect(calling.person.printed).toContain(`返回的消息:${'x'.repeat(300_000)}\n`);
  });

  it.each(['md5', 'sha256'] as const)('hmac with %s', async digest => {
    const { at, shown } = await servePython(digest);
    await callHmac(at, { ...caller(), secret, digest });
    expect(await shown).toEqual(['True']);
  });
});

async function callPython(program: string, { at }: Served<unknown>): Promise<string[]> {
  const { port } = await at;
  return (await python([program, 'call', String(port)]).shown).map(unquoted);
}

async function servePython(program: string): Promise<{ at: Address; shown: Promise<string[]> }> {
  const { first, shown } = python([program, 'serve', '0']);
  const port = Number(await first);
  return { at: { host: '127.0.0.1', port }, shown: shown.then(lines => lines.slice(1).map(unquoted)) };
}

/** Its first line as soon as it is there, and all of them at its end. */
function python(args: readonly string[]): { first: Promise<string>; shown: Promise<string[]> } {
  const env = { ...process.env, PYTHONIOENCODING: 'utf-8', LC_ALL: 'C.UTF-8' };
  const child = spawn(PYTHON, [PEER, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  let complaints = '';
  child.stderr.on('data', (bytes: Buffer) => {
    complaints += bytes;
  });
  let begin: (line: string) => void = () => {};
  const first = new Promise<string>(resolve => {
    begin = resolve;
  });
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
    if (text.includes('\n')) begin(text.slice(0, text.indexOf('\n')));
  });
  const shown = new Promise<string[]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', status => {
      if (status === 0) resolve(text.split('\n').slice(0, -1));
      else reject(new Error(`the peer ended with ${status}: ${complaints}`));
    });
  });
  // Whoever waits for the first line alone hears of a failure by its absence.
  shown.catch(() => begin(''));
  return { first, shown };
}

/** What ascii() of Python made of a string; everything else as it stands. */
function unquoted(literal: string): string {
  if (!/^['"]/.test(literal)) return literal;
  const escaped = literal
    .slice(1, -1)
    .replace(/\\x([0-9a-f]{2})/g, '\\u00$1')
    .replace(/\\'/g, "'");
  return JSON.parse(`"${escaped.replace(/(?<!\\)"/g, '\\"')}"`) as string;
}

const PEER = fileURLToPath(new URL('./peers/peer.py', import.meta.url));
