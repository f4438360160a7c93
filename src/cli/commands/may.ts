import type { CommandContext } from '../context.ts';
import { formatHost } from '../place.ts';
import { escapeText } from '../terminal/escape.ts';
import { type ReachOptions, remoteHost, withLine } from './dial.ts';

/** What this login may do there. */
export async function may(context: CommandContext, text: string, options: ReachOptions): Promise<void> {
  const place = await remoteHost(context, text, options);
  context.doing = `cannot ask ${formatHost(place.host)}`;
  const allowed = await withLine(context, place, options, async ({ allowed }) => allowed);
  if (context.options.json) {
    await context.printJson({ host: place.host, port: place.port, allowed });
  } else if (allowed.length === 0) {
    await context.print('nothing');
  } else {
    for (const name of allowed) {
      const meaning = MEANINGS[name];
      await context.print(meaning === undefined ? escapeText(name) : `${name}\t${meaning}`);
    }
  }
}

const MEANINGS: Readonly<Record<string, string>> = {
  read: 'list and get files',
  write: 'put new files, and continue your own',
  delete: 'replace, remove and rename files',
  exec: 'run commands',
  shell: 'open a terminal',
  chat: 'talk in rooms',
  time: 'ask the time',
  agents: 'dial in as an agent, and reach agents',
};
