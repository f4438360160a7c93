import { spawn } from 'node:child_process';
import { text as textOf } from 'node:stream/consumers';
import { spawn as spawnInTerminal } from '@lydell/node-pty';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleProgram } from '../fixtures/bundled.ts';

/** Asks what its argument says and reports the outcome, with the state of the terminal after it. */
const PROGRAM = `
  import { execFileSync } from 'node:child_process';
  import { ask, askSecret, canAsk, confirm } from './cli/terminal/prompt.ts';
  const [call, question] = process.argv.slice(2);
  const stop = new AbortController();
  process.on('SIGUSR2', () => stop.abort());
  const options = {
    answeredBy: ['--password-file FILE', '--yes'],
    signal: stop.signal,
  };
  const calls = { ask, askSecret, confirm, canAsk: () => canAsk() };
  let outcome;
  try {
    outcome = { answer: await calls[call](question, options) };
  } catch (error) {
    outcome = { code: error.code ?? error.name, message: error.message };
  }
  try {
    const modes = execFileSync('stty', ['-a', '-F', '/dev/tty'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
    outcome.echo = / echo /.test(modes) && / icanon /.test(modes);
  } catch {}
  console.log('OUTCOME' + JSON.stringify(outcome) + 'END');
`;

let program: Awaited<ReturnType<typeof bundleProgram>>;
beforeAll(async () => {
  program = await bundleProgram(PROGRAM);
});
afterAll(() => program.remove());

/** Instead of a text to type: the program is told to abort its question. */
const ABORT = '(abort)';

interface Outcome {
  readonly answer?: string | boolean;
  readonly code?: string | number;
  readonly message?: string;
  /** Whether the terminal shows what is typed and gathers it into lines, as it did before. */
  readonly echo?: boolean;
}

/** Runs the program in a terminal, typing each text when what stands on the screen matches. */
function inTerminal(args: string[], typing: [RegExp, string][] = []): Promise<{ outcome: Outcome; screen: string }> {
  const terminal = spawnInTerminal(process.execPath, [program.path, ...args], { cols: 120, rows: 24 });
  return new Promise((resolve, reject) => {
    let screen = '';
    let seen = 0;
    terminal.onData(data => {
      screen += data;
      const next = typing[0];
      const found = next?.[0].exec(screen.slice(seen));
      if (next === undefined || !found) return;
      seen += found.index + found[0].length;
      typing.shift();
      if (next[1] === ABORT) terminal.kill('SIGUSR2');
      else terminal.write(next[1]);
    });
    terminal.onExit(({ exitCode }) => {
      const found = /OUTCOME(.*)END/.exec(screen);
      if (found === null) reject(new Error(`no outcome, exit ${exitCode}: ${JSON.stringify(screen)}`));
      else resolve({ outcome: JSON.parse(found[1]!) as Outcome, screen: screen.slice(0, found.index) });
    });
  });
}

describe.skipIf(process.platform !== 'linux')('at a terminal', () => {
  it('takes a secret without showing any of it (R-A3)', async () => {
    const { outcome, screen } = await inTerminal(['askSecret', 'passphrase for lab:'], [[/lab: /, 'orbit-velvet\r']]);
    expect(outcome).toEqual({ answer: 'orbit-velvet', echo: true });
    expect(screen).not.toMatch(/orbit|velvet|\*/);
    expect(screen).toMatch(/passphrase for lab: .*\r\n$/s);
  });

  it('lets a secret be corrected before it is sent', async () => {
    const { outcome, screen } = await inTerminal(['askSecret', 'passphrase:'], [[/: /, 'wrong\u0015orbix\u007ft\r']]);
    expect(outcome.answer).toBe('orbit');
    expect(screen).not.toMatch(/wrong|orbi/);
  });

  it('asks with the answer in sight', async () => {
    const { outcome, screen } = await inTerminal(['ask', 'file name:'], [[/: /, 'notes.txt\r']]);
    expect(outcome).toEqual({ answer: 'notes.txt', echo: true });
    expect(screen).toContain('notes.txt');
  });

  it.each(['askSecret', 'ask', 'confirm'])('ends %s with CANCELLED at Ctrl-C, the echo back', async call => {
    const { outcome } = await inTerminal([call, 'well:'], [[/well: /, 'half\u0003']]);
    expect(outcome).toMatchObject({ code: 'CANCELLED', echo: true });
  });

  it.each(['askSecret', 'ask'])('ends %s with CANCELLED at the end of input, the echo back', async call => {
    const { outcome } = await inTerminal([call, 'well:'], [[/well: /, '\u0004']]);
    expect(outcome).toMatchObject({ code: 'CANCELLED', echo: true });
  });

  it('gives the terminal back when it is aborted', async () => {
    const { outcome } = await inTerminal(['askSecret', 'well:'], [[/well: /, ABORT]]);
    expect(outcome).toMatchObject({ code: 20, echo: true });
  });

  it.each([
    ['y\r', true],
    ['YES\r', true],
    ['n\r', false],
    ['\r', false],
  ])('takes %j for %s', async (typed, answer) => {
    expect((await inTerminal(['confirm', 'go on?'], [[/\[y\/N\] /, typed]])).outcome.answer).toBe(answer);
  });

  it('asks again until the answer is one', async () => {
    const typing: [RegExp, string][] = [
      [/\[y\/N\] /, 'maybe\r'],
      [/maybe.*\[y\/N\] /s, 'y\r'],
    ];
    expect((await inTerminal(['confirm', 'go on?'], typing)).outcome.answer).toBe(true);
  });

  it('shows a question that holds names of a peer escaped (R-X1)', async () => {
    const { screen } = await inTerminal(['ask', 'replace \u001b]0;evil\u0007?'], [[/\? /, '\r']]);
    expect(screen).toContain('replace \\x1b]0;evil\\x07?');
  });

  it('knows that somebody can be asked', async () => {
    expect((await inTerminal(['canAsk'])).outcome.answer).toBe(true);
  });
});

describe.skipIf(process.platform === 'win32')('without a terminal', () => {
  const offTerminal = async (...args: string[]) => {
    // A session of its own has no controlling terminal, whatever the tests were started from.
    const child = spawn(process.execPath, [program.path, ...args], {
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    // It may end without having read it.
    child.stdin.on('error', () => {}).end('typed into stdin\n');
    return JSON.parse(/OUTCOME(.*)END/.exec(await textOf(child.stdout))![1]!);
  };

  it.each(['askSecret', 'ask', 'confirm'])(
    '%s names the options that answer it, and leaves stdin alone',
    async call => {
      const outcome = await offTerminal(call, 'passphrase for lab:');
      expect(outcome.code).toBe('USAGE');
      expect(outcome.message).toMatch(/passphrase for lab.*--password-file FILE or --yes/);
    },
  );

  it('knows that nobody can be asked', async () => {
    expect(await offTerminal('canAsk')).toEqual({ answer: false });
  });
});
