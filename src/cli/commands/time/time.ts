import {
  askTime,
  askTimeByDatagrams,
  fixedZone,
  formatTime,
  LineError,
  loadZone,
  openDatagrams,
  type TimeEstimate,
  utcZone,
  type Zone,
  type ZoneNow,
} from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { formatHost } from '../../place.ts';
import { isMany } from '../agents/chosen-agents.ts';
import { type Reached, type ReachOptions, remoteHost, requirePermission, withLine } from '../dial.ts';
import { EXCHANGES, formatOffset, offsetJson, rounded } from './offset.ts';
import { timeOnMany } from './time-on-many.ts';

export interface TimeOptions extends ReachOptions {
  readonly utc?: boolean;
  readonly zone?: string;
  readonly offset?: boolean;
  readonly via: 'auto' | 'udp' | 'line';
  readonly all?: boolean;
  readonly parallel: number;
}

/** What time it is there: one question by datagrams, over the line where they do not get through. */
export async function time(
  context: CommandContext,
  text: string,
  format: string | undefined,
  options: TimeOptions,
): Promise<void> {
  const place = await remoteHost(context, text, options);
  const name = formatHost(place.host);
  context.doing = `cannot ask ${name} for the time`;
  if (options.via === 'udp' && (options.on !== undefined || options.all === true)) {
    throw new LineError('USAGE', 'agents are reached over the line, not by UDP');
  }
  // As for `date`, which takes no format without it.
  const show = await presentation(format?.replace(/^\+/, ''), options);
  if (isMany(options)) {
    await timeOnMany(context, place, options);
    return;
  }
  const { answer, via } = await withLine(context, place, options, reached => {
    requirePermission(reached, 'time', 'ask the time');
    return ask(context, reached, name, options);
  });
  if (context.options.json) {
    await context.printJson({ time: show(answer), unix_ms: rounded(answer.unixMs), ...offsetJson(answer), via });
  } else if (options.offset === true) {
    await context.print(`${formatOffset(answer)}, round trip ${answer.roundTripMs.toFixed(3)} ms, via ${via}`);
  } else await context.print(show(answer));
}

interface Answered {
  readonly answer: TimeEstimate;
  readonly via: 'udp' | 'line';
}

async function ask(context: CommandContext, reached: Reached, name: string, options: TimeOptions): Promise<Answered> {
  const exchanges = options.offset === true || context.options.json === true ? EXCHANGES : 1;
  const { signal } = context;
  if (options.via !== 'line' && options.on === undefined) {
    try {
      const asker = await openDatagrams(reached);
      if (asker === undefined) throw new LineError('UNREACHABLE', `${name} answers nothing by UDP`);
      const timeoutMs = options.via === 'udp' ? undefined : PATIENCE_MS;
      return { answer: await askTimeByDatagrams(asker, { exchanges, signal, timeoutMs }), via: 'udp' };
    } catch (thrown) {
      if (!(thrown instanceof LineError) || !NO_WAY.has(thrown.code)) throw thrown;
      if (options.via === 'udp') {
        context.hint = 'it can be asked over the line: --via line';
        throw thrown;
      }
      context.note(`no answer by UDP: ${name} or a firewall lets none through; asked over the line instead`);
    }
  }
  return { answer: await askTime(reached.route, { exchanges, signal }), via: 'line' };
}

/** How an answer is shown; whatever is wrong with it is told before anybody is asked. */
async function presentation(format = DEFAULT_FORMAT, options: TimeOptions): Promise<(answer: TimeEstimate) => string> {
  const { utc, zone } = options;
  if (utc === true && zone !== undefined) throw new LineError('USAGE', '--utc and --zone do not go together');
  if ((options.offset === true || isMany(options)) && format !== DEFAULT_FORMAT) {
    throw new LineError('USAGE', 'offsets are no times, so --offset and many machines take no FORMAT');
  }
  const chosen = utc === true ? utcZone() : zone === undefined ? undefined : await loadZone(zone);
  formatTime(format, { unixMs: 0 }, utcZone());
  return answer => formatTime(format, answer, chosen ?? zoneThere(answer.zone));
}

/** What they say it is there now: their zones may be newer than ours. */
function zoneThere({ offsetMinutes, abbreviation }: ZoneNow): Zone {
  return abbreviation === undefined ? fixedZone(offsetMinutes) : fixedZone(offsetMinutes, abbreviation);
}

const DEFAULT_FORMAT = '%Y-%m-%d %X';
/** How long packets are waited for where there is another way. One is sent again meanwhile. */
const PATIENCE_MS = 1_000;
const NO_WAY: ReadonlySet<string> = new Set(['TIMEOUT', 'UNREACHABLE', 'ACCESS', 'UNSUPPORTED']);
