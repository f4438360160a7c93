import { describe, expect, it } from 'vitest';
import { CHAT_RING_BYTES, CHAT_RING_ENTRIES, MAX_MESSAGE_BYTES } from '../../../src/protocol/limits.ts';
import { Ring } from '../../../src/services/chat/hosting/ring.ts';
import { RingBudget } from '../../../src/services/chat/hosting/ring-budget.ts';
import { utf8 } from '../../support/bytes.ts';

const everybody = { device: 'x', messagesOnly: false };

function entries(bytes: Uint8Array | undefined): unknown[] {
  return bytes === undefined ? [] : JSON.parse(Buffer.from(bytes).toString()).entries;
}

function entry(value: unknown): Uint8Array {
  return utf8(JSON.stringify(value));
}

describe('the ring of a room', () => {
  it('gives each reader what lies behind its place, as many to a message as fit', () => {
    const ring = new Ring(0);
    for (let id = 1; id <= 30; id += 1) ring.push(entry({ id, text: 'x'.repeat(8000) }), id);
    const seen: unknown[] = [];
    for (let at = ring.first; at < ring.end; ) {
      const batch = ring.batch(at, ring.end, everybody);
      expect(batch.bytes!.length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES);
      seen.push(...entries(batch.bytes));
      at = batch.next;
      expect(batch.lastId).toBe(at);
    }
    expect(seen.map(value => (value as { id: number }).id)).toEqual(Array.from({ length: 30 }, (_, n) => n + 1));
  });

  it('encodes once for all who stand at the same place', () => {
    const ring = new Ring(0);
    ring.push(entry({ id: 1 }), 1);
    const { bytes } = ring.batch(0, 1, { device: 'a', messagesOnly: false });
    expect(ring.batch(0, 1, { device: 'b', messagesOnly: false }).bytes).toBe(bytes);
  });

  it('shows what is for two devices to these, in its place', () => {
    const ring = new Ring(0);
    ring.push(entry({ id: 1 }), 1);
    ring.push(entry({ id: 2 }), 2, ['a', 'b']);
    ring.push(entry({ k: 'came' }), 0);
    ring.push(entry({ id: 3 }), 3);
    const ids = (device: string, messagesOnly = false) =>
      entries(ring.batch(0, 4, { device, messagesOnly }).bytes).map(value => (value as { id?: number }).id);
    expect(ids('a')).toEqual([1, 2, undefined, 3]);
    expect(ids('b', true)).toEqual([1, 2, 3]);
    expect(ids('c')).toEqual([1, undefined, 3]);
    expect(ids('c', true)).toEqual([1, 3]);
    expect(ring.batch(1, 2, { device: 'c', messagesOnly: false })).toMatchObject({
      bytes: undefined,
      next: 2,
      lastId: 2,
    });
  });

  it('R-A12: is bounded in entries and in bytes, and says what has gone', () => {
    const many = new Ring(100);
    for (let id = 101; id <= 100 + CHAT_RING_ENTRIES + 5; id += 1) many.push(entry({ id }), id);
    expect(many.end - many.first).toBe(CHAT_RING_ENTRIES);
    expect(many.floor).toBe(105);
    expect(many.placeBehind(104)).toBeLessThan(many.first);
    expect(many.placeBehind(105)).toBe(many.first);
    expect(many.placeBehind(110)).toBe(many.first + 5);
    expect(many.placeBehind(1e9)).toBe(many.end);
    const large = new Ring(0);
    for (let id = 1; id <= 400; id += 1) large.push(new Uint8Array(8192), id);
    expect(large.byteLength).toBeLessThanOrEqual(CHAT_RING_BYTES);
    expect(large.first).toBeGreaterThan(200);
  });

  it('R-A12: holds no more of what it puts together than it has entries, and nothing when it is emptied', () => {
    const ring = new Ring(0);
    for (let id = 1; id <= 16; id += 1) ring.push(entry({ id, text: 'x'.repeat(4000) }), id);
    const entriesBytes = ring.byteLength;
    for (let at = 0; at < 8; at += 1) ring.batch(at, 16, everybody);
    expect(ring.byteLength).toBeLessThanOrEqual(3 * entriesBytes);
    ring.clear();
    expect(ring.byteLength).toBe(0);
  });

  it('R-A12: is emptied for others when all rings hold too much, the one first that was quiet longest', () => {
    const budget = new RingBudget(1000);
    const rings = [new Ring(0), new Ring(0), new Ring(0)];
    for (const [n, ring] of rings.entries()) {
      ring.push(new Uint8Array(450), n + 1);
      budget.grown(ring);
    }
    expect(rings.map(ring => ring.byteLength)).toEqual([0, 450, 450]);
    budget.forget(rings[1]!);
    rings[0]!.push(new Uint8Array(450), 4);
    budget.grown(rings[0]!);
    expect(rings.map(ring => ring.byteLength)).toEqual([450, 450, 450]);
    expect(rings[0]!.floor).toBe(1);
  });
});
