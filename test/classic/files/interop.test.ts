import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { callFiles, getFile } from '../../../src/classic/index.ts';
import { toHex, utf8 } from '../../support/bytes.ts';
import { makeFolder, PASSWORD, SavedFiles, serveFolder } from '../support/file-peers.ts';
import { caller } from '../support/programs.ts';
import { hasPython, PYTHON } from '../support/python.ts';

const content = Uint8Array.from({ length: 3500 }, (_, at) => (at * 7 + (at >> 5)) % 251);

/** Our side against a peer of our own that is written in Python, with its random, pickle and zlib. */
describe.skipIf(!hasPython)('ours serves, Python calls', () => {
  it.each([
    ['takes a file', 'data/bytes', 'yes', ['3500', `'${toHex(content)}'`]],
    ['takes an empty one', 'empty', 'yes', ['0', "''"]],
    ['declines', 'data/bytes', 'no', ['3500', "''"]],
    ['asks for what is not there', '../bytes', 'yes', ["'The given path does not specify a file.'"]],
  ])('and %s', async (_, name, answer, shown) => {
    const { at } = await serveFolder(await makeFolder({ 'data/bytes': content, empty: utf8('') }));
    const peer = startPeer('call', PASSWORD, String((await at).port), name, answer);
    expect(await peer.ended).toEqual(shown);
  });
});

describe.skipIf(!hasPython)('Python serves, ours calls', () => {
  it('and takes the file', async () => {
    const peer = startPeer('serve', 'пароль', toHex(content));
    const saved = new SavedFiles();
    const at = { host: '127.0.0.1', port: Number(await peer.first) };
    const { signal } = caller();
    await getFile(at, { password: 'пароль', path: 'a/ä.txt', location: 'here', save: saved.save, signal });
    expect((await peer.ended).slice(1)).toEqual(["'a/\\xe4.txt'", 'True']);
    expect(saved.whole.get('here')).toEqual(content);
  });

  it('and declines', async () => {
    const peer = startPeer('serve', PASSWORD, toHex(content));
    const at = { host: '127.0.0.1', port: Number(await peer.first) };
    const { person, signal } = caller(['notes.txt', 'n']);
    await callFiles(at, { password: PASSWORD, save: new SavedFiles().save, person, signal });
    expect((await peer.ended).slice(1)).toEqual(["'notes.txt'", 'False']);
  });
});

/** Its first line as soon as it is there, and all of them when it has ended well. */
function startPeer(...args: readonly string[]): { readonly first: Promise<string>; readonly ended: Promise<string[]> } {
  const child = spawn(PYTHON, [PEER, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    complaints += piece;
  });
  const ended = new Promise<string[]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', status => {
      if (status === 0) resolve(text.split('\n').slice(0, -1));
      else reject(new Error(`the peer ended with ${status}: ${complaints}`));
    });
  });
  const first = new Promise<string>((resolve, reject) => {
    ended.catch(reject);
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
  });
  // Whoever waits for neither hears of a failure by what it is that fails.
  first.catch(() => {});
  return { first, ended };
}

const PEER = fileURLToPath(new URL('../peers/files_peer.py', import.meta.url));
