import picocolors from 'picocolors';
import { expect, it } from 'vitest';
import { MessageLines } from '../../../../src/cli/commands/chat/message-lines.ts';
import { findCommand, type Talk } from '../../../../src/cli/commands/chat/slash-commands.ts';

const device = new Uint8Array(32);

/** Somebody at a screen in a room that is like this. */
function talking(room: object): { readonly talk: Talk; readonly shown: string[] } {
  const shown: string[] = [];
  const talk = {
    room: { room: 'lobby', name: 'ann', ...room },
    lines: new MessageLines(picocolors.createColors(false), () => 80),
    show: (...lines: readonly string[]) => {
      for (const line of lines) shown.push(line);
    },
    timeOf: () => undefined,
    lastShown: 0,
  } as unknown as Talk;
  return { talk, shown };
}

it('R-A12: shows found messages that have as many lines as a message can have', async () => {
  const text = `${'\n'.repeat(8000)}x`;
  const { talk, shown } = talking({
    async *search() {
      for (let id = 1; id <= 50; id += 1) yield { id, timeMs: 0, from: 'eve', device, kind: 'text', text };
    },
  });
  await findCommand('search').run(talk, 'x');
  expect(shown).toHaveLength(1 + 50 * 8001);
});

it('R-A12: shows the first of very many members, and how many more there are', async () => {
  const members = Array.from({ length: 150_000 }, (_, n) => ({ name: `eve${n}`, device, sinceMs: 0, seen: undefined }));
  const { talk, shown } = talking({ who: async () => members });
  await findCommand('who').run(talk, '');
  expect(shown).toHaveLength(1002);
  expect(shown[0]).toContain('150,000 in lobby');
  expect(shown.at(-1)).toContain('149,000 more');
});
