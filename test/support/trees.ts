import { createHash } from 'node:crypto';
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from 'node:fs';
import { join } from 'node:path';

/**
 * All that a transfer brings of what is below `folder`, one line for each name, sorted: type, mode and time to the
 * microsecond, and the content or where a link points. Links have no time or mode of their own here, and the folder
 * itself is not among it, because a receiver leaves both as they are. Names are Latin-1, so that every byte counts.
 */
export function describeTree(folder: string, options: { readonly omit?: (path: string) => boolean } = {}): string[] {
  const lines: string[] = [];
  const visit = (below: string): void => {
    for (const name of readdirSync(placeOf(folder, below), 'latin1')) {
      const path = below === '' ? name : `${below}/${name}`;
      if (options.omit?.(path)) continue;
      const place = placeOf(folder, path);
      const stats = lstatSync(place);
      const attributes = `${(stats.mode & 0o7777).toString(8)} ${microseconds(stats)}`;
      if (stats.isSymbolicLink()) lines.push(`${path} link ${readlinkSync(place, 'latin1')}`);
      else if (stats.isDirectory()) {
        lines.push(`${path} folder ${attributes}`);
        visit(path);
      } else if (stats.isFile()) lines.push(`${path} file ${attributes} ${stats.size} ${digestOf(place)}`);
      else lines.push(`${path} other`);
    }
  };
  visit('');
  return lines.sort();
}

/** The partials of transfers below `folder`. */
export function partialsBelow(folder: string): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names.filter(name => name.endsWith('.postern-part'));
}

/** What is in one list and not in the other, to be expected empty: a failure then shows the difference alone. */
export function differences(one: readonly string[], other: readonly string[]): string[] {
  const [left, right] = [new Set(one), new Set(other)];
  return [
    ...one.filter(line => !right.has(line)).map(line => `- ${line}`),
    ...other.filter(line => !left.has(line)).map(line => `+ ${line}`),
  ];
}

/** To the nearest, as a time travels: disks have finer ones. */
export function microseconds({ mtimeMs }: Stats): number {
  return Math.round(mtimeMs * 1000);
}

function placeOf(folder: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(join(folder, '/')), Buffer.from(path, 'latin1')]);
}

function digestOf(place: Buffer): string {
  const hash = createHash('sha1');
  const block = Buffer.allocUnsafe(1024 * 1024);
  const file = openSync(place, 'r');
  try {
    for (let count = readSync(file, block); count > 0; count = readSync(file, block)) {
      hash.update(block.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
  return hash.digest('base64url');
}
