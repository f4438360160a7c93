import { describe, expect, it } from 'vitest';
import {
  CONTROL_FRAMINGS,
  callDesk,
  callExec,
  callHelloTcp,
  callHelloUdp,
  callHmac,
  callQq,
  callTalk,
  obeyControl,
  serveControl,
  serveDesk,
  serveExec,
  serveHelloTcp,
  serveHelloUdp,
  serveHmac,
  serveQq,
  serveTalk,
} from '../../src/classic/index.ts';
import { caller, makeRunner, serve } from './support/programs.ts';

const yes = async (): Promise<boolean> => true;
const secret = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Ours with ours; test/classic/conversations.test.ts has ours with the originals. */
describe('hello', () => {
  it.each([
    ['tcp', serveHelloTcp, callHelloTcp, "b'wyb'\n中午吃什么\n", "b'hi!'\n吃包子啊!\n"],
    ['udp', serveHelloUdp, callHelloUdp, 'hello\n', 'bye\n'],
  ] as const)('over %s', async (_, server, client, served, called) => {
    const { person, at, ended } = serve([], server);
    const calling = caller();
    await client(await at, calling);
    await ended;
    expect([person.printed, calling.person.printed]).toEqual([served, called]);
  });
});

describe('talk', () => {
  it('goes in turns until one says bye', async () => {
    const { person, at, ended } = serve(['你好', '吃了'], serveTalk);
    const calling = caller(['在吗', '', '吃了吗', 'bye']);
    await callTalk(await at, calling);
    await ended;
    expect(person.heard.map(({ text }) => text)).toEqual(['在吗', '吃了吗']);
    expect(calling.person.heard.map(({ text }) => text)).toEqual(['你好', '吃了']);
  });

  it.each([
    ['serving', [], ['hello']],
    ['calling', ['hello'], []],
  ])('says bye where the input of the %s side ends', async (_, served, called) => {
    const { at, ended } = serve(served, serveTalk);
    await callTalk(await at, caller(called));
    await ended;
  });
});

describe('qq', () => {
  it('tells apart who speaks, and answers each', async () => {
    const { person, at } = serve(['to the first', 'to the second', 'bye', 'bye'], serveQq);
    const first = caller(['one', 'three']);
    const second = caller(['two', 'four']);
    const address = await at;
    const calls = [
      callQq(address, { ...first, name: '小李', color: 'red' }),
      person
        .until(({ heard }) => heard.length === 1)
        .then(() => callQq(address, { ...second, name: '小王', color: 'green' })),
    ];
    await Promise.all(calls);
    const [one, ...others] = person.heard;
    expect(one).toMatchObject({ text: '来自小李的消息: one', color: 'red' });
    expect(others.some(({ text, color }) => text === '来自小王的消息: two' && color === 'green')).toBe(true);
    expect(new Set(person.heard.map(({ from }) => from)).size).toBe(2);
    const answers = [...first.person.heard, ...second.person.heard].map(({ text }) => text);
    expect(answers.sort()).toEqual(['to the first', 'to the second']);
  });

  it('asks again for a message that recvfrom(1024) would cut, on both sides', async () => {
    const { person, at } = serve(['长'.repeat(342), 'short', 'bye'], serveQq);
    const calling = caller(['x'.repeat(1024), 'one', 'two']);
    await callQq(await at, calling);
    expect(person.heard.map(({ text }) => text)).toEqual(['来自老王的消息: one', '来自老王的消息: two']);
    expect(calling.person.heard.map(({ text }) => text)).toEqual(['short']);
    for (const { notes } of [person, calling.person])
      expect(notes.filter(note => note.startsWith('not sent'))).toHaveLength(1);
  });

  it('goes on when a caller says a bare bye, which ends the original', async () => {
    const { person, at, stop, ended } = serve(['hello'], serveQq);
    const address = await at;
    const { createSocket } = await import('node:dgram');
    const socket = createSocket('udp4');
    await new Promise(resolve => socket.send('bye', address.port, address.host, resolve));
    await person.until(({ notes }) => notes.some(note => note.includes('has left')));
    socket.close();
    const calling = caller(['still there?']);
    await callQq(address, calling);
    expect(calling.person.heard).toEqual([{ text: 'hello' }]);
    stop();
    await ended;
  });
});

describe.each(CONTROL_FRAMINGS)('control, framing %s', framing => {
  const run = async (lines: readonly string[], encoding: 'gbk' | 'utf-8' = 'gbk') => {
    const { commands, recorded } = await makeRunner();
    const served = serve(lines, (at, options) => serveControl(at, { ...options, framing, encoding }));
    const obeying = caller();
    await obeyControl(await served.at, { ...obeying, framing, encoding, commands, mayRun: yes });
    await served.ended;
    return { printed: served.person.printed, heard: obeying.person.heard.map(({ text }) => text), recorded };
  };

  it('runs what is typed, and shows both outputs', async () => {
    const { printed, heard, recorded } = await run(['echo hello', '', 'echo out; echo err >&2', 'q']);
    expect(printed).toBe('>>>hello\n\n>>>>>>out\nerr\n\n>>>');
    expect(heard).toEqual(['echo hello', 'echo out; echo err >&2']);
    expect(recorded.map(({ event }) => event)).toEqual(['start', 'end', 'start', 'end']);
  });

  it.each(['gbk', 'utf-8'] as const)('carries Chinese both ways in %s', async encoding => {
    const { printed } = await run(["printf '%s' 中文", 'q'], encoding);
    expect(printed).toBe('>>>中文\n>>>');
  });

  it.skipIf(framing === 'raw')('knows an empty output, and one of a megabyte', async () => {
    const { printed } = await run(['true', 'head -c 1000000 /dev/zero | tr "\\0" x', 'q']);
    expect(printed).toBe(`>>>\n>>>${'x'.repeat(1_000_000)}\n>>>`);
  });

  it('says no where the person at the machine does', async () => {
    const { commands, recorded } = await makeRunner();
    const served = serve(['echo hello', 'q'], (at, options) => serveControl(at, { ...options, framing }));
    await obeyControl(await served.at, { ...caller(), framing, commands, mayRun: async () => false });
    await served.ended;
    expect(served.person.printed).toBe('>>>postern: refused\n\n>>>');
    expect(recorded).toEqual([]);
  });

  it('leaves by the words that its original leaves by', async () => {
    const { printed, heard } = await run(['exit', 'q']);
    expect(heard).toEqual(framing === 'raw' ? [] : ['exit']);
    expect(printed).toBe(framing === 'raw' ? '>>>' : '>>>\n>>>');
  });
});

describe('exec', () => {
  it('runs one command, and as many as are typed', async () => {
    const { commands } = await makeRunner();
    const { at, person } = serve([], (where, options) => serveExec(where, { ...options, commands }));
    const once = caller();
    await callExec(await at, { ...once, command: 'echo 你好' });
    expect(once.person.printed).toBe('返回的消息:你好\n\n');
    const row = caller(['echo one', ' ', 'head -c 200000 /dev/zero | tr "\\0" x; echo two >&2']);
    await callExec(await at, row);
    expect(row.person.printed).toContain('返回的消息:one\n\n');
    expect(row.person.printed).toContain(`返回的消息:${'x'.repeat(200_000)}two\n\n`);
    expect(person.heard.map(({ text }) => text)).toContain('接收的是:echo 你好');
  });

  it('serves several at once', async () => {
    const { commands } = await makeRunner();
    const { at } = serve([], (where, options) => serveExec(where, { ...options, commands }));
    const address = await at;
    const callers = ['one', 'two', 'three'].map(word => ({ word, calling: caller() }));
    await Promise.all(callers.map(({ word, calling }) => callExec(address, { ...calling, command: `echo ${word}` })));
    expect(callers.map(({ calling }) => calling.person.printed)).toEqual(
      callers.map(({ word }) => `返回的消息:${word}\n\n`),
    );
  });
});

describe('desk', () => {
  it('answers each caller in turn, until the operator has no more to say', async () => {
    const { at, person, ended } = serve(['您好', '请说', '稍等'], serveDesk);
    const address = await at;
    const callers = [caller(['甲']), caller(['乙']), caller(['丙'])];
    await Promise.all(callers.map((calling, index) => callDesk(address, { ...calling, name: `客${index}` })));
    expect(callers.flatMap(({ person: { heard } }) => heard.map(({ text }) => text)).sort()).toEqual(
      ['您好', '请说', '稍等'].sort(),
    );
    expect(person.heard.map(({ text }) => text).sort()).toEqual(['客0: 甲', '客1: 乙', '客2: 丙']);
    await callDesk(address, caller(['丁']));
    await ended;
  });
});

describe('hmac', () => {
  it.each([
    ['the same secret', 'wyb', 'md5', true],
    ['another secret', 'wyc', 'md5', false],
    ['the same secret, and SHA-256', 'wyb', 'sha256', true],
  ] as const)('%s', async (_, known, digest, isRight) => {
    const { at, person, ended } = serve([], (where, options) =>
      serveHmac(where, { ...options, secret: secret('wyb'), digest }),
    );
    await callHmac(await at, { ...caller(), secret: secret(known), digest });
    expect(await ended).toBe(isRight);
    expect(person.printed).toBe(isRight ? '合法的客户端\n' : '不合法的客户端\n');
  });

  it('another digest is another answer', async () => {
    const { at, ended } = serve([], (where, options) => serveHmac(where, { ...options, secret: secret('wyb') }));
    await callHmac(await at, { ...caller(), secret: secret('wyb'), digest: 'sha256' });
    expect(await ended).toBe(false);
  });
});
