import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveShell } from '../support/shell.ts';
import type { Served } from '../support/served.ts';
import { InTerminal } from '../support/terminal.ts';

let served: Served;
beforeAll(async () => {
  served = await serveShell();
});
afterAll(() => served.stop());

async function openShell(options: ConstructorParameters<typeof InTerminal>[2] = {}): Promise<InTerminal> {
  const terminal = new InTerminal(served.client, ['shell', served.url], options);
  await terminal.until(/^there>$/m);
  return terminal;
}

describe('postern shell', () => {
  it('is a terminal there: size, kind, language, the exit status passes', async () => {
    const terminal = await openShell({ columns: 91, rows: 23, env: { LANG: 'de_DE.UTF-8', COLORTERM: 'truecolor' } });
    terminal.type('stty size; tty; echo $TERM $LANG $COLORTERM; env | grep -c POSTERN_\r');
    await terminal.until(/^23 91\n\/dev\/\S+\nxterm-256color de_DE\.UTF-8 truecolor\n0\n/m);
    terminal.resize(60, 20);
    terminal.type('\r');
    terminal.type('stty size\r');
    await terminal.until(/^20 60$/m);
    terminal.type('exit 42\r');
    expect(await terminal.ended).toMatchObject({ status: 42 });
  });
});
