import { describe, expect, it } from 'vitest';
import {
  askTime,
  type ControlFraming,
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
  serveQq,
  serveTalk,
} from '../../src/classic/index.ts';
import { answerTime } from '../../src/classic/time/time-answer.ts';
import { utcZone } from '../../src/node/index.ts';
import { caller, makeRunner, serve } from './support/programs.ts';
import { replayCall, replayServe } from './support/recorded-peer.ts';
import { conversation } from './support/vectors.ts';

const yes = async () => true;

/** Conversations that were recorded between two originals, with ours in the place of one of them. */
describe('our serving side, called by what the original sent', () => {
  it.each([
    ['hello tcp', serveHelloTcp],
    ['hello udp', serveHelloUdp],
    ['talk', serveTalk],
    ['talk ended by the serving side', serveTalk],
  ] as const)('%s', async (name, program) => {
    const recorded = conversation(name);
    const { person, at, ended } = serve(recorded.typed.serve, program);
    await replayCall(await at, recorded);
    await ended;
    expect(person.printed).toBe(recorded.printed.serve);
  });

  it('qq, which goes on where the original ends', async () => {
    const recorded = conversation('qq');
    const { person, at, stop, ended } = serve(recorded.typed.serve, serveQq);
    await replayCall(await at, recorded);
    stop();
    await ended;
    expect(person.printed).toBe(recorded.printed.serve);
  });

  it.each(['raw', 'length', 'struct'] as const)('control %s', async framing => {
    const recorded = conversation(`control ${framing}`);
    const { person, at, ended } = serve(recorded.typed.serve, (where, options) =>
      serveControl(where, { ...options, framing }),
    );
    await replayCall(await at, recorded);
    await ended;
    expect(person.printed).toBe(recorded.printed.serve);
  });

  it('exec', async () => {
    const recorded = conversation('exec');
    const { commands } = await makeRunner();
    const { at } = serve([], (where, options) => serveExec(where, { ...options, commands }));
    await replayCall(await at, recorded);
  });

  it('desk', async () => {
    const recorded = conversation('desk');
    const { at } = serve(recorded.typed.serve, serveDesk);
    await replayCall(await at, recorded);
  });

  it('time, at the time that stood still for the recording', () => {
    const now = new Date(Date.UTC(2018, 4, 8, 20, 30, 15));
    const { wire } = conversation('time');
    for (let at = 0; at < wire.length; at += 2) {
      const answer = answerTime(Buffer.from(wire[at]!.hex, 'hex'), now, utcZone());
      const text = 'bytes' in answer ? Buffer.from(answer.bytes).toString('hex') : answer.refused;
      expect(text).toBe(wire[at + 1]!.hex);
    }
  });
});

describe('our calling side, answered by what the original sent', () => {
  it.each([
    ['hello tcp', callHelloTcp],
    ['hello udp', callHelloUdp],
    ['talk', callTalk],
    ['talk ended by the serving side', callTalk],
    ['time', askTime],
    ['qq', callQq],
    ['exec', callExec],
    ['desk', callDesk],
  ] as const)('%s', async (name, program) => {
    const recorded = conversation(name);
    const { at, done } = await replayServe(recorded);
    const { person, signal } = caller(recorded.typed.call);
    await program(at, { person, signal });
    await done;
    expect(person.printed).toBe(recorded.printed.call);
  });

  it.each(['raw', 'length', 'struct'] as const satisfies readonly ControlFraming[])('control %s', async framing => {
    const recorded = conversation(`control ${framing}`);
    const { at, done } = await replayServe(recorded);
    const { commands } = await makeRunner();
    await obeyControl(at, { ...caller(), framing, commands, mayRun: yes });
    await done;
  });

  it('hmac', async () => {
    const recorded = conversation('hmac');
    const { at, done } = await replayServe(recorded);
    await callHmac(at, { ...caller(), secret: new TextEncoder().encode('wyb') });
    await done;
  });
});
