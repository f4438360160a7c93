import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as classicEntry from '../../src/classic/index.ts';
import * as limits from '../../src/classic/limits.ts';
import { buildClassic } from '../../src/cli/commands/classic/classic.ts';
import { ROOT } from '../source-files.ts';
import { CONVERSATIONS } from './support/vectors.ts';

/** What a machine can check of the wing's documents. The build ran before. */
const page = read('docs/classic.md');
const programs = buildClassic(
  () => {
    throw new Error('nothing runs here');
  },
  () => {},
).commands;
const verbs = programs.flatMap(program => (program.commands.length === 0 ? [program] : leaves(program)));

describe('docs/classic.md', () => {
  it.each(programs.map(program => [program.name(), program] as const))(
    'tells of %s with its verbs',
    (name, program) => {
      const section = page.split(/^#{2,3} /m).find(part => part.startsWith(`${name}\n`)) ?? '';
      expect(section).toContain(`postern classic ${name}`);
      for (const verb of program.commands) expect(section).toContain(verb.name());
    },
  );

  it('has the options of the verbs, and no other', () => {
    const told = new Set([...page.matchAll(/^\| `(-[^`]+)` +\|/gm)].map(([, flags]) => flags!));
    const known = new Set(verbs.flatMap(verb => verb.options.map(({ flags }) => flags)));
    expect([...told].filter(flags => !known.has(flags) && flags !== '--framing')).toEqual([]);
    expect([...known].filter(flags => !told.has(flags))).toEqual([]);
  });

  it('has the limits with their values', () => {
    const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| ([\d,]+) \|/gm)];
    const told = Object.fromEntries(rows.map(([, name, value]) => [name!, Number(value!.replaceAll(',', ''))]));
    expect(told).toEqual({ ...limits });
  });

  it('names what the entry exports', () => {
    expect(Object.keys(classicEntry).filter(name => !page.includes(`\`${name}\``))).toEqual([]);
  });

  it('has the ports of the originals', () => {
    for (const { name, port } of CONVERSATIONS) {
      const section = page.split(/^### /m).find(part => part.startsWith(`${name.split(' ')[0]}\n`))!;
      expect(section, name).toContain(`port ${port}`);
    }
  });
});

describe('docs/framing.md', () => {
  const examples = [...read('docs/framing.md').matchAll(/^```js\n([\s\S]*?)^```\n+prints\n+```\n([\s\S]*?)^```$/gm)];

  it('has examples that run', () => {
    expect(examples.length).toBeGreaterThan(2);
  });

  it.each(examples.map(([, code, output], at) => [at + 1, code!, output!] as const))(
    'example %d prints what the page says',
    (at, code, output) => {
      const folder = join(ROOT, '.cache/documents');
      mkdirSync(folder, { recursive: true });
      // Inside the package, so that its own name resolves as it does for users.
      const path = join(folder, `framing-${at}.mjs`);
      writeFileSync(path, code);
      const { stdout, stderr } = spawnSync(process.execPath, [path], { encoding: 'utf8' });
      expect(stdout + stderr).toBe(output);
    },
  );
});

describe('docs/from-the-tutorials.md', () => {
  it('has a replacement for every program', () => {
    const replaced = read('docs/from-the-tutorials.md');
    for (const program of programs) expect(replaced).toContain(`classic ${program.name()}`);
  });
});

function leaves(program: (typeof programs)[number]): (typeof programs)[number][] {
  return program.commands.length === 0 ? [program] : program.commands.flatMap(leaves);
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}
