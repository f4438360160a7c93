// Servers to measure against, on loopback, with keys and settings of their own in the bench's folder.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { findProgram, freePort, run, stopped, untilExit } from './measure.mjs';

export function hasSshd() {
  return ['sshd', 'ssh', 'ssh-keygen', 'scp'].every(name => findProgram(name) !== undefined);
}

/** sshd with one host key and one client key, both made here; the cipher is the client's first choice. */
export async function startSshd(folder) {
  const home = join(folder, 'sshd');
  mkdirSync(home, { mode: 0o700 });
  const port = await freePort();
  const key = name => join(home, name);
  for (const name of ['host', 'client']) {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key(name)], { stdio: 'ignore' });
  }
  await run('cp', [key('client.pub'), key('authorized_keys')]);
  writeFileSync(
    key('config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${key('host')}`,
      `AuthorizedKeysFile ${key('authorized_keys')}`,
      `PidFile ${key('pid')}`,
      `AllowUsers ${userInfo().username}`,
      'PermitRootLogin prohibit-password',
      'StrictModes no',
      'UsePAM no',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const server = untilExit(spawn(findProgram('sshd'), ['-D', '-e', '-f', key('config')], { stdio: 'ignore' }));
  await reachable(port);
  return {
    port,
    options: [
      ...['-F', '/dev/null', '-i', key('client'), '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=no'],
      ...['-o', `UserKnownHostsFile=${key('known_hosts')}`, '-o', 'LogLevel=ERROR'],
    ],
    stop: () => stopped(server),
  };
}

/** What is asked of `sshd` through `port`: its own, or that of a proxy before it. */
export function sshClients(sshd, port = sshd.port) {
  const ssh = ['ssh', ...sshd.options, '-p', String(port)];
  return {
    /** Runs a command there. */
    run: (args, options) => run('ssh', [...sshd.options, '-p', String(port), '127.0.0.1', ...args], options),
    at: path => `127.0.0.1:${path}`,
    scp: (args, options) => run('scp', [...sshd.options, '-q', '-P', String(port), ...args], options),
    rsync: (...args) => run('rsync', ['-a', '-e', ssh.join(' '), ...args]),
    /** The folder `name` in `from` at the other end comes into `to`. */
    tarFrom: (from, name, to) =>
      run('sh', [
        '-c',
        `${quoted(...ssh, '127.0.0.1', quoted('tar', '-C', from, '-cf', '-', name))} | ${quoted('tar', '-C', to, '-xf', '-')}`,
      ]),
    /** And one of this end goes there. */
    tarTo: (from, name, to) =>
      run('sh', [
        '-c',
        `${quoted('tar', '-C', from, '-cf', '-', name)} | ${quoted(...ssh, '127.0.0.1', quoted('tar', '-C', to, '-xf', '-'))}`,
      ]),
  };
}

/** Words for a shell. */
function quoted(...words) {
  return words.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}

/** nginx with TLS 1.3 and one worker, serving the folder. */
export async function startNginx(folder, share, port) {
  const home = join(folder, 'nginx');
  mkdirSync(home);
  const at = name => join(home, name);
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
    ...['-subj', '/CN=localhost', '-keyout', at('key.pem'), '-out', at('cert.pem')],
  ]);
  writeFileSync(
    at('nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off; master_process off; worker_processes 1; pid ${at('pid')}; error_log ${at('error.log')};
events {}
http {
  access_log off; sendfile on;
  client_body_temp_path ${at('body')}; proxy_temp_path ${at('proxy')}; fastcgi_temp_path ${at('fastcgi')};
  uwsgi_temp_path ${at('uwsgi')}; scgi_temp_path ${at('scgi')};
  server {
    listen 127.0.0.1:${port} ssl; ssl_protocols TLSv1.3;
    ssl_certificate ${at('cert.pem')}; ssl_certificate_key ${at('key.pem')};
    root ${share};
  }
}
`,
  );
  const server = untilExit(spawn(findProgram('nginx'), ['-c', at('nginx.conf'), '-p', home], { stdio: 'ignore' }));
  await reachable(port);
  return {
    port,
    stop: () => stopped(server),
  };
}

/** Waits until something listens, at most some seconds. */
async function reachable(port) {
  for (let tries = 0; tries < 100; tries += 1) {
    const isThere = await new Promise(resolve => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (isThere) return;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
}
