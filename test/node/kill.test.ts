import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkKills } from '../support/kill.ts';

// The long form is in test/soak.
it('goes on with a get, a put and syncs both ways after either side was killed', async () => {
  expect((await checkKills(8, 3)).kills).toBeGreaterThanOrEqual(8);
});

it('finds the partial of an earlier process that had the number of this one, as in a container', () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-number-'));
  const script = `
    import { ReceiveRoot } from '${new URL('../../dist/node/index.js', import.meta.url).href}';
    const root = await ReceiveRoot.open('.');
    const own = await root.create('own');
    await own.write(new Uint8Array(9), 0);
    console.log(await root.partialBytes('left'), await root.partialBytes('own'));
  `;
  // `exec` keeps the number of the shell, which has made the partial before Node began.
  const shell = `printf 12345 > left.$$-0123abcd.postern-part; sleep 0.5; exec "$0" --input-type=module -e "$1"`;
  const told = execFileSync('sh', ['-c', shell, process.execPath, script], { cwd: folder, encoding: 'utf8' });
  expect(told).toBe('5 0\n');
  rmSync(folder, { recursive: true });
});
