import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { MAIN } from '../support/command.ts';
import { Gate } from '../support/gate.ts';
import type { Served } from '../support/served.ts';
import { openShell, serveShell } from '../support/shell.ts';
import { InTerminal } from '../support/terminal.ts';

const FULL_SCREEN = fileURLToPath(new URL('../fixtures/full-screen.mjs', import.meta.url));
const UNCAUGHT = fileURLToPath(new URL('../fixtures/uncaught.mjs', import.meta.url));
const fullScreen = `${process.execPath} ${FULL_SCREEN}`;

let served: Served;
beforeAll(async () => {
  served = await serveShell();
});
afterAll(() => served.stop());

/** Whether it was still there. */
function killIfAlive(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

const isInstalled = (name: string) => spawnSync('which', [name]).status === 0;

describe('postern shell', () => {
  it('is a terminal there: size, kind, language; its exit status passes, and no variable of ours', async () => {
    const env = { LANG: 'de_DE.UTF-8', COLORTERM: 'truecolor', LC_TIME: '/etc/passwd' };
    const terminal = await openShell(served, { columns: 91, rows: 23, env });
    terminal.type('stty size; tty; echo $TERM $LANG $COLORTERM $LC_TIME; env | grep -c POSTERN_\r');
    await terminal.until(/^23 91\n\/dev\/\S+\nxterm-256color de_DE\.UTF-8 truecolor\n0$/m);
    terminal.resize(60, 20);
    terminal.type('while [ "$(stty size)" != "20 60" ]; do :; done; echo sized\r');
    await terminal.until(/^sized$/m);
    terminal.type('pwd; echo äöü; cat\r');
    await terminal.until(new RegExp(`^${served.home.path}\näöü$`, 'm'));
    // The line discipline there knows characters: one key takes back one.
    terminal.type('ä\u007fx\r');
    await terminal.until(/^x\nx$/m);
    terminal.type('\u0003');
    await terminal.until(/\^C[\s\S]*^there>$/m);
    terminal.type('exit 42\r');
    expect(await terminal.ended).toMatchObject({ status: 42 });
  });

  it('ends with 128+n if a signal has ended the shell', async () => {
    const terminal = await openShell(served);
    terminal.type('kill -KILL $$\r');
    expect(await terminal.ended).toMatchObject({ status: 137 });
    const hungUp = await openShell(served);
    hungUp.type('kill -HUP $$\r');
    expect(await hungUp.ended).toMatchObject({ status: 129 });
    expect(hungUp.screen()).toMatch(/\nhung up there: the host has stopped, or ended it$/);
  });

  it('that ignores HUP ends with a host that stops', async () => {
    const other = await serveShell();
    const terminal = await openShell(other);
    terminal.type('trap "" HUP; echo pid $$; while :; do sleep 1; done\r');
    const [, pid] = await terminal.until(/^pid (\d+)$/m);
    onTestFinished(() => void killIfAlive(Number(pid)));
    await other.stop();
    expect(killIfAlive(Number(pid))).toBe(false);
  });

  it('knows ~~, ~? and ~. at the start of a line alone, and gives the terminal back', async () => {
    const shell = await LocalShell.start(served);
    shell.terminal.type('echo a~.b\r');
    await shell.terminal.until(/^a~\.b$/m);
    shell.terminal.type('~?');
    await shell.terminal.until(/^~\. {3}leave and hang up$/m);
    shell.terminal.type('cat\r~~.\r');
    await shell.terminal.until(/^~\.\n~\.$/m);
    shell.terminal.type('~.');
    await shell.backAgain(255);
    expect(shell.terminal.screen()).toMatch(/^postern: left, and hung up$/m);
  });

  it('gives the terminal back after a program that left it in disorder', async () => {
    const shell = await LocalShell.start(served);
    shell.terminal.type(`${fullScreen}\r`);
    await shell.terminal.until(/^size 100x30$/m);
    shell.terminal.type('\r~.');
    await shell.backAgain(255);
    expect(shell.terminal.raw).toContain('\u001b[?1000l\u001b[?1049l\u001b[0m');
    expect(shell.terminal.screen()).not.toContain('size 100x30');
  });

  it.each(['SIGTERM', 'SIGHUP'] as const)('gives the terminal back when %s ends it', async signal => {
    const shell = await LocalShell.start(served);
    shell.terminal.type('echo "pid is $PPID"\r');
    await shell.terminal.until(/^pid is \d+$/m);
    spawnSync('pkill', ['-P', String(shell.terminal.pid), signal.replace('SIG', '-')]);
    await shell.backAgain(signal === 'SIGTERM' ? 143 : 129);
  });

  it.skipIf(!isInstalled('bash'))('is suspended by ~^Z, and goes on', async () => {
    const program = ['bash', '--norc', '--noprofile', '-i'];
    const terminal = new InTerminal(served.client, [], { program, env: { PS1: 'here> ' } });
    await terminal.until(/^here>$/m);
    terminal.type(`${process.execPath} ${MAIN} shell ${served.url}\r`);
    await terminal.until(/^there>$/m);
    terminal.type(`${fullScreen}\r`);
    await terminal.until(/^size 100x30$/m);
    terminal.type('\r~\u001a');
    await terminal.until(/Stopped[\s\S]*^here>$/m);
    terminal.type('case $(stty -a) in *-opost*) echo raw;; *) echo usual;; esac; fg\r');
    await terminal.until(/^last row, red$/m);
    expect(terminal.raw).toContain('usual\r\n');
    terminal.type('q');
    await terminal.until(/there>$/);
    terminal.type('exit 3\r');
    await terminal.until(/^here>$/m);
    terminal.type('echo "status $?"\r');
    await terminal.until(/^status 3$/m);
  });

  it('gives the terminal back after a fault that nobody expects', async () => {
    const terminal = new InTerminal(served.client, [], { main: UNCAUGHT, throughShell: true });
    await terminal.until(/^ended with 1, as it was$/m);
    expect(terminal.raw).toContain('\u001b[?25h\u001b[?1049l\u001b[0m');
  });

  it('off a terminal ends with 2 and says what to use', async () => {
    const { status, stderr } = await served.run(['shell', served.url]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^hint: .*postern exec HOST/m);
  });

  it('needs the permission shell, at the host', async () => {
    const reading = await serveShell(['--allow', 'read,exec']);
    onTestFinished(() => reading.stop());
    const terminal = new InTerminal(reading.client, ['shell', reading.url]);
    expect((await terminal.ended).status).toBe(7);
    expect(terminal.screen()).toContain('this login may not open a shell (shell)');
  });

  it('is recorded at its start and its end', async () => {
    const terminal = await openShell(served);
    terminal.type('exit 9\r');
    await terminal.ended;
    await served.server.until(
      'stderr',
      /"exec-end".*"kind":"shell\.open".*"status":9,"duration_ms":\d+,"stdin_bytes":7/,
    );
    expect(served.server.stderr).toMatch(/"exec-start".*"kind":"shell\.open".*"argv":\["\/bin\/sh","-l"\]/);
  });
});

describe('full-screen programs in postern shell', () => {
  it('draw, follow the size and leave the screen as it was', async () => {
    const terminal = await openShell(served, { columns: 70, rows: 20 });
    terminal.type(`${fullScreen}; echo "it ended with $?"\r`);
    await terminal.until(/^size 70x20$/m);
    expect(terminal.screen().split('\n')).toHaveLength(20);
    terminal.resize(50, 12);
    await terminal.until(/^size 50x12$/m);
    terminal.type('q');
    await terminal.until(/^it ended with 5$/m);
    expect(terminal.screen()).toMatch(/^there> /m);
    expect(terminal.raw).toContain('\u001b[1;31mred');
  });

  it.skipIf(!isInstalled('vim'))('vim edits a file, and is resized', async () => {
    const file = join(served.share, 'edited.txt');
    writeFileSync(file, Array.from({ length: 200 }, (_, index) => `line ${index + 1}\n`).join(''));
    const terminal = await openShell(served, { columns: 80, rows: 24 });
    terminal.type(`vim -u NONE -N ${file}\r`);
    await terminal.until(/^line 1\nline 2\n[\s\S]*line 23\n/m);
    terminal.type('G');
    await terminal.until(/^line 200$/m);
    terminal.resize(80, 40);
    await terminal.until(/^line 162\n[\s\S]*line 200$/m);
    terminal.type('gg0iedited \u001b');
    await terminal.until(/^edited line 1$/m);
    terminal.type(':wq\r');
    await terminal.until(/^there>$/m);
    terminal.type(`head -1 ${file}\r`);
    await terminal.until(/^edited line 1\nthere>$/m);
  });

  it.skipIf(!isInstalled('less'))('less pages, searches and leaves', async () => {
    const terminal = await openShell(served, { columns: 60, rows: 15 });
    terminal.type('seq 1 1000 | less\r');
    await terminal.until(/^1\n2\n[\s\S]*^14\n:$/m);
    terminal.resize(60, 20);
    // It misses the signal now and then, just as it begins to wait for a key; with a key it looks.
    terminal.type('r');
    await terminal.until(/^1\n2\n[\s\S]*^19\n:$/m);
    terminal.type('/777\r');
    await terminal.until(/^777\n778\n/m);
    terminal.type('q');
    await terminal.until(/^there>$/m);
  });

  it.skipIf(!isInstalled('top'))('top shows the machine, and is resized', async () => {
    const terminal = await openShell(served, { columns: 80, rows: 24 });
    terminal.type('top\r');
    await terminal.until(/^top - .*load average[\s\S]*PID USER/m);
    terminal.resize(100, 12);
    await terminal.until(/^ *PID USER.{10}/m);
    terminal.type('q');
    await terminal.until(/there>$/);
  });
});

describe('a lost line', () => {
  const withoutStatus = (raw: string) => raw.replaceAll(/\u001b\[\?1049h[\s\S]*?\u001b\[\?1049l/g, '');

  async function cuttable(): Promise<{ gate: Gate; terminal: InTerminal }> {
    const gate = await Gate.open(served.ready.port, Number.POSITIVE_INFINITY);
    onTestFinished(() => gate.close().catch(() => {}));
    const terminal = new InTerminal(served.client, ['shell', gate.url]);
    await terminal.until(/^there>$/m);
    return { gate, terminal };
  }

  it('in the middle of output goes on where it was, in both directions, and the screen comes back', async () => {
    const { gate, terminal } = await cuttable();
    terminal.type('stty -echo; PS1=; echo; echo begin\r');
    await terminal.until(/^begin$/m);
    const before = terminal.raw.length;
    terminal.type('seq 1 200000; echo done\r');
    await terminal.until(/^2\d{4}$/m);
    gate.cut();
    await terminal.until(/^connection lost, trying again… ~\. leaves$/m);
    terminal.type('echo typed meanwhile\r');
    await terminal.until(/^done\n[\s\S]*typed meanwhile$/m);
    const expected = `${Array.from({ length: 200_000 }, (_, index) => `${index + 1}\r\n`).join('')}done\r\ntyped meanwhile\r\n`;
    expect(withoutStatus(terminal.raw).slice(before)).toBe(expected);
    expect(terminal.screen()).toMatch(/^199999\n200000\ndone\ntyped meanwhile$/m);
    terminal.type('exit 6\r');
    expect((await terminal.ended).status).toBe(6);
  });

  it('under a full-screen program has it draw itself again', async () => {
    const { gate, terminal } = await cuttable();
    terminal.type(`${fullScreen}\r`);
    await terminal.until(/^last row, red$/m);
    gate.cut();
    await terminal.until(/^connection lost/m);
    expect(terminal.screen()).toMatch(/^size 100x30$/m);
    await terminal.until(/^last row, red$/m);
    terminal.type('q');
    await terminal.until(/there>$/);
  });

  it('that does not come back is left by ~., and the terminal is given back', async () => {
    const gate = await Gate.open(served.ready.port, Number.POSITIVE_INFINITY);
    const shell = await LocalShell.start(served, gate.url);
    await gate.close();
    await shell.terminal.until(/^connection lost/m);
    shell.terminal.type('~.');
    await shell.backAgain(255);
  });

  it('to a server in whose place there is another one ends with 255', async () => {
    const passing = await serveShell();
    onTestFinished(() => passing.stop());
    const gate = await Gate.open(passing.ready.port, Number.POSITIVE_INFINITY);
    onTestFinished(() => gate.close());
    const shell = await LocalShell.start(passing, gate.url);
    gate.redirect(served.ready.port);
    gate.cut();
    await shell.backAgain(255);
  });
});

describe('postern exec -t', () => {
  it('gives a command this terminal, and passes its status on', async () => {
    const terminal = new InTerminal(served.client, ['exec', '-t', served.url, '--', process.execPath, FULL_SCREEN]);
    await terminal.until(/^size 100x30$/m);
    terminal.resize(80, 24);
    await terminal.until(/^size 80x24$/m);
    terminal.type('q');
    expect((await terminal.ended).status).toBe(5);
  });

  it('starts in the served folder, with --cwd, --env and -c', async () => {
    const line = 'pwd; test -t 0 && echo $WORD';
    const terminal = new InTerminal(served.client, ['exec', '-t', '--env', 'WORD=given', '-c', line, served.url]);
    expect((await terminal.ended).status).toBe(0);
    expect(terminal.screen()).toBe(`${served.share}\ngiven`);
  });

  it('does not go with what is for scripts', async () => {
    for (const option of ['--json', '--detach', '-n', '--timeout=1', '--encoding=gbk']) {
      const terminal = new InTerminal(served.client, ['exec', '-t', option, served.url, '--', 'true']);
      expect((await terminal.ended).status).toBe(2);
    }
  });

  it('ends with 127 for a command that there is not', async () => {
    const terminal = new InTerminal(served.client, ['exec', '-t', served.url, '--', 'nonesuch']);
    expect((await terminal.ended).status).toBe(127);
    expect(terminal.screen()).toBe('postern: "nonesuch": command not found');
  });
});

/** A shell of this machine from which postern is run: it tells whether it gets its terminal back in order. */
class LocalShell {
  readonly terminal: InTerminal;

  private constructor(terminal: InTerminal) {
    this.terminal = terminal;
  }

  static async start(server: Served, url = server.url): Promise<LocalShell> {
    const terminal = new InTerminal(server.client, ['shell', url], { throughShell: true });
    await terminal.until(/^there>$/m);
    return new LocalShell(terminal);
  }

  async backAgain(status: number): Promise<void> {
    await this.terminal.until(new RegExp(`^ended with ${status}, as it was$`, 'm'));
  }
}
