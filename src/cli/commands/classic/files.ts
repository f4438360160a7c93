import type { Command } from 'commander';
import { callFiles, getFile, ORIGINAL_PORT, serveFiles } from '../../../classic/index.ts';
import { ReadRoot } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { obtainPassphrase } from '../../secrets.ts';
import { type ListenOptions, listens } from './options.ts';
import type { ClassicProgram, Grammar } from './program.ts';
import { asFile, saver } from './save-file.ts';
import { calling, serving } from './verb.ts';

interface PasswordOptions {
  readonly passwordFile?: string;
}

interface SaveOptions extends PasswordOptions {
  readonly force?: boolean;
}

/** The encrypted file server. */
export const files: ClassicProgram = {
  name: 'files',
  summary: 'files for whoever has the password, in Markov Encryption',
  add: (program, grammar) => {
    addServe(program, grammar);
    addGet(program, grammar);
    addCall(program, grammar);
  },
};

function addServe(program: Command, grammar: Grammar): void {
  const summary = 'serve the files below DIR';
  const serves = grammar.verb<ListenOptions & PasswordOptions, [string]>(
    program,
    'serve',
    summary,
    async (context, [folder], options) => {
      const password = await obtainPassword(context, options);
      const root = await ReadRoot.open(folder);
      try {
        await serving(context, { ...FILES, secure: 'postern serve' }, options, (at, around) =>
          serveFiles(at, { ...around, root, password }),
        );
      } finally {
        await root.close();
      }
    },
  );
  takesPassword(listens(serves, FILES.port).argument('[DIR]', 'folder to serve', '.'));
}

function addGet(program: Command, grammar: Grammar): void {
  const summary = 'fetch one file';
  const gets = grammar.verb<SaveOptions, [string, string, string]>(
    program,
    'get',
    summary,
    (context, [address, path, location], options) =>
      calling(context, { ...FILES, secure: 'postern get' }, address, async (from, { signal }) => {
        const password = await obtainPassword(context, options);
        await getFile(from, { password, path, location: await asFile(location, path), save: saver(options), signal });
      }),
  );
  gets
    .argument('<address>', 'HOST:PORT')
    .argument('<file>', 'its path there')
    .argument('<dest>', 'file or folder here');
  saves(gets);
}

function addCall(program: Command, grammar: Grammar): void {
  const summary = 'be asked which file, as by the original';
  const calls = grammar.verb<SaveOptions, [string]>(program, 'call', summary, (context, [address], options) =>
    calling(context, { ...FILES, secure: 'postern get HOST' }, address, async (to, around) => {
      const password = await obtainPassword(context, options);
      await callFiles(to, { ...around, password, save: saver(options) });
    }),
  );
  saves(calls.argument('<address>', 'HOST:PORT'));
}

function saves(command: Command): void {
  takesPassword(command.option('--force', 'replace a file that is there'));
}

function takesPassword(command: Command): void {
  command.option('--password-file <file>', 'read the password from a file; - is standard input');
}

async function obtainPassword(context: CommandContext, { passwordFile }: PasswordOptions): Promise<string> {
  const { text } = await obtainPassphrase({
    passwordFile,
    fromEnvironment: context.passphraseFromEnvironment,
    question: 'password',
    noInput: context.options.input === false,
    signal: context.signal,
  });
  return text;
}

const FILES = {
  program: 'files',
  port: ORIGINAL_PORT.files,
  why: 'its cipher hides little, verifies nothing, and lets anybody guess at the password',
};
