import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ChatScene, type Person } from './scene.ts';

const NAMES = ['anna', 'bert', 'carl'] as const;

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('say' as const), who: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('whisper' as const), who: fc.nat(2), to: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('say much' as const), who: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), who: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('return' as const), who: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
);

const RUNS = process.env['POSTERN_SOAK'] === '1' ? 500 : 25;

it('every member is told every message that it may read exactly once and in order, whatever lines and servers do', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async steps => {
      const scene = await ChatScene.open();
      try {
        await play(scene, steps);
      } finally {
        await scene.end();
      }
    }),
    { numRuns: RUNS },
  );
});

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

async function play(scene: ChatScene, steps: readonly Step[]): Promise<void> {
  const people: Person[] = [];
  for (const name of NAMES) people.push((await scene.person(name, { last: 0 })).listen());
  const isAway = [false, false, false];
  const said: { readonly text: string; readonly from: number; readonly to?: number }[] = [];
  const sending: Promise<{ readonly id: number }>[] = [];
  const say = (from: number, text: string, to?: number) => {
    said.push({ text, from, ...(to === undefined ? {} : { to }) });
    sending.push(people[from]!.room.send(text, to === undefined ? {} : { to: NAMES[to]! }));
  };
  for (const [n, one] of steps.entries()) {
    switch (one.do) {
      case 'say':
        say(one.who, `${n}`);
        break;
      case 'whisper':
        say(one.who, `${n} for ${one.to}`, one.to);
        break;
      case 'say much':
        for (let part = 0; part < 40; part += 1) say(one.who, `${n}.${part} ${'x'.repeat(8000)}`);
        break;
      case 'cut':
        if (!isAway[one.who]) await people[one.who]!.cut();
        isAway[one.who] = true;
        break;
      case 'return':
        if (isAway[one.who]) await people[one.who]!.return(scene);
        isAway[one.who] = false;
        break;
      default: {
        const gone = people.filter((_, who) => !isAway[who]).map(({ room }) => room.detached);
        await scene.restart();
        await Promise.all(gone);
        isAway.fill(true);
      }
    }
  }
  for (const [who, person] of people.entries()) if (isAway[who]) await person.return(scene);
  const ids = (await Promise.all(sending)).map(({ id }) => id);
  // Each is stored once, and those of one sender in the order in which it said them.
  expect(new Set(ids).size).toBe(said.length);
  for (const who of people.keys()) {
    const own = ids.filter((_, at) => said[at]!.from === who);
    expect(own).toEqual(own.toSorted((one, other) => one - other));
  }
  for (const [who, person] of people.entries()) {
    const due = said
      .map((message, at) => ({ ...message, id: ids[at]! }))
      .filter(({ from, to }) => to === undefined || from === who || to === who)
      .sort((one, other) => one.id - other.id);
    await person.until(({ messages }) => messages.length >= due.length);
    expect(person.messages.map(({ id, text }) => ({ id, text }))).toEqual(due.map(({ id, text }) => ({ id, text })));
  }
}
