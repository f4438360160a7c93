import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as portableEntry from '../src/index.ts';
import * as nodeEntry from '../src/node/index.ts';
import { DEFAULT_ADMISSION_LIMITS } from '../src/protocol/admission/admission-limits.ts';
import { errorFromWire } from '../src/protocol/channels/codes.ts';
import * as protocolLimits from '../src/protocol/limits.ts';
import { MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_PATH_LEVELS } from '../src/services/files/names.ts';
import * as testingEntry from '../src/testing/index.ts';
import { ROOT } from './source-files.ts';

/** What a machine can check of the documents. The build ran before. */
const documents = [
  ...markdownIn('.'),
  ...markdownIn('docs'),
  ...markdownIn('docs/protocol'),
  ...markdownIn('docs/decisions'),
];

describe('ARCHITECTURE.md', () => {
  it('names only paths that exist, from the root or from src/', () => {
    const paths = codeSpans(read('ARCHITECTURE.md')).filter(span =>
      /^[a-z][\w.-]*(?:\/[\w.-]*)+$|^[\w-]+\.ts$/.test(span),
    );
    expect(paths.length).toBeGreaterThan(40);
    expect(paths.filter(path => !existsSync(join(ROOT, path)) && !existsSync(join(ROOT, 'src', path)))).toEqual([]);
  });

  it('gives a reason for every dependency, and for no other', () => {
    const { dependencies, optionalDependencies } = JSON.parse(read('package.json')) as {
      dependencies: Record<string, string>;
      optionalDependencies: Record<string, string>;
    };
    const section = read('ARCHITECTURE.md')
      .split(/^## /m)
      .find(part => part.startsWith('Dependencies'))!;
    const cells = section.split('\n').flatMap(line => /^\| (`.*?) \|/.exec(line)?.[1] ?? []);
    expect(cells.flatMap(codeSpans).sort()).toEqual(Object.keys({ ...dependencies, ...optionalDependencies }).sort());
  });
});

describe('the specification', () => {
  it('has every section that code or a document cites', () => {
    const citing = [...filesIn('src'), ...filesIn('test'), ...documents].filter(
      path => path !== 'test/documents.test.ts',
    );
    const cited = citing.flatMap(path => citationsIn(read(path)).map(citation => ({ path, ...citation })));
    expect(cited.length).toBeGreaterThan(30);
    const missing = cited.filter(({ page, section }) => !sectionsOf(page).includes(section));
    expect(missing.map(({ path, page, section }) => `${path}: ${page} §${section}`)).toEqual([]);
  });

  it('has the error codes of the wire as the code has them', () => {
    const rows = [...read('docs/protocol/3-channels.md').matchAll(/^\| (\d+) \| ([A-Z_]+) \|/gm)];
    const told = rows.map(([, number, name]) => [Number(number), name === 'OK' ? 'CLOSED' : name]);
    expect(told).toEqual(rows.map((_, number) => [number, errorFromWire(number, '').code]));
    expect(errorFromWire(rows.length, '').code).toBe('INTERNAL');
  });
});

describe('links between documents', () => {
  it.each(documents)('%s leads only to what is there', path => {
    const links = [...withoutCode(read(path)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
    const broken = links.filter(target => !/^(?:https?|mailto):/.test(target) && !resolves(path, target));
    expect(broken).toEqual([]);
  });
});

describe('pages in Chinese', () => {
  const pages = documents.filter(path => path.endsWith('.zh-CN.md'));

  it.each(pages)('%s is built as the English page is: headings, tables, and code', path => {
    expect(outline(read(path))).toEqual(outline(read(path.replace('.zh-CN.md', '.md'))));
  });

  it('the outline sees what it should', () => {
    const text = '# a\n\n| b | c |\n| --- | --- |\n| d | e |\n\n```js\ncode(); // said\n```\n\n```\n# drawn\n```\n';
    expect(outline(text)).toEqual(['#', 'table', '```js', 'code();', '```', '```', '```']);
  });
});

describe('docs/limits.md', () => {
  const limits: Record<string, number> = {
    ...protocolLimits,
    ...DEFAULT_ADMISSION_LIMITS,
    MAX_NAME_BYTES,
    MAX_PATH_BYTES,
    MAX_PATH_LEVELS,
  };
  const rows = [...read('docs/limits.md').matchAll(/^\| `(\w+)` \| ([\d,]+) \|/gm)];
  const told = rows.map(([, name, value]) => [name!, Number(value!.replaceAll(',', ''))] as const);

  it('has every limit once, and no other', () => {
    expect(told.map(([name]) => name).sort()).toEqual(Object.keys(limits).sort());
  });

  it('has the values of the code', () => {
    expect(told.filter(([name, value]) => limits[name] !== value)).toEqual([]);
  });
});

describe('docs/api.md', () => {
  it('names every function, class and constant of the entries', () => {
    const text = read('docs/api.md');
    const names = [portableEntry, nodeEntry, testingEntry].flatMap(entry => Object.keys(entry));
    expect([...new Set(names)].filter(name => !new RegExp(`\\b${name}\\b`).test(text))).toEqual([]);
  });

  it('has examples that compile against the package', () => {
    const blocks = [...read('docs/api.md').matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code!);
    expect(blocks.length).toBeGreaterThan(5);
    // Inside the package, so that its own name resolves as it does for users.
    const folder = join(ROOT, '.cache/documents');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    for (const [index, code] of blocks.entries()) writeFileSync(join(folder, `example-${index + 1}.ts`), code);
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include: ['*.ts'] }),
    );
    const compiler = join(ROOT, 'node_modules/.bin/tsc');
    const { status, stdout, stderr } = spawnSync(compiler, ['-p', folder], { cwd: ROOT, encoding: 'utf8' });
    expect(status, stdout + stderr).toBe(0);
  });
});

/** A user's, as strict as can be. */
const COMPILER_OPTIONS = {
  target: 'ES2023',
  lib: ['ES2023', 'ES2024.String'],
  module: 'NodeNext',
  types: ['node'],
  typeRoots: ['../../node_modules/@types'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  verbatimModuleSyntax: true,
  skipLibCheck: false,
  noEmit: true,
};

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function markdownIn(folder: string): string[] {
  const names = readdirSync(join(ROOT, folder)).filter(name => name.endsWith('.md'));
  return names.map(name => (folder === '.' ? name : `${folder}/${name}`));
}

function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .map(path => join(folder, path));
}

/** What a page and its translation have in common. Of code the comments, and of a drawing all of it, may differ. */
function outline(text: string): string[] {
  const parts: string[] = [];
  let language: string | undefined;
  for (const line of text.split('\n')) {
    if (line.startsWith('```')) {
      language = language === undefined ? line.slice(3) : undefined;
      parts.push(line);
    } else if (language !== undefined) {
      if (language !== '') parts.push(line.replace(/\/\/ .*$/, '').trimEnd());
    } else if (/^#+ /.test(line)) {
      parts.push(line.replace(/ .*/, ''));
    } else if (/^\| *-/.test(line)) {
      parts.push('table');
    }
  }
  return parts;
}

function codeSpans(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span!);
}

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]+`/g, '');
}

/** `1-handshake.md §3, §4`, also with a link's end between the two. */
function citationsIn(text: string): { page: string; section: string }[] {
  return [...text.matchAll(/\b(\d-[a-z]+\.md)\)?((?:,? §\d+)+)/g)].flatMap(([, page, sections]) =>
    [...sections!.matchAll(/\d+/g)].map(([section]) => ({ page: page!, section })),
  );
}

function sectionsOf(page: string): string[] {
  const path = `docs/protocol/${page}`;
  if (!existsSync(join(ROOT, path))) return [];
  return [...read(path).matchAll(/^## (\d+)\. /gm)].map(([, section]) => section!);
}

function resolves(from: string, target: string): boolean {
  const [file, anchor] = target.split('#') as [string, string | undefined];
  const path = file === '' ? from : join(dirname(from), file);
  if (!existsSync(join(ROOT, path))) return false;
  return anchor === undefined || headingAnchors(read(path)).includes(anchor);
}

/** As the usual hosts make them: lower case, spaces to hyphens, the rest dropped. */
function headingAnchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
