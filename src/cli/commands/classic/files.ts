import type { Command } from 'commander';
import { callFiles, getFile, ORIGINAL_PORT, type SaveFile, serveFiles } from '../../../classic/index.ts';
import { ReadRoot } from '../../../node/index.ts';
import type { CommandContext } from '../../context.ts';
import { obtainPassphrase } from '../../secrets.ts';
import { escapeText } from '../../terminal/escape.ts';
import { type ListenOptions, listens } from './options.ts';
import type { ClassicProgram, Grammar } from './program.ts';
import { asFile, type SaveOptions, saveFile } from './save-file.ts';
import { calling, serving } from './verb.ts';

interface PasswordOptions {
  readonly passwordFile?: string;
}

/** The encrypted file server. */
export const files: ClassicProgram = {
  name: 'files',
  summary: 'files for whoever has the password',
  add: (program, grammar) => {
    addServe(program, grammar);
    addGet(program, grammar);
    addCall(program, grammar);
  },
};

function addServe(program: Command, grammar: Grammar): void {
  const serves = grammar.verb<ListenOptions & PasswordOptions, [string]>(
    program,
    'serve',
    'serve the files below DIR',
    (context, [folder], options) =>
      serving(context, { ...FILES, secure: 'postern serve' }, options, async (at, around) => {
        const password = await obtainPassword(context, options);
        const root = await ReadRoot.open(folder);
        try {
          await serveFiles(at, { ...around, root, password });
        } finally {
          await root.close();
        }
      }),
  );
  takesPassword(listens(serves, FILES.port).argument('[DIR]', 'folder to serve', '.'));
}

function addGet(program: Command, grammar: Grammar): void {
  const gets = grammar.verb<PasswordOptions & SaveOptions, [string, string, string]>(
    program,
    'get',
    'fetch one file',
    (context, [address, path, destination], options) =>
      calling(context, { ...FILES, secure: 'postern get' }, address, async (from, { signal }) => {
        const password = await obtainPassword(context, options);
        const location = await asFile(destination, path);
        await getFile(from, { password, path, location, save: telling(context, options), signal });
      }),
  );
  gets
    .argument('<address>', 'HOST:PORT')
    .argument('<file>', 'its path there')
    .argument('<dest>', 'file or folder here');
  saves(gets);
}

function addCall(program: Command, grammar: Grammar): void {
  const calls = grammar.verb<PasswordOptions & SaveOptions, [string]>(
    program,
    'call',
    'be asked which file, as by the original',
    (context, [address], options) =>
      calling(context, { ...FILES, secure: 'postern get HOST' }, address, async (to, around) => {
        const password = await obtainPassword(context, options);
        const save: SaveFile = async (location, content) => void (await saveFile(location, content, options));
        await callFiles(to, { ...around, password, save });
      }),
  );
  saves(calls.argument('<address>', 'HOST:PORT'));
}

function telling(context: CommandContext, options: SaveOptions): SaveFile {
  return async (location, content) => {
    const bytes = await saveFile(location, content, options);
    if (context.options.json) await context.printJson({ type: 'saved', path: location, bytes });
    else context.note(`${escapeText(location)}: ${bytes} bytes`);
  };
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
