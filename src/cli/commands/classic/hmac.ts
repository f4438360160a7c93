import { type Command, Option } from 'commander';
import { callHmac, type Digest, type HmacOptions, ORIGINAL_PORT, serveHmac } from '../../../classic/index.ts';
import type { CommandContext } from '../../context.ts';
import { EXIT } from '../../exit-status.ts';
import { obtainPassphrase } from '../../secrets.ts';
import { addressed, type ListenOptions, listens } from './options.ts';
import type { ClassicProgram } from './program.ts';
import { calling, serving } from './verb.ts';

interface SecretOptions {
  readonly passwordFile?: string;
  readonly digest: Digest;
}

/** The HMAC challenge. */
export const hmac: ClassicProgram = {
  name: 'hmac',
  summary: 'does the caller know the secret',
  add: (program, grammar) => {
    const serves = grammar.verb<ListenOptions & SecretOptions>(
      program,
      'serve',
      'challenge one caller; ends with 4 if it does not know the secret',
      (context, _, options) =>
        serving(context, HMAC, options, async (at, around) => {
          const isRight = await serveHmac(at, { ...around, ...(await shared(context, options)) });
          if (!isRight) context.exitStatus = EXIT.notLetIn;
        }),
    );
    keepsSecret(listens(serves, HMAC.port));
    const calls = grammar.verb<SecretOptions, [string?]>(
      program,
      'call',
      'answer the challenge',
      (context, [address], options) =>
        calling(context, HMAC, address, async (to, around) =>
          callHmac(to, { ...around, ...(await shared(context, options)) }),
        ),
    );
    keepsSecret(addressed(calls, HMAC.port));
  },
};

function keepsSecret(command: Command): void {
  command
    .option('--password-file <file>', 'read the secret from a file; - is standard input')
    .addOption(
      new Option('--digest <name>', "md5 as the original's, or sha256").choices(['md5', 'sha256']).default('md5'),
    );
}

async function shared(context: CommandContext, { passwordFile, digest }: SecretOptions): Promise<HmacOptions> {
  const { text } = await obtainPassphrase({
    passwordFile,
    fromEnvironment: context.passphraseFromEnvironment,
    question: 'secret',
    noInput: context.options.input === false,
    signal: context.signal,
  });
  return { secret: new TextEncoder().encode(text), digest };
}

const HMAC = { program: 'hmac', port: ORIGINAL_PORT.hmac, secure: 'every login of postern' };
