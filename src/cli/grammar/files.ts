import { type Command, Option } from 'commander';
import {
  carrying,
  collect,
  connecting,
  DEFAULT_ALLOW,
  type MakeContext,
  parseCount,
  reaching,
  transferring,
} from './options.ts';

/** Commands that serve a folder and move files. */

export function addServe(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('serve')
    .argument('[DIR]', 'folder to serve', '.')
    .summary('serve a folder to whoever knows the passphrase')
    .description('Serves DIR. Without a passphrase of yours one is drawn and shown; it lives for this run.')
    .option('--listen <address>', 'ADDR:PORT or PORT, 0 for any free port (default: all addresses, 7678)')
    .option('--allow <list>', 'what may be done: read,write,delete,exec,shell,chat,time,agents', DEFAULT_ALLOW)
    .option('--pair', 'let whoever logs in pair: from then on that machine needs no passphrase')
    .addOption(new Option('--no-devices', 'let nobody in by key, whoever is paired').conflicts('pair'))
    .option('--chat-keep <what>', 'how long chat is kept (30d, 12h), or how many messages of each room (default: 90d)')
    .option('--chat-files <size>', 'what files in rooms may take up together, 0 for no files (default: 256M)')
    .action(async (dir: string, options, ran) => {
      const { serve } = await import('../commands/serve.ts');
      await serve(makeContext(options), dir, ran.opts());
    });
  connecting(command, 'serving');
}

export function addLs(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('ls')
    .argument('<place>', 'HOST, HOST:PATH or postern://HOST/PATH')
    .summary('list a folder')
    .description('Lists a folder of the other machine.')
    .option('-l, --long', 'with type, size and time')
    .option('-R, --recursive', 'folders with all that is in them')
    .option('-0, --null', 'names end with NUL in place of a newline')
    .action(async (place: string, options, ran) => {
      const { list } = await import('../commands/files/ls.ts');
      await list(makeContext(options), place, ran.opts());
    });
  reaching(command);
}

export function addGet(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('get')
    .argument('<place...>', 'HOST:PATH… [DEST]; DEST - is standard output')
    .summary('download files and folders')
    .description('Downloads files and folders. With no path it asks which file, as a conversation.')
    .option('--offset <bytes>', 'with DEST -: begin at this byte', parseCount)
    .option('--length <bytes>', 'with DEST -: at most so many bytes', parseCount)
    .addHelpText('after', GET_EXAMPLES)
    .action(async (places: string[], options, ran) => {
      const { get } = await import('../commands/files/get.ts');
      await get(makeContext(options), places, ran.opts());
    });
  transferring(command);
  reaching(command);
}

export function addPut(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('put')
    .argument('<path...>', 'PATH… HOST[:PATH]; PATH - is standard input')
    .summary('upload files and folders')
    .description('Uploads files and folders into the folder that HOST serves, where writing is allowed.')
    .addHelpText('after', PUT_EXAMPLES)
    .action(async (paths: string[], options, ran) => {
      const { put } = await import('../commands/files/put.ts');
      await put(makeContext(options), paths, ran.opts());
    });
  transferring(command);
  reaching(command);
}

export function addRm(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('rm')
    .argument('<place...>', 'HOST:PATH…')
    .summary('remove files and folders there')
    .description('Removes files, links and empty folders of the other machine, where that is allowed.')
    .option('-r, --recursive', 'folders with all that is in them; asks first, unless --yes is given')
    .action(async (places: string[], options, ran) => {
      const { remove } = await import('../commands/files/changes.ts');
      await remove(makeContext(options), places, ran.opts());
    });
  reaching(command);
}

export function addMkdir(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('mkdir')
    .argument('<place...>', 'HOST:PATH…')
    .summary('make folders there')
    .description('Makes folders on the other machine, and those above them.')
    .action(async (places: string[], options, ran) => {
      const { makeFolders } = await import('../commands/files/changes.ts');
      await makeFolders(makeContext(options), places, ran.opts());
    });
  reaching(command);
}

export function addMv(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('mv')
    .argument('<from>', 'HOST:PATH')
    .argument('<to>', 'HOST:PATH on the same machine')
    .summary('rename or move there')
    .description('Gives a file or folder of the other machine another name; what has that name is not replaced.')
    .action(async (from: string, to: string, options, ran) => {
      const { move } = await import('../commands/files/changes.ts');
      await move(makeContext(options), from, to, ran.opts());
    });
  reaching(command);
}

export function addSync(program: Command, makeContext: MakeContext): void {
  const command = program
    .command('sync')
    .argument('<src>', 'folder here, or HOST:PATH')
    .argument('<dst>', 'folder here, or HOST:PATH')
    .summary('make one folder like another')
    .description("Makes DST's content like SRC's; one of them is on another machine. Replaces what differs.")
    .option('-n, --dry-run', 'tell what would be done, and do nothing')
    .option('--delete', 'remove from DST what SRC does not have')
    .option('--exclude <pattern>', 'leave out what matches, on both sides; may be repeated', collect)
    .option('--exclude-from <file>', 'patterns from a file, one a line')
    .option('--watch', 'stay, and sync again whenever SRC changes, until Ctrl-C')
    .option('--checksum', 'compare and verify by SHA-256 of what lies on both disks')
    .option('--no-retry', 'give up when the line is lost, in place of dialling again')
    .action(async (source: string, target: string, options, ran) => {
      const { sync } = await import('../commands/files/sync.ts');
      await sync(makeContext(options), source, target, ran.opts());
    });
  carrying(command);
  reaching(command);
}

const GET_EXAMPLES = `
Examples:
  postern get lab:notes.txt                 into the current folder
  postern get lab:photos /media/usb/        a folder
  postern get lab:backup.tar - | tar xf -   straight into another program
  postern get lab                           be asked which file`;

const PUT_EXAMPLES = `
Examples:
  postern put notes.txt lab                 into the served folder
  postern put photos lab:2024               a folder: 2024/photos
  postern put a.txt b.txt lab:inbox/        several files
  tar c . | postern put - lab:backup.tar    from another program`;
