import xterm from '@xterm/headless';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { streamStyle } from '../../../src/cli/terminal/colors.ts';
import { Progress, statusLine } from '../../../src/cli/terminal/progress.ts';
import { BarDisplay } from '../../../src/cli/terminal/progress-bar.ts';
import {
  LineDisplay,
  type ProgressMode,
  progressMode,
  showProgress,
} from '../../../src/cli/terminal/progress-display.ts';
import { displayWidth } from '../../../src/cli/terminal/width.ts';

/** A clock moved by hand; `advance` fires what falls due, in order. */
class ManualClock {
  nowMs = 0;
  readonly #timers = new Set<{ everyMs: number; dueMs: number; callback: () => void }>();

  readonly now = () => this.nowMs;
  readonly wallMs = () => this.nowMs;

  every(milliseconds: number, callback: () => void): () => void {
    const timer = { everyMs: milliseconds, dueMs: this.nowMs + milliseconds, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  advance(milliseconds: number): void {
    const end = this.nowMs + milliseconds;
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined || next.dueMs > end) break;
      this.nowMs = next.dueMs;
      next.dueMs += next.everyMs;
      next.callback();
    }
    this.nowMs = end;
  }
}

/** A terminal with a screen to look at. */
class Screen {
  readonly writes: string[] = [];
  readonly #terminal: xterm.Terminal;
  readonly #listeners = new Set<() => void>();
  isTTY = true;

  constructor(columns: number, rows: number) {
    this.#terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true });
  }

  get columns(): number {
    return this.#terminal.cols;
  }

  get rows(): number {
    return this.#terminal.rows;
  }

  write(text: string): void {
    this.writes.push(text);
    this.#terminal.write(text);
  }

  on(_event: 'resize', listener: () => void): void {
    this.#listeners.add(listener);
  }

  off(_event: 'resize', listener: () => void): void {
    this.#listeners.delete(listener);
  }

  async resize(columns: number): Promise<void> {
    await this.lines();
    this.#terminal.resize(columns, this.rows);
    for (const listener of this.#listeners) listener();
  }

  /** What stands on the screen, without empty lines at its end. */
  async lines(): Promise<string[]> {
    await new Promise<void>(resolve => this.#terminal.write('', resolve));
    const buffer = this.#terminal.buffer.active;
    const lines: string[] = [];
    for (let at = 0; at < buffer.length; at++) lines.push(buffer.getLine(at)!.translateToString(true));
    while (lines.at(-1) === '') lines.pop();
    return lines;
  }
}

function show(mode: ProgressMode, { columns = 80, rows = 12, label = 'get big.bin' } = {}) {
  const clock = new ManualClock();
  const screen = new Screen(columns, rows);
  const progress = new Progress(label, clock.now);
  const target = { stream: screen, style: streamStyle(screen, {}), clock };
  const display = mode === 'bar' ? new BarDisplay(progress, target) : new LineDisplay(progress, mode, target);
  return { clock, screen, progress, display };
}

describe('Progress', () => {
  it('counts bytes, items, rate and the time left', () => {
    const clock = new ManualClock();
    const progress = new Progress('get', clock.now);
    progress.expect({ bytes: 10_000, items: 2 });
    const item = progress.begin('a', 6_000);
    for (let second = 0; second < 4; second++) {
      clock.advance(1000);
      item.advance(1000);
    }
    expect(progress.snapshot()).toMatchObject({
      bytes: 4000,
      percent: 40,
      bytesPerSecond: 1000,
      secondsLeft: 6,
      items: 0,
    });
    item.end('done');
    item.advance(500);
    expect(progress.snapshot()).toMatchObject({ bytes: 4000, items: 1, active: [] });
  });

  it('does not take bytes that were there already for speed', () => {
    const clock = new ManualClock();
    const progress = new Progress('get', clock.now);
    progress.expect({ bytes: 1000 });
    progress.begin('a').skip(900);
    clock.advance(1000);
    expect(progress.snapshot()).toMatchObject({ percent: 90, bytesPerSecond: 0, secondsLeft: undefined });
  });

  it('lets the rate follow the last ten seconds, and fall in a stall', () => {
    const clock = new ManualClock();
    const progress = new Progress('get', clock.now);
    const item = progress.begin('a');
    const run = (seconds: number, bytes: number) => {
      for (let second = 0; second < seconds; second++) {
        clock.advance(1000);
        item.advance(bytes);
      }
    };
    run(60, 100);
    run(20, 1000);
    expect(progress.snapshot().bytesPerSecond).toBeCloseTo(1000, -2);
    clock.advance(60_000);
    expect(progress.snapshot().bytesPerSecond).toBe(0);
  });

  it('has no percentage and no time left of a total that grows', () => {
    const clock = new ManualClock();
    const progress = new Progress('get', clock.now);
    progress.expect({ bytes: 1000, items: 2, growing: true });
    const item = progress.begin('a');
    clock.advance(1000);
    item.advance(990);
    expect(statusLine(progress.snapshot())).toBe('get: 990 B of 1.0 kB+, 990 B/s, 0 of 2+ items');
    progress.expect({ bytes: 9900, items: 10 });
    expect(statusLine(progress.snapshot())).toBe('get: 10 %, 990 B of 9.9 kB, 990 B/s, 9 s left, 0 of 10 items');
  });

  it('never runs backwards and is 100 % at the end alone', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('advance' as const), amount: fc.nat(5000) }),
      fc.record({ kind: fc.constant('skip' as const), amount: fc.nat(5000) }),
      fc.record({ kind: fc.constant('expect' as const), amount: fc.nat(20_000) }),
      fc.record({ kind: fc.constant('restart' as const), amount: fc.constant(0) }),
      fc.record({ kind: fc.constant('wait' as const), amount: fc.nat(3000) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const clock = new ManualClock();
        const progress = new Progress('get', clock.now);
        const item = progress.begin('a');
        let last = 0;
        for (const { kind, amount } of steps) {
          if (kind === 'expect') progress.expect({ bytes: amount });
          else if (kind === 'wait') clock.advance(amount);
          else if (kind === 'restart') item.restart();
          else item[kind](amount);
          const { percent, bytes, secondsLeft } = progress.snapshot();
          if (percent !== undefined) {
            expect(percent).toBeGreaterThanOrEqual(last);
            expect(percent).toBeLessThan(100);
            last = percent;
          }
          expect(bytes).toBeGreaterThanOrEqual(0);
          if (secondsLeft !== undefined) expect(Number.isFinite(secondsLeft) && secondsLeft >= 0).toBe(true);
        }
        progress.finish();
        expect(progress.snapshot()).toMatchObject({ percent: 100, finished: true });
      }),
    );
  });

  it('gives one escaped line about now (R-X1)', () => {
    const clock = new ManualClock();
    const progress = new Progress('get \u001b[2J', clock.now);
    progress.expect({ bytes: 40_000_000, items: 10 });
    const item = progress.begin('evil\n\u202e');
    clock.advance(1000);
    item.advance(10_000_000);
    expect(statusLine(progress.snapshot())).toBe(
      'get \\x1b[2J: 25 %, 10.0 MB of 40.0 MB, 10.0 MB/s, 3 s left, 0 of 10 items',
    );
    expect(item.name).toBe('evil\\n\\u{202e}');
  });
});

describe('the bar', () => {
  it('stands on the screen at once, as one line and up to three active files', async () => {
    const { screen, progress, clock } = show('bar');
    expect(await screen.lines()).toEqual(['get big.bin  0 B']);
    progress.expect({ bytes: 1000 });
    for (const name of ['a', 'b', 'c', 'd']) progress.begin(name, 500).advance(100);
    clock.advance(100);
    const lines = await screen.lines();
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^get big\.bin {2}\[########-{12}\] {2}40 % {2}400 B of 1\.0 kB/);
    expect(lines.slice(1)).toEqual(['  a  100 B of 500 B', '  b  100 B of 500 B', '  c  100 B of 500 B']);
  });

  it('removes lines of files that have ended', async () => {
    const { screen, progress, clock } = show('bar');
    const items = ['a', 'b', 'c'].map(name => progress.begin(name));
    clock.advance(100);
    expect(await screen.lines()).toHaveLength(4);
    for (const item of items) item.end('done');
    clock.advance(100);
    expect(await screen.lines()).toEqual(['get big.bin  0 B  3 items']);
  });

  it('draws at most ten times a second, however often it is told, and not without a change', () => {
    const { screen, progress, clock } = show('bar');
    const item = progress.begin('a');
    for (let chunk = 0; chunk < 1000; chunk++) {
      item.advance(1000);
      clock.advance(1);
    }
    expect(screen.writes.length).toBeLessThanOrEqual(11);
    clock.advance(60_000);
    const before = screen.writes.length;
    clock.advance(10_000);
    expect(screen.writes.length).toBe(before);
  });

  it('fits any width, names of any width included', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.string({ unit: 'grapheme', maxLength: 120 }),
        (columns, name) => {
          const { screen, progress, clock, display } = show('bar', { columns, label: `get ${name}` });
          progress.expect({ bytes: 123_456_789, items: 17 });
          clock.advance(1000);
          progress.begin(name, 5000).advance(1234);
          clock.advance(100);
          display.close();
          for (const line of screen.writes
            .join('')
            .replaceAll(/\p{Cc}\[\d*[KJA]|\r/gu, '\n')
            .split('\n')) {
            expect(displayWidth(line)).toBeLessThan(Math.max(columns, 2));
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it.each([20, 33, 47, 120])('follows a resize to %d columns without leaving anything behind', async columns => {
    const clock = new ManualClock();
    const screen = new Screen(80, 30);
    screen.write('$ postern get\n');
    const progress = new Progress('get a-rather-long-name-of-a-file.bin', clock.now);
    const display = await showProgress(progress, 'bar', { stream: screen, style: streamStyle(screen, {}), clock });
    progress.expect({ bytes: 1000 });
    for (const name of ['another-rather-long-name-of-a-file-in-a-folder.bin', 'b'.repeat(70), 'c']) {
      progress.begin(name, 1000).advance(100);
    }
    clock.advance(100);
    await screen.resize(columns);
    clock.advance(100);
    const lines = await screen.lines();
    expect(lines).toHaveLength(5);
    expect(lines[0]).toBe('$ postern get');
    expect(lines[1]).toMatch(/^get a.*30 %/);
    expect(lines.every(line => line.length < columns)).toBe(true);
    await screen.resize(15);
    display.close();
    expect(await screen.lines()).toEqual(['$ postern get']);
  });

  it('leaves nothing on the screen, finished or not: the outcome is told by its owner', async () => {
    const finished = show('bar');
    finished.progress.expect({ bytes: 18_400 });
    finished.clock.advance(1000);
    finished.progress.begin('a').advance(18_400);
    finished.progress.finish();
    finished.display.close();
    finished.display.close();
    expect(await finished.screen.lines()).toEqual([]);
    expect(finished.clock.timers).toBe(0);

    const failed = show('bar');
    failed.display.close();
    expect(await failed.screen.lines()).toEqual([]);
  });

  it('clears its lines at any exit of the process and never hides the cursor', async () => {
    const { screen, progress, clock, display } = show('bar');
    progress.begin('a');
    clock.advance(100);
    const onExit = process.listeners('exit').at(-1)!;
    onExit(0);
    expect(await screen.lines()).toEqual([]);
    expect(screen.writes.join('')).not.toContain('\u001b[?25');
    display.close();
    expect(process.listeners('exit')).not.toContain(onExit);
  });

  it('lets lines pass above it, and goes away for a question', async () => {
    const { screen, display, clock } = show('bar');
    display.print('a.txt  done');
    display.printStatus();
    expect(await screen.lines()).toEqual(['a.txt  done', 'get big.bin: 0 B', 'get big.bin  0 B']);
    display.pause();
    clock.advance(1000);
    expect(await screen.lines()).toEqual(['a.txt  done', 'get big.bin: 0 B']);
    display.resume();
    expect(await screen.lines()).toHaveLength(3);
  });

  it('shows names of a peer escaped (R-X1)', async () => {
    const { screen, progress, clock } = show('bar');
    progress.begin('\u001b[2J\u202eevil\n');
    clock.advance(100);
    expect((await screen.lines())[1]).toBe('  \\x1b[2J\\u{202e}evil\\n  0 B');
  });

  it('leaves out the files where the window is too low', async () => {
    const { screen, progress, clock } = show('bar', { rows: 3 });
    for (const name of ['a', 'b', 'c']) progress.begin(name);
    clock.advance(100);
    expect(await screen.lines()).toHaveLength(2);
  });
});

describe('off a terminal', () => {
  it('plain has a line after a second and each ten, and none for what is done sooner', () => {
    const { screen, progress, clock, display } = show('plain');
    clock.advance(999);
    expect(screen.writes).toEqual([]);
    clock.advance(1);
    expect(screen.writes).toEqual(['get big.bin: 0 B\n']);
    progress.begin('a').advance(20_000);
    clock.advance(19_000);
    expect(screen.writes.slice(1)).toEqual(['get big.bin: 20.0 kB, 2.0 kB/s\n', 'get big.bin: 20.0 kB\n']);
    display.close();
    display.close();
    expect(screen.writes).toHaveLength(3);
    expect(clock.timers).toBe(0);
  });

  it('json has status lines with integers and nulls', () => {
    const { screen, progress, clock, display } = show('json');
    progress.expect({ bytes: 3000, items: 1 });
    clock.advance(999);
    progress.begin('a').advance(1001);
    clock.advance(1);
    display.close();
    const lines = screen.writes.map(line => JSON.parse(line));
    expect(lines[0]).toMatchObject({ type: 'status', bytes: 0, total_bytes: null, percent: null, seconds_left: null });
    expect(lines[1]).toMatchObject({ time: '1970-01-01T00:00:01.000Z', bytes: 1001, total_bytes: 3000, percent: 33 });
    expect(lines[1]).toMatchObject({
      bytes_per_second: 1001,
      seconds_left: 2,
      items: 0,
      total_items: 1,
      finished: false,
    });
  });

  it('is silent while a question stands', () => {
    const { screen, clock, display } = show('plain');
    display.pause();
    clock.advance(10_000);
    expect(screen.writes).toEqual([]);
    display.resume();
    clock.advance(10_000);
    expect(screen.writes).toHaveLength(1);
  });

  it('none is silent until it is asked', () => {
    const { screen, clock, display } = show('none');
    clock.advance(100_000);
    expect(screen.writes).toEqual([]);
    display.printStatus();
    expect(screen.writes).toEqual(['get big.bin: 0 B\n']);
  });

  it('is chosen by the stream unless it is asked for', () => {
    const terminal = streamStyle({ isTTY: true }, {});
    const pipe = streamStyle({ isTTY: false }, {});
    expect(progressMode('auto', terminal)).toBe('bar');
    expect(progressMode('auto', pipe)).toBe('plain');
    expect(progressMode('auto', streamStyle({ isTTY: true }, { TERM: 'dumb' }))).toBe('plain');
    expect(progressMode('auto', terminal, { json: true })).toBe('json');
    expect(progressMode('auto', terminal, { quiet: true })).toBe('none');
    expect(progressMode('bar', pipe, { quiet: true })).toBe('bar');
  });
});
