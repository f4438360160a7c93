import { describe, expect, it } from 'vitest';
import type { StartRequest } from '../../../src/services/exec/messages.ts';
import { ExecPolicy } from '../../../src/services/exec/policy.ts';

const HOST = { PATH: '/usr/bin:/bin', HOME: '/home/ann', POSTERN_PASSWORD: 'orbit', GONE: undefined };
const open = new ExecPolicy({ environment: HOST });
const only = (...names: string[]) => new ExecPolicy({ only: names, environment: HOST });

const start = (...argv: string[]): StartRequest => ({ command: { argv } });
const forbidden = expect.objectContaining({ code: 'FORBIDDEN' });

describe('the environment of a process', () => {
  it('is the host’s without anything of ours, and what was asked for', () => {
    const { environment } = open.permit({ ...start('env'), env: { LANG: 'C', HOME: '/tmp' } });
    expect(environment).toEqual({ PATH: '/usr/bin:/bin', HOME: '/tmp', LANG: 'C' });
  });

  it('may be called as it likes', () => {
    const env = Object.assign(Object.create(null), { ['__proto__']: 'x', constructor: 'y' });
    const { environment } = open.permit({ ...start('env'), env });
    expect(Object.entries(environment)).toEqual(expect.arrayContaining([['constructor', 'y']]));
    expect(Object.getPrototypeOf(environment)).toBe(Object.prototype);
  });

  it.each([
    'POSTERN_PASSWORD',
    'postern_x',
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'LD_AUDIT',
    'ld_preload',
    'DYLD_INSERT_LIBRARIES',
    'GCONV_PATH',
    'GLIBC_TUNABLES',
    'BASH_ENV',
    'ENV',
    'BASH_FUNC_ls',
    'SHELLOPTS',
    'PS4',
    'PROMPT_COMMAND',
    'IFS',
    'ZDOTDIR',
    'NODE_OPTIONS',
    'NODE_PATH',
    'PYTHONPATH',
    'PYTHONSTARTUP',
    'PYTHONHOME',
    'PERL5LIB',
    'PERL5OPT',
    'RUBYOPT',
    'JAVA_TOOL_OPTIONS',
    'CLASSPATH',
    'LUA_INIT',
  ])('never takes %s', name => {
    expect(() => open.permit({ ...start('env'), env: { [name]: 'x' } })).toThrow(forbidden);
    expect(() => only('env').permit({ ...start('env'), env: { [name]: 'x' } })).toThrow(forbidden);
  });

  it.each(['PATH', 'HOME', 'EDITOR', 'GIT_SSH_COMMAND', 'PAGER', 'PYTHONUNBUFFERED', 'LANG', 'MY_IFS', 'ENVIRONMENT'])(
    'takes %s where every command may run',
    name => {
      expect(open.permit({ ...start('env'), env: { [name]: '/x' } }).environment).toMatchObject({ [name]: '/x' });
    },
  );
});

describe('a list of commands', () => {
  it('is matched by the name exactly as it stands there', () => {
    const policy = only('git', '/opt/tools/deploy');
    expect(policy.permit(start('git', 'status')).command).toEqual({ argv: ['git', 'status'] });
    expect(policy.permit(start('/opt/tools/deploy')).command).toEqual({ argv: ['/opt/tools/deploy'] });
    for (const name of [
      '/usr/bin/git',
      './git',
      '../git',
      'bin/git',
      'GIT',
      'git ',
      'git\n',
      'gi',
      'deploy',
      '/opt/tools/./deploy',
      '/opt/tools//deploy',
      '/opt/tools/../tools/deploy',
      'opt/tools/deploy',
      '__proto__',
      'constructor',
    ]) {
      expect(() => policy.permit(start(name)), name).toThrow(forbidden);
    }
  });

  it('that is empty lets nothing run', () => {
    expect(() => only().permit(start('true'))).toThrow(forbidden);
  });

  it('leaves no shell and no folder of choice', () => {
    expect(() => only('git').permit({ command: { shell: 'git' } })).toThrow(forbidden);
    expect(() => only('make').permit({ ...start('make'), cwd: '/tmp' })).toThrow(forbidden);
    expect(() => only('make').permit({ ...start('make'), cwd: '' })).toThrow(forbidden);
  });

  it.each([
    [undefined, '/usr/bin:/bin'],
    ['', '/usr/bin:/bin'],
    ['.:bin', '/usr/bin:/bin'],
    [':/usr/bin::.:/opt/bin:bin:./x:', '/usr/bin:/opt/bin'],
  ])('is looked for on a PATH of absolute folders alone: %j', (path, expected) => {
    const policy = new ExecPolicy({ only: ['git'], environment: { PATH: path } });
    expect(policy.permit(start('git')).environment['PATH']).toBe(expected);
  });

  it.each([
    ['LANG', 'de_DE.UTF-8'],
    ['LC_ALL', 'C'],
    ['TERM', 'xterm-256color'],
    ['TZ', 'Europe/Berlin'],
    ['NO_COLOR', '1'],
    ['COLUMNS', '80'],
  ])('lets %s be %s', (name, value) => {
    expect(only('env').permit({ ...start('env'), env: { [name]: value } }).environment).toMatchObject({
      [name]: value,
    });
  });

  it.each([
    ['PATH', '/tmp'],
    ['HOME', '/tmp'],
    ['GIT_SSH_COMMAND', 'sh'],
    ['PAGER', 'sh'],
    ['EDITOR', 'sh'],
    ['MAKEFLAGS', '-f'],
    ['TAR_OPTIONS', '--to-command=sh'],
    ['RSYNC_RSH', 'sh'],
    ['LESSOPEN', '|sh'],
    ['LD_PRELOAD', 'x'],
    ['TMPDIR', '/tmp'],
    ['LANG', '../../tmp/x'],
    ['LC_ALL', '/tmp/x'],
    ['LANGUAGE', '%n'],
    ['TERM', '/tmp/x'],
    ['TZ', ':/etc/passwd'],
    ['TZ', '/etc/passwd'],
    ['TZ', '../../tmp/x'],
    ['ANYTHING', '1'],
  ])('does not let %s be %s', (name, value) => {
    expect(() => only('env').permit({ ...start('env'), env: { [name]: value } })).toThrow(forbidden);
  });

  it.each(['', './git', '../git', 'bin/git', 'a\0b'])('cannot have %j on it', name => {
    expect(() => only(name)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it('takes absolute paths alone on Windows, where a name is looked for in the current folder', () => {
    const make = (name: string) => new ExecPolicy({ only: [name], environment: HOST, isWindows: true });
    expect(() => make('git')).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(() => make('\\git')).toThrow(expect.objectContaining({ code: 'USAGE' }));
    const permitted = make('C:\\Git\\git.exe').permit(start('C:\\Git\\git.exe'));
    expect(permitted.command).toEqual({ argv: ['C:\\Git\\git.exe'] });
  });

  it('holds what it was made with, whatever becomes of the caller’s list', () => {
    const names = ['git'];
    const policy = new ExecPolicy({ only: names, environment: HOST });
    names.push('sh');
    expect(() => policy.permit(start('sh'))).toThrow(forbidden);
  });
});
