// In a process of its own: makes a tree of files in folders of equal size. `node make-tree.mjs ROOT FOLDERS FILES BYTES`
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [, , root] = process.argv;
const [folders, files, bytes] = process.argv.slice(3).map(Number);
for (let at = 0; at < folders; at += 1) {
  const folder = join(root, `folder-${at}`);
  mkdirSync(folder, { recursive: true });
  const count = Math.floor(((at + 1) * files) / folders) - Math.floor((at * files) / folders);
  for (let file = 0; file < count; file += 1) writeFileSync(join(folder, `file-${file}`), randomBytes(bytes));
}
