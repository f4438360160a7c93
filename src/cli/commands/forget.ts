import { KnownPeers, LineError } from '../../node/index.ts';
import type { CommandContext } from '../context.ts';
import { formatHost } from '../place.ts';
import { escapeText } from '../terminal/escape.ts';
import { remoteHost } from './dial.ts';

/** Forgets the pinned key of a server: the next login pins anew what it meets. */
export async function forget(context: CommandContext, text: string, options: { port?: number }): Promise<void> {
  const place = await remoteHost(context, text, options);
  // A URL with a port means that one alone, as --port does.
  const port = URL_WITH_PORT.test(text) ? place.port : options.port;
  const name = formatHost(place.host);
  context.doing = `cannot forget ${name}`;
  context.hint = '';
  const forgotten = await new KnownPeers().forget(place.host, port);
  if (forgotten === 0) {
    const where = port === undefined ? name : `port ${port} of ${name}`;
    throw new LineError('NOT_FOUND', `no key is pinned for ${where}`);
  }
  if (context.options.json) await context.printJson({ host: place.host, forgotten });
  else context.note(`forgot ${forgotten === 1 ? 'the key' : `${forgotten} keys`} of ${escapeText(name)}`);
}

const URL_WITH_PORT = /^postern:\/\/(?:\[[^\]]*\]|[^/:]*):\d/i;
