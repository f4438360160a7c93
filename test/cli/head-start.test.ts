import { describe, expect, it } from 'vitest';
import { headStart } from '../../src/cli/head-start.ts';

const environment = { POSTERN_PASSWORD: 'orbit-velvet-canyon-turtle' };

describe('the head start', () => {
  it.each([
    ['get', 'lab:notes.txt'],
    ['shell', 'lab', '--on', 'web1'],
    ['exec', '-t', 'lab', '--', 'top'],
    ['agent', 'lab', '--allow', 'shell'],
    ['agents', 'lab'],
  ])('takes the passphrase from the environment for commands that dial: %s', async (...args) => {
    const started = headStart(args, environment);
    expect(started?.text).toBe(environment.POSTERN_PASSWORD);
    expect(await started?.stretched.prs).toHaveLength(32);
  });

  it.each([
    ['without a passphrase there', ['get', 'lab'], {}],
    ['for a command that does not dial', ['serve'], environment],
    ['for none', [], environment],
    ['where another passphrase is named', ['get', 'lab', '--password-file', 'secret'], environment],
    ['where another passphrase is named in one word', ['get', '--password-file=-', 'lab'], environment],
    ['for help', ['get', '--help'], environment],
  ])('does nothing %s', (_, args, variables) => {
    expect(headStart(args, variables)).toBeUndefined();
  });

  it('leaves what is wrong with a passphrase to whoever uses it', async () => {
    const started = headStart(['ls', 'lab'], { POSTERN_PASSWORD: '' });
    await expect(started?.stretched.prs).rejects.toMatchObject({ code: 'USAGE' });
  });
});
