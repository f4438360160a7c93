import { describe, expect, it } from 'vitest';
import { markCommand } from '../../src/cli/usage.ts';

const valued = new Set(['-c', '--command', '-p', '--port', '--cwd']);
const marked = (line: string) => markCommand(line.split(' '), valued).join(' ');

describe('where a command of the other machine begins', () => {
  it.each([
    ['exec lab ls -l', 'exec lab -- ls -l'],
    ['exec lab ls -- -l', 'exec lab -- ls -- -l'],
    ['exec -q lab ls --cwd /', 'exec -q lab -- ls --cwd /'],
    ['exec --cwd / lab ls', 'exec --cwd / lab -- ls'],
    ['exec lab --cwd / ls -p 1', 'exec lab --cwd / -- ls -p 1'],
    ['exec lab --cwd=/ ls', 'exec lab --cwd=/ -- ls'],
    ['exec -p 7 lab ls', 'exec -p 7 lab -- ls'],
    ['exec -p7 lab ls', 'exec -p7 lab -- ls'],
    ['exec -qp 7 lab ls', 'exec -qp 7 lab -- ls'],
    ['exec -pq lab ls', 'exec -pq lab -- ls'],
    ['exec lab - x', 'exec lab -- - x'],
  ])('%s', (line, expected) => {
    expect(marked(line)).toBe(expected);
  });

  it.each(['exec', 'exec lab', 'exec lab -- ls -l', 'exec -- lab ls', 'exec lab -c ls', 'exec lab --cwd'])(
    '%s is left as it is',
    line => {
      expect(marked(line)).toBe(line);
    },
  );
});
