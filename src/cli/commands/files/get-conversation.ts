import { FilesClient, LineError, type Route } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { explainItem } from '../../failure.ts';
import { parseRemote } from '../../place.ts';
import { escapeText } from '../../terminal/escape.ts';
import { formatSize } from '../../terminal/format.ts';
import { ask, confirm } from '../../terminal/prompt.ts';
import { fetchTarget, type GetOptions } from './get-fetch.ts';
import { Offer } from './get-offer.ts';
import { resolveTargets } from './get-target.ts';
import { Conflicts } from './transfer/conflicts.ts';
import { statusOf } from './transfer/transfer-options.ts';
import { TransferReport } from './transfer/transfer-report.ts';

/**
 * `get HOST` as the file server's first client did it: which file, how large it is, whether to go on, where to put it.
 * `q` leaves; a file that is not there is asked for again.
 */
export async function converse(context: CommandContext, route: Route, options: GetOptions): Promise<void> {
  const files = new FilesClient(route);
  const how = {
    noInput: context.options.input === false,
    signal: context.signal,
    answeredBy: ['HOST:PATH'],
  };
  for (;;) {
    const name = (await ask('file name (q leaves):', how)).trim();
    if (name === 'q') return;
    if (name === '') continue;
    const found = await look(context, files, name);
    if (found === undefined) continue;
    const offer = new Offer(context, [found.path], found.path, options);
    if (found.type !== 'folder' && !context.options.yes) {
      const size = `${formatSize(found.size)} (${found.size} bytes)`;
      if (!(await confirm(`${escapeText(found.path)} is ${size}; continue?`, how))) continue;
    }
    if (!(await offer.agree(files))) continue;
    const suggested = found.path.split('/').at(-1)!;
    const answer = (await ask(`where should it go? [${suggested}]`, how)).trim();
    const source = { kind: 'remote' as const, host: '', port: 0, path: found.path, trailingSlash: false };
    const [target] = await resolveTargets([source], answer === '' ? suggested : answer, false);
    const report = new TransferReport(context, suggested);
    const conflicts = new Conflicts(context, options, { direction: 'get', report });
    context.doing = `cannot get ${found.path}`;
    try {
      await report.show();
      if (offer.total !== undefined) report.expect(offer.total);
      await fetchTarget(files, target!, { options, report, conflicts, offer });
      await report.finish();
    } finally {
      report.close();
    }
    context.exitStatus = statusOf(report);
    return;
  }
}

async function look(context: CommandContext, files: FilesClient, name: string) {
  try {
    const { path } = parseRemote(`conversation:${name}`);
    const entry = await files.stat(path, { signal: context.signal });
    return { type: entry.type, size: entry.size, path };
  } catch (thrown) {
    if (!(thrown instanceof LineError) || !ASK_AGAIN.has(thrown.code)) throw thrown;
    context.tell(`postern: ${escapeText(name)}: ${explainItem(thrown)}`);
    return undefined;
  }
}

const ASK_AGAIN: ReadonlySet<string> = new Set(['NOT_FOUND', 'BAD_NAME', 'USAGE', 'FORBIDDEN', 'NOT_A_FILE']);
