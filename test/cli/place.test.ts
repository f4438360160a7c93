import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPlace, formatUrl, type Place, parsePlace, parseRemote } from '../../src/cli/place.ts';
import { parsePort } from '../../src/cli/port.ts';
import { LineError } from '../../src/errors.ts';
import { decodeName } from '../../src/protocol/bytes/text.ts';

const remote = (host: string, path = '', port = 7678, trailingSlash = path === ''): Place => ({
  kind: 'remote',
  host,
  port,
  path,
  trailingSlash,
});
const local = (path: string): Place => ({ kind: 'local', path });
const usage = expect.objectContaining({ code: 'USAGE' });

describe('parsePlace', () => {
  it.each([
    ['lab:notes.txt', remote('lab', 'notes.txt')],
    ['lab:', remote('lab')],
    ['lab:a/b:c', remote('lab', 'a/b:c')],
    ['Lab.Example:X', remote('lab.example', 'X')],
    ['192.168.1.5:x', remote('192.168.1.5', 'x')],
    ['[::1]:a b', remote('::1', 'a b')],
    ['[FE80::1%eth0]:x', remote('fe80::1%eth0', 'x')],
    ['münchen.example:x', remote('münchen.example', 'x')],
    ['a:b:c', remote('a', 'b:c')],
    ['lab:100%25#?', remote('lab', '100%25#?')],
    ['lab:a\\b', remote('lab', 'a\\b')],
    ['notes.txt', local('notes.txt')],
    ['./a:b', local('./a:b')],
    ['dir/a:b', local('dir/a:b')],
    ['/a:b', local('/a:b')],
    ['../x', local('../x')],
    ['-', local('-')],
  ])('reads %s', (text, place) => {
    expect(parsePlace(text)).toEqual(place);
  });

  it.each([
    ['postern://lab', remote('lab')],
    ['postern://lab/', remote('lab')],
    ['POSTERN://Lab:80/x', remote('lab', 'x', 80)],
    ['postern://lab:/x', remote('lab', 'x')],
    ['postern://[::1]:9000/a/b', remote('::1', 'a/b', 9000)],
    ['postern://[fe80::1%25eth0]/x', remote('fe80::1%eth0', 'x')],
    ['postern://lab/a%20b', remote('lab', 'a b')],
    ['postern://lab/a#b?c', remote('lab', 'a#b?c')],
    ['postern://lab/日本', remote('lab', '日本')],
    ['postern://lab/%E6%97%A5', remote('lab', '日')],
    ['postern://lab/%25', remote('lab', '%')],
    ['postern://lab/a%2Fb', remote('lab', 'a/b')],
    ['postern://lab/%ff%9B', remote('lab', decodeName(Uint8Array.of(0xff, 0x9b)))],
    ['postern://lab//a//b/', remote('lab', 'a/b', 7678, true)],
  ])('reads the URL %s', (text, place) => {
    expect(parsePlace(text)).toEqual(place);
  });

  it.each([
    ['lab:/', remote('lab')],
    ['lab:/etc/hosts', remote('lab', 'etc/hosts')],
    ['lab:.', remote('lab')],
    ['lab:./a/./b', remote('lab', 'a/b')],
    ['lab:a//b', remote('lab', 'a/b')],
    ['lab:a/', remote('lab', 'a', 7678, true)],
    ['lab:a/.', remote('lab', 'a', 7678, true)],
    ['lab:...', remote('lab', '...')],
    ['lab:..a/b..', remote('lab', '..a/b..')],
    ['postern://lab/..#', remote('lab', '..#')],
  ])('removes from %s only what means nothing', (text, place) => {
    expect(parsePlace(text)).toEqual(place);
  });

  it.each([
    'lab:..',
    'lab:a/../b',
    'lab:/..',
    'postern://lab/..',
    'postern://lab/a/%2e%2E/b',
    'postern://lab/a%2f..',
    'postern://lab/%00',
    'lab:a\0b',
    'postern://lab/%',
    'postern://lab/%2',
    'postern://lab/%zz',
    'postern://lab/%+1',
    'postern://',
    'postern:///x',
    'postern:lab/x',
    'postern://lab:0/x',
    'postern://lab:65536/x',
    'postern://lab:7x/x',
    'postern://la b/x',
    'postern://lab?x',
    'postern://[lab]/x',
    'postern://[::1/x',
    ':x',
    '::1',
    'fe80::1',
    '[::1',
    '[::1]x',
    '[1.2.3.4]:x',
    'ann@lab:x',
    '-oops:x',
    'la b:x',
    '',
  ])('refuses %j', text => {
    expect(() => parsePlace(text)).toThrow(usage);
  });

  it('does not repeat what may be a password in a URL (R-A3)', () => {
    const error = thrown(() => parsePlace('postern://ann:hunter2@lab/x'));
    expect(error).toEqual(usage);
    expect(String(error)).not.toContain('hunter2');
  });

  it('reads drive letters as local where there are any', () => {
    expect(parsePlace('C:\\x', { driveLetters: true })).toEqual(local('C:\\x'));
    expect(parsePlace('C:/x', { driveLetters: true })).toEqual(local('C:/x'));
    expect(parsePlace('C:x', { driveLetters: true })).toEqual(remote('c', 'x'));
    expect(parsePlace('C:/x', { driveLetters: false })).toEqual(remote('c', 'x'));
  });

  it('takes the most specific port: the URL, then the option, then the alias', () => {
    const aliases = new Map([['lab', { host: 'Lab.Example', port: 3 }]]);
    expect(parsePlace('lab:x', { aliases })).toEqual(remote('lab.example', 'x', 3));
    expect(parsePlace('lab:x', { aliases, port: 2 })).toEqual(remote('lab.example', 'x', 2));
    expect(parsePlace('postern://lab:1/x', { aliases, port: 2 })).toEqual(remote('lab.example', 'x', 1));
    expect(parsePlace('other:x', { aliases })).toEqual(remote('other', 'x'));
  });

  it('follows an alias once and to an IPv6 address with or without brackets', () => {
    const aliases = new Map([
      ['a', { host: 'b' }],
      ['b', { host: 'c' }],
      ['six', { host: '::1' }],
      ['sixth', { host: '[::1]' }],
    ]);
    expect(parsePlace('a:', { aliases })).toEqual(remote('b'));
    expect(parsePlace('six:', { aliases })).toEqual(remote('::1'));
    expect(parsePlace('sixth:', { aliases })).toEqual(remote('::1'));
  });

  it('gives a place without .. or an odd slash, or USAGE, for any text', () => {
    const pieces = fc.constantFrom(
      '..',
      '.',
      '/',
      ':',
      '%2e',
      '%2f',
      '%00',
      '%ff',
      '%',
      '[',
      ']',
      '::',
      '@',
      '#',
      'a',
      'é',
      '\0',
      '\ud800',
    );
    const text = fc.array(pieces, { maxLength: 12 }).map(parts => parts.join(''));
    const prefixed = fc
      .tuple(fc.constantFrom('', 'lab:', 'postern://', 'postern://lab/'), text)
      .map(parts => parts.join(''));
    fc.assert(
      fc.property(prefixed, input => {
        let place: Place;
        try {
          place = parsePlace(input);
        } catch (error) {
          expect(error).toEqual(usage);
          return;
        }
        if (place.kind === 'local') return;
        if (place.path !== '') {
          for (const name of place.path.split('/')) expect(['', '.', '..']).not.toContain(name);
        }
        expect(place.path).not.toContain('\0');
      }),
    );
  });

  it('reads what formatUrl writes, byte for byte', () => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 8 })
      .map(bytes => decodeName(bytes.map(byte => (byte === 0 || byte === 0x2f ? 0x61 : byte))));
    const path = fc
      .array(
        name.filter(text => text !== '.' && text !== '..'),
        { maxLength: 4 },
      )
      .map(names => names.join('/'));
    const host = fc.constantFrom('lab', '::1', 'fe80::1%eth0', '10.0.0.1');
    fc.assert(
      fc.property(host, path, fc.integer({ min: 1, max: 65_535 }), fc.boolean(), (name, at, port, slash) => {
        const place = { host: name, path: at, port, trailingSlash: slash || at === '' };
        const url = formatUrl(place);
        expect(url).toMatch(/^[\x21-\x7e]+$/);
        expect(parsePlace(url)).toEqual({ kind: 'remote', ...place });
      }),
    );
  });
});

describe('parseRemote', () => {
  it('takes a bare host for its served folder', () => {
    expect(parseRemote('lab')).toEqual(remote('lab'));
    expect(parseRemote('[::1]', { port: 9 })).toEqual(remote('::1', '', 9));
    expect(parseRemote('lab:x')).toEqual(remote('lab', 'x'));
  });

  it.each(['./lab', '/srv', 'a/b', '-', '.', '..', '', '::1'])('refuses %j', text => {
    expect(() => parseRemote(text)).toThrow(usage);
  });
});

describe('the rest of a place', () => {
  it('reads ports strictly', () => {
    expect(parsePort('65535')).toBe(65_535);
    for (const text of ['0', '65536', '', '1e3', '0x50', ' 80', '-1']) expect(() => parsePort(text)).toThrow(usage);
  });

  it('writes a place the way it is typed', () => {
    expect(formatPlace(remote('::1', 'x'))).toBe('[::1]:x');
    expect(formatPlace(remote('lab'))).toBe('lab');
    expect(formatPlace(local('./x'))).toBe('./x');
  });
});

function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new LineError('INTERNAL', 'nothing was thrown');
}
