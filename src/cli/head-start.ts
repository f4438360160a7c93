import { StretchedPassphrase } from '../node/stretched-passphrase.ts';

/**
 * Begins to stretch the passphrase from the environment before the command is even loaded: both take as long, and on two
 * cores they take it together. Whether it is the one to be used is found out later (commands/dial.ts).
 */
export function headStart(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): HeadStart | undefined {
  const text = environment['POSTERN_PASSWORD'];
  const isDialling = DIALLING.has(args[0] ?? '') && !args.some(arg => OTHERWISE.test(arg));
  return text !== undefined && isDialling ? { text, stretched: new StretchedPassphrase(text) } : undefined;
}

export interface HeadStart {
  readonly text: string;
  readonly stretched: StretchedPassphrase;
}

const DIALLING: ReadonlySet<string> = new Set([
  'ls',
  'get',
  'put',
  'sync',
  'rm',
  'mkdir',
  'mv',
  'ping',
  'may',
  'pair',
  'shell',
  'agent',
  'agents',
  'exec',
  'chat',
  'time',
]);
/** Another passphrase is to be used, or none. */
const OTHERWISE = /^(?:--password-file\b|--help$|-h$)/;
