import { readFileSync } from 'node:fs';

/** Reads a file of test/vectors; its README says where each came from. */
export function readVectors<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(`../../vectors/${path}`, import.meta.url), 'utf8')) as T;
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** The code of the error that `action` throws, or 'nothing thrown'. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
  return 'nothing thrown';
}

export interface Wycheproof<Test> {
  testGroups: { tests: (Test & { tcId: number; result: 'valid' | 'invalid' | 'acceptable' })[] }[];
}

export function wycheproofTests<Test>(file: string) {
  return readVectors<Wycheproof<Test>>(`wycheproof/${file}`).testGroups.flatMap(group => group.tests);
}
