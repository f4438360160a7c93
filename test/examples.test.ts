import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');

/** What each program in examples/ says. They run on the built package, as a user's would. */
const OUTPUT: Readonly<Record<string, readonly string[]>> = {
  'fetch-a-file.mjs': [
    'connected, verifier has 19 characters',
    'received 1 file, 1200000 bytes',
    'the contents are equal',
  ],
  'own-service.mjs': [
    'allowed: time',
    'sum: 101',
    'sum: 121',
    'sum: 421',
    'REFUSED: only numbers can be added',
    'UNSUPPORTED: nothing of this kind is offered',
  ],
};

describe('the examples', () => {
  test('are all named here', () => {
    expect(
      readdirSync(join(root, 'examples'))
        .filter(name => name.endsWith('.mjs'))
        .sort(),
    ).toEqual(Object.keys(OUTPUT).sort());
  });

  test.each(Object.entries(OUTPUT))('%s runs, says what it should and ends by itself', (name, lines) => {
    const run = spawnSync(process.execPath, [join('examples', name)], { cwd: root, encoding: 'utf8', timeout: 20_000 });
    expect(run.stderr).toBe('');
    expect(run.stdout.trimEnd().split('\n')).toEqual(lines);
    expect(run.status).toBe(0);
  });
});
