import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AdmissionLimits } from '../../src/protocol/admission/admission-limits.ts';
import type { GuessedRealm } from '../../src/protocol/admission/guess-budgets.ts';
import { sourcesOf } from '../../src/protocol/admission/sources.ts';
import { Admission, type AdmissionTicket } from '../../src/protocol/admission.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const STRANGER = new Uint8Array(32).fill(1);
const FRIEND = new Uint8Array(32).fill(2);
const CHOSEN: GuessedRealm = { name: '', generated: false };
const GENERATED: GuessedRealm = { name: '', generated: true };
const CODE: GuessedRealm = { name: 'code', generated: true, uses: 1 };
/** For tests of the guess budgets: the rate of HELLO is out of the way. */
const ANY_RATE = { hellosPerSecond: 1e9, helloBurst: 1e9, hellosPerSecondPerSource: 1e9, helloBurstPerSource: 1e9 };
const ANY_SOURCE = { wrongGuessesPerSource: 1e9 };

const ignoreEviction = (): void => {};

/** A connection that has read REPLY. */
function replied(admission: Admission, address: string, nowMs: number): AdmissionTicket {
  const ticket = admission.arrive(address, nowMs, ignoreEviction);
  expect(ticket.hello('passphrase', nowMs)).toBe('admit');
  ticket.replied();
  return ticket;
}

/** One whole login with a wrong passphrase; the verdict on its FINISH. */
function guessWrong(admission: Admission, address: string, nowMs: number, realm = CHOSEN, staticKey = STRANGER) {
  const ticket = replied(admission, address, nowMs);
  const verdict = ticket.guess({ realm, staticKey }, nowMs);
  ticket.failed(nowMs);
  ticket.left(nowMs);
  return verdict;
}

function logIn(admission: Admission, address: string, nowMs: number, realm = CHOSEN, staticKey = STRANGER) {
  const ticket = replied(admission, address, nowMs);
  const verdict = ticket.guess({ realm, staticKey }, nowMs);
  if (verdict === 'admit') ticket.succeeded();
  else ticket.left(nowMs);
  return verdict;
}

const knowsFriend = { has: (key: Uint8Array) => key[0] === FRIEND[0] };

describe('sourcesOf', () => {
  it.each([
    ['192.0.2.7', ['192.0.2.7']],
    ['::ffff:192.0.2.7', ['192.0.2.7']],
    ['::FFFF:c000:207', ['192.0.2.7']],
    ['0:0:0:0:0:ffff:192.0.2.7', ['192.0.2.7']],
    ['2001:db8:1:2:3:4:5:6', ['2001:db8:1:2::/64', '2001:db8:1::/48']],
    ['2001:0DB8:0001:0002::', ['2001:db8:1:2::/64', '2001:db8:1::/48']],
    ['2001:db8::1', ['2001:db8:0:0::/64', '2001:db8:0::/48']],
    ['fe80::1%eth0', ['fe80:0:0:0::/64', 'fe80:0:0::/48']],
    ['::1', ['0:0:0:0::/64', '0:0:0::/48']],
    ['unix', ['unix']],
    ['memory', ['memory']],
    ['', ['']],
    ['1:2:3', ['1:2:3']],
    ['1:2:3:4:5:6:7:8:9', ['1:2:3:4:5:6:7:8:9']],
    ['12345::', ['12345::']],
    ['1::2::3', ['1::2::3']],
  ])('counts %j by %j', (address, keys) => {
    expect(sourcesOf(address).map(({ key }) => key)).toEqual(keys);
  });

  it('gives a /48 eight times the figures', () => {
    expect(sourcesOf('2001:db8::1').map(({ weight }) => weight)).toEqual([1, 8]);
  });

  it('finds one /64 for all addresses in it, however they are written', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffff), { minLength: 4, maxLength: 4 }), fc.ipV6(), (prefix, other) => {
        fc.pre(sourcesOf(other).length === 2);
        const written = prefix.map(group => group.toString(16));
        const padded = prefix.map(group => group.toString(16).toUpperCase().padStart(4, '0'));
        expect(sourcesOf(`${written.join(':')}:1:2:3:4`)).toEqual(sourcesOf(`${padded.join(':')}::abcd`));
      }),
    );
  });
});

describe('half-open places', () => {
  it('R-A11: the ninth connection of a source takes the place of its oldest', () => {
    const admission = new Admission();
    const evicted: number[] = [];
    for (let index = 0; index < 9; index += 1) admission.arrive('192.0.2.1', 0, () => evicted.push(index));
    expect(evicted).toEqual([0]);
    expect(admission.load.halfOpenCount).toBe(8);
  });

  it('R-A11: the 257th connection takes the place of the oldest of all', () => {
    const admission = new Admission();
    const evicted: number[] = [];
    for (let index = 0; index < 257; index += 1) admission.arrive(`192.0.2.${index}`, 0, () => evicted.push(index));
    expect(evicted).toEqual([0]);
  });

  it('R-A11: a /48 has 64 places, whatever /64 its connections come from', () => {
    const admission = new Admission();
    let evictions = 0;
    for (let index = 0; index < 65; index += 1) {
      admission.arrive(`2001:db8:1:${index.toString(16)}::1`, 0, () => {
        evictions += 1;
      });
    }
    expect(evictions).toBe(1);
  });

  it('keeps the place of a failed login until the connection has ended, and frees that of a success', () => {
    const admission = new Admission();
    const failing = replied(admission, '192.0.2.1', 0);
    failing.guess({ realm: CHOSEN, staticKey: STRANGER }, 0);
    failing.failed(0);
    expect(admission.load.halfOpenCount).toBe(1);
    failing.left(500);
    failing.left(500);
    expect(admission.load.halfOpenCount).toBe(0);
    logIn(admission, '192.0.2.1', 0);
    expect(admission.load.halfOpenCount).toBe(0);
  });

  it('an evicted connection is told once, its ticket admits nothing and its ends change nothing', () => {
    const admission = new Admission({ halfOpenConnectionsPerSource: 1, ...ANY_RATE });
    let told = 0;
    const old = admission.arrive('192.0.2.1', 0, () => {
      told += 1;
      old.left(0);
    });
    expect(old.hello('passphrase', 0)).toBe('admit');
    old.replied();
    admission.arrive('192.0.2.1', 0, ignoreEviction);
    expect(told).toBe(1);
    expect(old.hello('passphrase', 0)).toEqual({ retryAfterSeconds: 1 });
    expect(old.guess({ realm: CODE, staticKey: STRANGER }, 0)).toEqual({ retryAfterSeconds: 1 });
    old.succeeded();
    old.failed(0);
    old.left(0);
    expect(admission.load.halfOpenCount).toBe(1);
    expect(guessWrong(admission, '192.0.2.2', 0, CODE)).toBe('admit');
  });

  it('R-A11: whatever comes, the newcomer stays and the tables keep their size', () => {
    const addresses = ['192.0.2.1', '192.0.2.2', '2001:db8:1:1::1', '2001:db8:1:2::1', 'unix'];
    const step = fc.record({ address: fc.constantFrom(...addresses), leaves: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), steps => {
        const admission = new Admission({ halfOpenConnections: 10, halfOpenConnectionsPerSource: 3 });
        const open: { ticket: AdmissionTicket; address: string }[] = [];
        for (const { address, leaves } of steps) {
          const at = open.findIndex(connection => connection.address === address);
          if (leaves && at >= 0) {
            open.splice(at, 1)[0]!.ticket.left(0);
            continue;
          }
          const newcomer: { ticket: AdmissionTicket; address: string } = {
            address,
            ticket: admission.arrive(address, 0, () => open.splice(open.indexOf(newcomer), 1)),
          };
          open.push(newcomer);
          expect(open.at(-1)).toBe(newcomer);
          expect(open.filter(connection => connection.address === address).length).toBeLessThanOrEqual(3);
          expect(open.length).toBeLessThanOrEqual(10);
          expect(admission.load.halfOpenCount).toBe(open.length);
        }
      }),
    );
  });
});

describe('the rate of HELLO', () => {
  /** How many of `count` HELLOs at once are admitted. */
  function admitted(
    admission: Admission,
    count: number,
    address: (index: number) => string,
    nowMs: number,
    mode = 'passphrase',
  ) {
    let hellos = 0;
    for (let index = 0; index < count; index += 1) {
      const ticket = admission.arrive(address(index), nowMs, ignoreEviction);
      if (ticket.hello(mode as 'passphrase' | 'device' | 'join', nowMs) === 'admit') hellos += 1;
      ticket.left(nowMs);
    }
    return hellos;
  }
  const one = (): string => '192.0.2.1';
  const many = (index: number): string => `198.51.${index >> 8}.${index & 255}`;

  it('R-A11: 20 at once and then 10 a second from one source', () => {
    const admission = new Admission();
    expect(admitted(admission, 50, one, 0)).toBe(20);
    expect(admitted(admission, 50, one, 1000)).toBe(10);
    expect(admitted(admission, 50, one, 1099)).toBe(0);
    expect(admitted(admission, 50, one, 60_000)).toBe(20);
  });

  it('R-A11: 100 at once and then 50 a second from all', () => {
    const admission = new Admission();
    expect(admitted(admission, 1000, many, 0)).toBe(100);
    expect(admitted(admission, 1000, many, 1000)).toBe(50);
  });

  it('R-A11: eight times as much from a /48 as from a /64', () => {
    const admission = new Admission({ hellosPerSecond: 1e9, helloBurst: 1e9 });
    expect(admitted(admission, 500, () => '2001:db8:1:1::1', 0)).toBe(20);
    expect(admitted(admission, 500, index => `2001:db8:1:${(index + 2).toString(16)}::1`, 0)).toBe(140);
  });

  it('a flood of passphrases does not starve DEVICE and JOIN', () => {
    const admission = new Admission();
    admitted(admission, 1000, many, 0);
    admitted(admission, 100, one, 0);
    expect(admitted(admission, 10, one, 0, 'device')).toBe(10);
    expect(admitted(admission, 10, one, 0, 'join')).toBe(10);
    expect(admitted(admission, 10, one, 0, 'join')).toBe(0);
  });

  it('says how long to wait, in whole seconds of which there is at least one', () => {
    const admission = new Admission({ hellosPerSecondPerSource: 0.1, helloBurstPerSource: 1 });
    expect(admission.arrive('unix', 0, ignoreEviction).hello('device', 0)).toBe('admit');
    expect(admission.arrive('unix', 0, ignoreEviction).hello('device', 0)).toEqual({ retryAfterSeconds: 10 });
    expect(admission.arrive('unix', 9_999, ignoreEviction).hello('device', 9_999)).toEqual({ retryAfterSeconds: 1 });
  });

  it('a success gives its tokens back, also those of a HELLO answered with RETRY', () => {
    const admission = new Admission();
    for (let index = 0; index < 1000; index += 1) expect(logIn(admission, '192.0.2.1', 0)).toBe('admit');
    const retried = admission.arrive('192.0.2.1', 0, ignoreEviction);
    expect(retried.hello('device', 0)).toBe('admit');
    expect(retried.hello('device', 0)).toBe('admit');
    retried.replied();
    retried.succeeded();
    expect(admitted(admission, 50, one, 0)).toBe(20);
    expect(admitted(admission, 50, one, 0, 'device')).toBe(20);
  });

  it('a refused HELLO takes no token from anybody', () => {
    const admission = new Admission();
    expect(admitted(admission, 1000, one, 0)).toBe(20);
    expect(admitted(admission, 1000, many, 0)).toBe(80);
  });
});

describe('wrong guesses of one source', () => {
  it('R-A11: ten are free, then each costs a wait that doubles from a minute to an hour', () => {
    const admission = new Admission({ ...ANY_RATE, wrongGuessesChosen: 1e9 });
    for (let index = 0; index < 10; index += 1) expect(guessWrong(admission, '192.0.2.1', 0)).toBe('admit');
    let nowMs = 0;
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60, 60]) {
      expect(guessWrong(admission, '192.0.2.1', nowMs)).toEqual({ retryAfterSeconds: minutes * 60 });
      nowMs += minutes * MINUTE - 1;
      expect(guessWrong(admission, '192.0.2.1', nowMs)).toEqual({ retryAfterSeconds: 1 });
      nowMs += 1;
      expect(guessWrong(admission, '192.0.2.1', nowMs)).toBe('admit');
    }
    expect(guessWrong(admission, '192.0.2.2', nowMs)).toBe('admit');
  });

  it('nine in ten minutes, again and again, cost no wait', () => {
    const admission = new Admission({ ...ANY_RATE, wrongGuessesChosen: 1e9 });
    for (let round = 0; round < 20; round += 1) {
      for (let index = 0; index < 9; index += 1) {
        expect(guessWrong(admission, '192.0.2.1', round * 10 * MINUTE)).toBe('admit');
      }
    }
  });

  it('R-A11: a /48 is locked by 80 wrong guesses of its /64s', () => {
    const admission = new Admission({ ...ANY_RATE, wrongGuessesChosen: 1e9 });
    const verdicts = Array.from({ length: 100 }, (_, index) => guessWrong(admission, `2001:db8:1:${index}::1`, 0));
    expect(verdicts.filter(verdict => verdict === 'admit').length).toBe(80);
    expect(guessWrong(admission, '2001:db8:2:1::1', 0)).toBe('admit');
  });

  it('a success clears them', () => {
    const admission = new Admission(ANY_RATE);
    for (let round = 0; round < 5; round += 1) {
      for (let index = 0; index < 9; index += 1) expect(guessWrong(admission, '192.0.2.1', 0)).toBe('admit');
      expect(logIn(admission, '192.0.2.1', 0)).toBe('admit');
    }
  });

  it('a success does not clear the guesses that are tried beside it', () => {
    const admission = new Admission({ ...ANY_RATE, halfOpenConnectionsPerSource: 100 });
    const guessing = Array.from({ length: 9 }, () => replied(admission, '192.0.2.1', 0));
    for (const ticket of guessing) expect(ticket.guess({ realm: CHOSEN, staticKey: STRANGER }, 0)).toBe('admit');
    expect(logIn(admission, '192.0.2.1', 0)).toBe('admit');
    for (const ticket of guessing) ticket.failed(0);
    expect(guessWrong(admission, '192.0.2.1', 0)).toBe('admit');
    expect(guessWrong(admission, '192.0.2.1', 0)).toEqual({ retryAfterSeconds: 60 });
  });

  it('a quiet hour after the last lock clears them', () => {
    const admission = new Admission(ANY_RATE);
    for (let index = 0; index < 10; index += 1) guessWrong(admission, '192.0.2.1', 0);
    for (let index = 0; index < 10; index += 1) {
      expect(guessWrong(admission, '192.0.2.1', HOUR + MINUTE)).toBe('admit');
    }
    expect(guessWrong(admission, '192.0.2.1', HOUR + MINUTE)).toEqual({ retryAfterSeconds: 60 });
  });

  it('R-A11: leaving after REPLY is one of the source, but not one of all', () => {
    const admission = new Admission({ ...ANY_RATE, wrongGuessesChosen: 5 });
    for (let index = 0; index < 10; index += 1) replied(admission, '192.0.2.1', 0).left(0);
    expect(guessWrong(admission, '192.0.2.1', 0)).toEqual({ retryAfterSeconds: 60 });
    expect(guessWrong(admission, '192.0.2.2', 0)).toBe('admit');
  });

  it('R-A11: being evicted by connections of the same source is leaving', () => {
    const admission = new Admission(ANY_RATE);
    for (let index = 0; index < 18; index += 1) replied(admission, '192.0.2.1', 0);
    expect(guessWrong(admission, '192.0.2.1', 0)).toEqual({ retryAfterSeconds: 60 });
  });

  it('leaving before REPLY, or out of a mode without a passphrase, costs nothing', () => {
    const admission = new Admission(ANY_RATE);
    for (let index = 0; index < 50; index += 1) {
      admission.arrive('192.0.2.1', 0, ignoreEviction).left(0);
      const greeted = admission.arrive('192.0.2.1', 0, ignoreEviction);
      greeted.hello('passphrase', 0);
      greeted.left(0);
      const device = admission.arrive('192.0.2.1', 0, ignoreEviction);
      device.hello('device', 0);
      device.replied();
      device.failed(0);
      device.left(0);
    }
    expect(guessWrong(admission, '192.0.2.1', 0)).toBe('admit');
  });
});

describe('wrong guesses of all sources', () => {
  const address = (index: number): string => `198.51.${index >> 8}.${index & 255}`;

  it('R-A11: 100 an hour for a chosen passphrase, then busy until the oldest is an hour old', () => {
    const admission = new Admission(ANY_RATE);
    for (let index = 0; index < 100; index += 1) {
      expect(guessWrong(admission, address(index), index * SECOND)).toBe('admit');
    }
    expect(guessWrong(admission, address(100), 100 * SECOND)).toEqual({ retryAfterSeconds: 3500 });
    expect(guessWrong(admission, address(100), HOUR)).toBe('admit');
    expect(guessWrong(admission, address(101), HOUR)).toEqual({ retryAfterSeconds: 1 });
  });

  it('R-A11: 10,000 an hour for a generated one, counted apart', () => {
    const admission = new Admission(ANY_RATE);
    for (let index = 0; index < 10_000; index += 1) guessWrong(admission, address(index), 0, GENERATED);
    expect(guessWrong(admission, 'unix', 0, GENERATED)).toEqual({ retryAfterSeconds: 3600 });
    expect(guessWrong(admission, 'unix', 0, CHOSEN)).toBe('admit');
  });

  it('R-A11: right guesses are given back', () => {
    const admission = new Admission(ANY_RATE);
    for (let index = 0; index < 1000; index += 1) expect(logIn(admission, address(index), 0)).toBe('admit');
  });

  it('R-A11: a key that has logged in before passes when every budget is spent, and spends none', () => {
    const admission = new Admission(ANY_RATE, knowsFriend);
    for (let index = 0; index < 100; index += 1) guessWrong(admission, address(index), 0);
    for (let index = 0; index < 10; index += 1) replied(admission, '192.0.2.1', 0).left(0);
    for (let index = 0; index < 1000; index += 1) {
      expect(guessWrong(admission, '192.0.2.1', 0, CHOSEN, FRIEND)).toBe('admit');
    }
    expect(guessWrong(admission, '192.0.2.1', 0)).toMatchObject({ retryAfterSeconds: 3600 });
    expect(logIn(admission, '192.0.2.1', 0, CHOSEN, FRIEND)).toBe('admit');
    expect(guessWrong(admission, '192.0.2.1', HOUR)).toBe('admit');
  });

  it('R-A11: no budget of guesses is looked at before FINISH', () => {
    const admission = new Admission({ ...ANY_RATE, wrongGuessesChosen: 1 });
    for (let index = 0; index < 100; index += 1) guessWrong(admission, '192.0.2.1', 0);
    expect(admission.arrive('192.0.2.1', 0, ignoreEviction).hello('passphrase', 0)).toBe('admit');
  });

  it('R-A11: 16 FINISHes at once get no more guesses than 16 one after another', () => {
    for (const limits of [{ wrongGuessesPerSource: 5 }, { ...ANY_SOURCE, wrongGuessesChosen: 5 }]) {
      const admission = new Admission({ ...ANY_RATE, halfOpenConnectionsPerSource: 16, ...limits });
      const tickets = Array.from({ length: 16 }, () => replied(admission, '192.0.2.1', 0));
      const together = tickets.map(ticket => ticket.guess({ realm: CHOSEN, staticKey: STRANGER }, 0));
      for (const ticket of tickets) ticket.failed(0);
      const other = new Admission({ ...ANY_RATE, ...limits });
      const oneByOne = Array.from({ length: 16 }, () => guessWrong(other, '192.0.2.1', 0));
      expect(together).toEqual(oneByOne);
      expect(together.filter(verdict => verdict === 'admit').length).toBe(5);
    }
  });

  it('R-A11: however logins interleave, no window holds more wrong guesses than its limit', () => {
    const limits: Partial<AdmissionLimits> = { ...ANY_RATE, wrongGuessesChosen: 12, wrongGuessesPerSource: 4 };
    const addresses = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8:1:1::1', '2001:db8:1:2::1'];
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ act: fc.constant('reply' as const), address: fc.constantFrom(...addresses) }),
      },
      {
        weight: 5,
        arbitrary: fc.record({ act: fc.constantFrom('guess' as const, 'fail' as const), pick: fc.nat(20) }),
      },
      { weight: 1, arbitrary: fc.record({ act: fc.constantFrom('leave' as const), pick: fc.nat(20) }) },
      { weight: 2, arbitrary: fc.record({ act: fc.constant('wait' as const), ms: fc.nat(20 * MINUTE) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), steps => {
        const admission = new Admission(limits);
        const waiting: { ticket: AdmissionTicket; address: string }[] = [];
        const guessing: AdmissionTicket[] = [];
        const wrong: { address: string; atMs: number }[] = [];
        let nowMs = 0;
        for (const next of steps) {
          if (next.act === 'wait') nowMs += next.ms;
          else if (next.act === 'reply')
            waiting.push({ ticket: replied(admission, next.address, nowMs), address: next.address });
          else if (next.act === 'fail') takeOne(guessing, next.pick)?.failed(nowMs);
          else {
            const connection = takeOne(waiting, next.pick);
            if (!connection) continue;
            if (next.act === 'leave') connection.ticket.left(nowMs);
            else if (connection.ticket.guess({ realm: CHOSEN, staticKey: STRANGER }, nowMs) === 'admit') {
              guessing.push(connection.ticket);
              wrong.push({ address: connection.address, atMs: nowMs });
            }
          }
        }
        expect(mostInWindow(wrong, HOUR)).toBeLessThanOrEqual(12);
        for (const address of addresses) {
          const ofOne = wrong.filter(guess => guess.address === address);
          expect(mostInWindow(ofOne, MINUTE)).toBeLessThanOrEqual(4);
          // Four, and one after each of the waits 1, 2, 4, 8, 16 and 32 minutes.
          expect(mostInWindow(ofOne, HOUR)).toBeLessThanOrEqual(10);
        }
      }),
    );
  });

  function takeOne<Item>(items: Item[], pick: number): Item | undefined {
    return items.splice(pick % Math.max(1, items.length), 1)[0];
  }

  function mostInWindow(guesses: { atMs: number }[], windowMs: number): number {
    const counts = guesses.map(
      first => guesses.filter(({ atMs }) => atMs >= first.atMs && atMs < first.atMs + windowMs).length,
    );
    return Math.max(0, ...counts);
  }
});

describe('a one-time code', () => {
  it.each(['wrong', 'right'])('R-A2: is used up by one FINISH, here a %s one, and the owner can be told', outcome => {
    const admission = new Admission(ANY_RATE);
    const ticket = replied(admission, '192.0.2.1', 0);
    expect(ticket.usedUpCode).toBe(false);
    expect(ticket.guess({ realm: CODE, staticKey: STRANGER }, 0)).toBe('admit');
    expect(ticket.usedUpCode).toBe(true);
    if (outcome === 'right') ticket.succeeded();
    else ticket.failed(0);
    expect(guessWrong(admission, '192.0.2.2', 0, CODE)).toBe('gone');
    expect(guessWrong(admission, '192.0.2.2', 9 * HOUR, CODE)).toBe('gone');
  });

  it('R-A2: goes to one of many FINISHes at once', () => {
    const admission = new Admission(ANY_RATE);
    const tickets = Array.from({ length: 16 }, (_, index) => replied(admission, `192.0.2.${index}`, 0));
    const verdicts = tickets.map(ticket => ticket.guess({ realm: CODE, staticKey: STRANGER }, 0));
    expect(verdicts).toEqual(['admit', ...Array.from({ length: 15 }, () => 'gone')]);
    expect(tickets.map(ticket => ticket.usedUpCode)).toEqual([true, ...Array.from({ length: 15 }, () => false)]);
  });

  it('R-A2: is used up by a key that has logged in before, too', () => {
    const admission = new Admission(ANY_RATE, knowsFriend);
    expect(guessWrong(admission, '192.0.2.1', 0, CODE, FRIEND)).toBe('admit');
    expect(guessWrong(admission, '192.0.2.1', 0, CODE, FRIEND)).toBe('gone');
  });

  it('is not used up by a FINISH that the budgets refuse, nor by a handshake left before it', () => {
    const admission = new Admission({ ...ANY_RATE, wrongGuessesPerSource: 1 });
    replied(admission, '192.0.2.1', 0).left(0);
    const refused = replied(admission, '192.0.2.1', 0);
    expect(refused.guess({ realm: CODE, staticKey: STRANGER }, 0)).toEqual({ retryAfterSeconds: 60 });
    expect(refused.usedUpCode).toBe(false);
    expect(guessWrong(admission, '192.0.2.2', 0, CODE)).toBe('admit');
  });

  it('a new code of the same name works once the old one is released', () => {
    const admission = new Admission(ANY_RATE);
    guessWrong(admission, '192.0.2.1', 0, CODE);
    admission.releaseRealm(CODE.name);
    expect(guessWrong(admission, '192.0.2.1', 0, CODE)).toBe('admit');
    expect(guessWrong(admission, '192.0.2.1', 0, CODE)).toBe('gone');
  });
});

describe('memory', () => {
  it('R-A10: a flood of random sources fills no table beyond its size', () => {
    const admission = new Admission({ ...ANY_RATE, rememberedSources: 50 });
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), fc.nat(4), (address, kind) => {
        const ticket = admission.arrive(address, 0, ignoreEviction);
        ticket.hello(kind === 0 ? 'device' : 'passphrase', 0);
        if (kind > 1) ticket.replied();
        if (kind === 3) ticket.guess({ realm: GENERATED, staticKey: STRANGER }, 0);
        if (kind !== 4) ticket.left(0);
        const { halfOpenCount, helloSourceCount, guessSourceCount, lockedSourceCount } = admission.load;
        expect(halfOpenCount).toBeLessThanOrEqual(256);
        expect(helloSourceCount).toBeLessThanOrEqual(100);
        expect(guessSourceCount).toBeLessThanOrEqual(50);
        expect(lockedSourceCount).toBeLessThanOrEqual(50);
      }),
      { numRuns: 2000 },
    );
    expect(admission.load.guessSourceCount).toBe(50);
  });

  it('R-A10: the source that was quiet longest is forgotten first', () => {
    const admission = new Admission({ ...ANY_RATE, rememberedSources: 3, wrongGuessesPerSource: 2 });
    for (const host of [1, 2, 3]) replied(admission, `192.0.2.${host}`, 0).left(0);
    // 1 is locked by its second and so moves to the other table; 5 then takes the place of 2.
    guessWrong(admission, '192.0.2.1', 0);
    replied(admission, '192.0.2.4', 0).left(0);
    replied(admission, '192.0.2.5', 0).left(0);
    expect(admission.load).toMatchObject({ guessSourceCount: 3, lockedSourceCount: 1 });
    expect(guessWrong(admission, '192.0.2.1', 0)).toEqual({ retryAfterSeconds: 60 });
    expect(guessWrong(admission, '192.0.2.3', 0)).toBe('admit');
    expect(guessWrong(admission, '192.0.2.3', 0)).toEqual({ retryAfterSeconds: 60 });
    expect(guessWrong(admission, '192.0.2.2', 0)).toBe('admit');
    expect(guessWrong(admission, '192.0.2.2', 0)).toBe('admit');
  });

  it('R-A11: connections, HELLOs and single wrong guesses of many sources do not flush a lock', () => {
    const admission = new Admission({ ...ANY_RATE, rememberedSources: 20 });
    for (let index = 0; index < 10; index += 1) guessWrong(admission, '192.0.2.1', 0);
    for (let index = 0; index < 1000; index += 1) {
      replied(admission, `198.51.${index >> 8}.${index & 255}`, 0).left(0);
      replied(admission, `2001:db8:${index}:1::1`, 0).left(0);
    }
    expect(guessWrong(admission, '192.0.2.1', 0)).toEqual({ retryAfterSeconds: 60 });
  });

  it('R-A10: a locked /48 makes no entries for its /64s', () => {
    const admission = new Admission(ANY_RATE);
    for (let index = 0; index < 5000; index += 1) replied(admission, `2001:db8:1:${index.toString(16)}::1`, 0).left(0);
    expect(admission.load.guessSourceCount).toBe(80);
  });
});

describe('misuse', () => {
  it('a passphrase login that skips a step is an error of ours, not a way in', () => {
    const admission = new Admission();
    const ticket = admission.arrive('unix', 0, ignoreEviction);
    const guess = { realm: CHOSEN, staticKey: STRANGER };
    expect(() => ticket.guess(guess, 0)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    ticket.hello('passphrase', 0);
    expect(() => ticket.guess(guess, 0)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    ticket.replied();
    expect(() => ticket.succeeded()).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    expect(ticket.guess(guess, 0)).toBe('admit');
    expect(() => ticket.guess(guess, 0)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    ticket.failed(0);
    expect(() => ticket.succeeded()).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it('a mode without a passphrase has no guess', () => {
    const ticket = new Admission().arrive('unix', 0, ignoreEviction);
    ticket.hello('device', 0);
    ticket.replied();
    const guess = { realm: CHOSEN, staticKey: STRANGER };
    expect(() => ticket.guess(guess, 0)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it.each([0, -1, Number.NaN])('a limit of %s is refused', figure => {
    expect(() => new Admission({ helloBurst: figure })).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});
