import { readFileSync } from 'node:fs';

/** A conversation between two originals, as it was on the wire (test/vectors/README.md). */
export interface Conversation {
  readonly name: string;
  readonly transport: 'tcp' | 'udp';
  /** The originals'. */
  readonly port: number;
  readonly typed: Readonly<Record<Side, readonly string[]>>;
  readonly wire: readonly { readonly from: Side; readonly hex: string }[];
  /** What stood on stdout; absent where the original shows what cannot be compared. */
  readonly printed: Readonly<Partial<Record<Side, string>>>;
}

export type Side = 'serve' | 'call';

const path = new URL('../../vectors/classic/conversations.json', import.meta.url);

export const CONVERSATIONS = JSON.parse(readFileSync(path, 'utf8')) as readonly Conversation[];

export function conversation(name: string): Conversation {
  const found = CONVERSATIONS.find(one => one.name === name);
  if (found === undefined) throw new Error(`there is no conversation ${name}`);
  return found;
}
