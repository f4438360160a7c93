import xterm from '@xterm/headless';
import { describe, expect, it } from 'vitest';
import { streamStyle } from '../../../src/cli/terminal/colors.ts';
import { TransientLine } from '../../../src/cli/terminal/transient-line.ts';

function makeLine(columns: number) {
  const terminal = new xterm.Terminal({ cols: columns, rows: 10, allowProposedApi: true, convertEol: true });
  const clock = { nowMs: 0 };
  const stream = {
    isTTY: true,
    get columns() {
      return terminal.cols;
    },
    writes: 0,
    write(text: string) {
      this.writes += 1;
      terminal.write(text);
    },
  };
  const lines = async (): Promise<string[]> => {
    await new Promise<void>(resolve => terminal.write('', resolve));
    const { active } = terminal.buffer;
    const all = Array.from({ length: active.length }, (_, at) => active.getLine(at)!.translateToString(true));
    return all.filter(line => line !== '');
  };
  const line = new TransientLine(stream, streamStyle(stream, {}), () => clock.nowMs);
  return { line, lines, clock, terminal, stream };
}

describe('a line that is about now', () => {
  it('changes in place, at most ten times a second, and is gone at the end', async () => {
    const { line, lines, clock, stream } = makeLine(40);
    for (let count = 0; count < 1000; count += 1) {
      clock.nowMs += 1;
      line.show(`${count} files …`);
    }
    expect(stream.writes).toBeLessThanOrEqual(2 * 11);
    expect(await lines()).toEqual(['900 files …']);
    line.close();
    line.close();
    clock.nowMs += 1000;
    line.show('too late');
    expect(await lines()).toEqual([]);
  });

  it('lets finished lines pass above it, and goes away for a question', async () => {
    const { line, lines } = makeLine(40);
    line.show('listing…');
    line.print('told');
    expect(await lines()).toEqual(['told', 'listing…']);
    line.pause();
    expect(await lines()).toEqual(['told']);
    line.resume();
    expect(await lines()).toEqual(['told', 'listing…']);
  });

  it('fits a narrow terminal, also one that became narrower', async () => {
    const { line, lines, clock, terminal } = makeLine(60);
    line.show('connecting to a-rather-long-name.example.org…');
    await lines();
    terminal.resize(20, 10);
    clock.nowMs += 1000;
    line.show('日本語の名前日本語の名前');
    expect(await lines()).toEqual(['日本語の名前日本…']);
    line.close();
    expect(await lines()).toEqual([]);
  });
});
