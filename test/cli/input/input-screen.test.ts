import xterm from '@xterm/headless';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputScreen } from '../../../src/cli/input/input-screen.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';

/** The screen on a terminal emulator, with a clock that is moved by hand. */
class Scene {
  readonly clock = new ManualClock();
  readonly screen: InputScreen;
  readonly terminal: InstanceType<typeof xterm.Terminal>;
  text = '';
  cursor: number | undefined;
  writes = 0;
  /** Holds back what is written, as a slow terminal does. */
  takes = true;
  readonly #untaken: (() => void)[] = [];

  constructor(columns = 40, rows = 10) {
    this.terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
    this.screen = new InputScreen(
      {
        write: (text, taken) => {
          this.writes += 1;
          this.terminal.write(text, () => (this.takes ? taken() : this.#untaken.push(taken)));
        },
        columns: () => this.terminal.cols,
        rows: () => this.terminal.rows,
        dim: text => text,
      },
      this.clock,
      () => ({ prompt: '> ', text: this.text, cursor: this.cursor ?? this.text.length }),
    );
  }

  take(): void {
    this.takes = true;
    for (const taken of this.#untaken.splice(0)) taken();
  }

  type(text: string): void {
    this.text += text;
    this.screen.update();
  }

  resize(columns: number, rows: number): void {
    this.terminal.resize(columns, rows);
    this.screen.resized();
  }

  /** After the next frame: all lines with the scrollback, wrapped ones joined, and a bar where the cursor is. */
  async shown(): Promise<string[]> {
    this.clock.advance(1000);
    await new Promise<void>(resolve => this.terminal.write('', resolve));
    const { active } = this.terminal.buffer;
    const lines: string[] = [];
    for (let at = 0; at < active.length; at++) {
      const line = active.getLine(at)!;
      let text = line.translateToString(at !== active.baseY + active.cursorY);
      if (at === active.baseY + active.cursorY) {
        const before = line.translateToString(false, 0, active.cursorX);
        text = `${before}|${line.translateToString(true, active.cursorX)}`;
      }
      if (line.isWrapped) lines[lines.length - 1] += text;
      else lines.push(text);
    }
    while (lines.at(-1) === '') lines.pop();
    return lines;
  }
}

describe('InputScreen', () => {
  function entered(columns?: number, rows?: number): Scene {
    const scene = new Scene(columns, rows);
    scene.screen.enter();
    return scene;
  }

  it('keeps the input below what is printed', async () => {
    const scene = entered();
    expect(await scene.shown()).toEqual(['> |']);
    scene.type('hel');
    scene.screen.print('one', 'two');
    scene.type('lo');
    expect(await scene.shown()).toEqual(['one', 'two', '> hello|']);
    scene.screen.print('three');
    expect(await scene.shown()).toEqual(['one', 'two', 'three', '> hello|']);
  });

  it('draws what comes within a frame at once', async () => {
    const scene = entered();
    await scene.shown();
    const before = scene.writes;
    for (let at = 0; at < 500; at++) scene.screen.print(`line ${at}`);
    expect(scene.writes).toBe(before);
    expect((await scene.shown()).slice(-2)).toEqual(['line 499', '> |']);
    expect(scene.writes).toBe(before + 1);
  });

  it('loses no line that scrolls away', async () => {
    const scene = entered(20, 5);
    scene.type('x');
    const lines: string[] = [];
    for (let at = 0; at < 100; at++) {
      lines.push(`line ${at} ${'.'.repeat(at % 50)}`.trimEnd());
      scene.screen.print(lines.at(-1)!);
      if (at % 3 === 0) await scene.shown();
    }
    expect(await scene.shown()).toEqual([...lines, '> x|']);
  });

  it('goes over several rows and back, with the cursor anywhere', async () => {
    const scene = entered(12, 10);
    scene.screen.print('above');
    scene.type('abcdefghijklmnopqrstuvwxyz');
    expect(await scene.shown()).toEqual(['above', '> abcdefghi', '  jklmnopqr', '  stuvwxyz|']);
    scene.cursor = 3;
    scene.screen.update();
    expect(await scene.shown()).toEqual(['above', '> abc|defghi', '  jklmnopqr', '  stuvwxyz']);
    scene.screen.print('more');
    expect(await scene.shown()).toEqual(['above', 'more', '> abc|defghi', '  jklmnopqr', '  stuvwxyz']);
    scene.text = '';
    scene.cursor = undefined;
    scene.screen.update();
    expect(await scene.shown()).toEqual(['above', 'more', '> |']);
  });

  it.each(['你好，世界', '👩‍👩‍👧 family', 'e\u0301a\u0308', '🇩🇪 ❤️', 'עברית'])('is not torn by %s', async text => {
    const scene = entered(20, 6);
    for (const character of text) {
      scene.type(character);
      await scene.shown();
    }
    scene.screen.print(text);
    scene.type('!');
    const [line, input, ...rest] = await scene.shown();
    expect(rest).toEqual([]);
    expect(line).toBe(text);
    expect(input?.replace(/\s+\|/, '|')).toBe(`> ${text}!|`);
  });

  it('shows a line about now above the input, and takes it away', async () => {
    const scene = entered(30, 6);
    scene.type('abc');
    scene.screen.setStatus('connection lost, trying again and again');
    scene.screen.print('one');
    expect(await scene.shown()).toEqual(['one', 'connection lost, trying agai…', '> abc|']);
    scene.screen.setStatus('');
    expect(await scene.shown()).toEqual(['one', '> abc|']);
  });

  it('takes half of the window at most', async () => {
    const scene = entered(20, 6);
    scene.screen.print('above');
    scene.type('a\nb\nc\nd\ne\nf\ng');
    expect(await scene.shown()).toEqual(['above', '  e', '  f', '  g|']);
  });

  it.each([
    [60, 10],
    [20, 10],
    [8, 10],
    [40, 4],
    [40, 30],
    [12, 3],
  ])('is drawn again at %i × %i, and nothing is lost', async (columns, rows) => {
    const scene = entered(40, 10);
    const lines = Array.from({ length: 30 }, (_, at) => `message number ${at} with some words`);
    scene.screen.print(...lines);
    scene.type('short');
    await scene.shown();
    scene.resize(columns, rows);
    const shown = await scene.shown();
    expect(shown.slice(-lines.length - 1, -1)).toEqual(lines);
    expect(shown.at(-1)).toBe('> short|');
    scene.screen.print('one more');
    expect((await scene.shown()).slice(-2)).toEqual(['one more', '> short|']);
    scene.resize(40, 10);
    expect((await scene.shown()).slice(-3)).toEqual([lines.at(-1), 'one more', '> short|']);
  });

  it('begins anew below where rows of the input do not fit any more', async () => {
    const scene = entered(40, 8);
    scene.screen.print('first', 'second');
    scene.type('a text that is wider than the window will be');
    await scene.shown();
    scene.resize(25, 8);
    const shown = await scene.shown();
    // Lines may stand twice in the scrollback, and none is lost.
    expect(shown.slice(-4)).toEqual(['first', 'second', '> a text that is wider t', '  han the window will be|']);
    scene.screen.print('third');
    expect((await scene.shown()).slice(-3)).toEqual(['third', '> a text that is wider t', '  han the window will be|']);
  });

  it('clears the screen when asked', async () => {
    const scene = entered();
    scene.screen.print('one', 'two');
    scene.type('x');
    await scene.shown();
    scene.screen.clear();
    expect(await scene.shown()).toEqual(['> x|']);
  });

  it('takes the input away when it is left, with all that was printed', async () => {
    const scene = entered();
    scene.type('draft');
    await scene.shown();
    scene.screen.print('last words');
    scene.screen.leave();
    scene.screen.leave();
    expect(await scene.shown()).toEqual(['last words', '|']);
    expect(scene.clock.pendingTimers).toBe(0);
    scene.screen.print('after');
    expect(await scene.shown()).toEqual(['last words', 'after', '|']);
  });

  it('asks for pastes in brackets while it is there', () => {
    const written: string[] = [];
    const terminal = { write: (text: string) => written.push(text), columns: () => 80, rows: () => 24, dim: String };
    const screen = new InputScreen(terminal, new ManualClock(), () => ({ prompt: '> ', text: '', cursor: 0 }));
    screen.enter();
    expect(written.join('')).toContain('\u001b[?2004h');
    screen.leave();
    expect(written.at(-1)).toContain('\u001b[?2004l');
  });

  it('has whoever prints wait for a terminal that is slow', async () => {
    const scene = entered();
    await scene.shown();
    scene.takes = false;
    scene.screen.print('one');
    await scene.shown();
    let hasRoom = false;
    const waiting = scene.screen.room().then(() => {
      hasRoom = true;
    });
    await new Promise(resolve => setImmediate(resolve));
    expect(hasRoom).toBe(false);
    scene.take();
    await waiting;
  });

  it('shows the lines in order and the input last, whatever happens', async () => {
    const action = fc.oneof(
      fc.constantFrom('word ', 'x', '你好', '\n', '👩‍👩‍👧').map(text => ({ kind: 'type', text }) as const),
      fc.constantFrom('print', 'erase', 'frame').map(kind => ({ kind }) as const),
      fc.nat().map(at => ({ kind: 'move', at }) as const),
      fc
        .record({ columns: fc.integer({ min: 12, max: 50 }), rows: fc.integer({ min: 3, max: 12 }) })
        .map(size => ({ kind: 'resize', ...size }) as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async actions => {
        const scene = entered(30, 8);
        const lines: string[] = [];
        for (const one of actions) {
          if (one.kind === 'print') {
            lines.push(`line ${lines.length} and so on to the end of ${lines.length}.`);
            scene.screen.print(lines.at(-1)!);
          } else if (one.kind === 'type') scene.type(one.text);
          else if (one.kind === 'resize') scene.resize(one.columns, one.rows);
          else if (one.kind === 'move') scene.cursor = one.at % (scene.text.length + 1);
          else if (one.kind === 'frame') await scene.shown();
          else {
            scene.text = '';
            scene.cursor = undefined;
          }
        }
        const shown = await scene.shown();
        expect(shown.filter(line => line.includes('|'))).toHaveLength(1);
        // Where the screen was begun anew the last lines stand there twice.
        const told = shown.filter(line => line.startsWith('line '));
        expect(told.slice(told.length - lines.length).length).toBe(lines.length);
        expect([...new Set(told)]).toEqual(lines);
        expect(told.at(-1)).toBe(lines.at(-1));
      }),
      { numRuns: 40 },
    );
  });
});
