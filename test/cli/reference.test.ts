import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EXIT_STATUS_TABLE } from '../../src/cli/exit-status.ts';
import { buildProgram } from '../../src/cli/program.ts';

const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
const program = buildProgram(() => {
  throw new Error('nothing runs here');
});
const section = (title: string) => page.split(/^#{2,3} /m).find(part => part.startsWith(`${title}\n`)) ?? '';
const common = section('Options of every command');

describe('docs/cli.md', () => {
  it.each(program.commands.map(command => [command.name(), command] as const))(
    'has %s with its options',
    (name, command) => {
      expect(section(name)).toContain(`postern ${name}`);
      for (const { flags } of command.options) {
        const row = `| \`${flags}\``;
        expect(section(name).includes(row) || common.includes(row), `${flags} of ${name}`).toBe(true);
      }
    },
  );

  it('has no option that the command has not', () => {
    const told = [...page.matchAll(/^\| `(-[^`]+)`/gm)].map(([, flags]) => flags!);
    const known = new Set(program.commands.flatMap(command => command.options.map(({ flags }) => flags)));
    expect(told.length).toBeGreaterThan(15);
    expect(told.filter(flags => !known.has(flags) && flags !== '-h, --help')).toEqual([]);
  });

  it('has the exit statuses as the command has them', () => {
    const rows = [...section('Exit status').matchAll(/^\| +(\d+|128\+n) +\| +(.+?) +\|$/gm)];
    expect(rows.map(([, status, meaning]) => [status, meaning])).toEqual(
      EXIT_STATUS_TABLE.map(({ status, meaning }) => [String(status), meaning]),
    );
  });
});
