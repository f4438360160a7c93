import { basename } from 'node:path';
import { LineError } from '../../errors.ts';
import {
  type ChatFile,
  type DownloadOptions,
  type DownloadSummary,
  download,
  type Entry,
  type FileOptions,
  FilesClient,
  type Offers,
  type ReadStore,
  type ReceiveStore,
  type TransferEvent,
  upload,
} from '../../index.ts';
import type { Route } from '../../line/route.ts';
import { encodeBase64url } from '../../protocol/bytes/base64url.ts';
import { requireName } from '../../services/files/names.ts';
import { nodeCrypto } from '../crypto.ts';
import { openOffer } from '../files/folder-service.ts';
import { PLATFORM } from '../files/read-root.ts';

/**
 * A file of this machine on its way into a room: it is put on the server, and `ChatRoom.send` then says so. It has its id
 * from the beginning, so that another line goes on where one was lost.
 */
export class OutgoingFile {
  readonly #source: Offered;
  readonly #id: string;
  readonly #name: string;

  private constructor(source: Offered, name: string) {
    this.#source = source;
    this.#id = encodeBase64url(nodeCrypto.randomBytes(16));
    this.#name = name;
  }

  /** `path` is the user's own word: a link is followed. Throws `NOT_FOUND`, `NOT_A_FILE`, `ACCESS`, and `BAD_NAME` for a name that is no text. */
  static async open(path: string): Promise<OutgoingFile> {
    const source = await openOffer(path);
    try {
      if ((await source.stat('')).type !== 'file')
        throw new LineError('NOT_A_FILE', 'rooms take plain files and nothing else');
      const name = basename(path);
      requireName(name, 'posix');
      if (!name.isWellFormed()) throw new LineError('BAD_NAME', 'a file in a room has a name that is text');
      return new OutgoingFile(source, name);
    } catch (thrown) {
      await source.close();
      throw thrown;
    }
  }

  get name(): string {
    return this.#name;
  }

  /**
   * Puts it on the server at the other end of `route`, whose line was connected with `offers.handle`; after a lost line it may
   * be called again with another one. Gives what to say. Throws `NO_SPACE`, `FORBIDDEN`, `UNSUPPORTED`, `TOO_MANY`, and what
   * ended the line.
   */
  async put(route: Route, offers: Offers, options: ChatFileOptions = {}): Promise<ChatFile> {
    let size: number | undefined;
    let failure: LineError | undefined;
    const onEvent = (event: TransferEvent): void => {
      if (event.type === 'finished') size = event.size;
      if (event.type === 'failed') failure = event.error;
      options.onEvent?.(event);
    };
    const request = { to: `${this.#id}/${this.#name}` };
    await upload(route, offers, this.#source, request, { prefix: PREFIX, signal: options.signal, onEvent }).catch(
      (thrown: unknown) => {
        throw isUnsupported(thrown) ? new LineError('UNSUPPORTED', 'the server takes no files in rooms') : thrown;
      },
    );
    if (failure !== undefined) throw this.#asNamed(failure);
    if (size === undefined) throw new LineError('PROTOCOL', 'the server does not say what became of the file');
    return { id: this.#id, name: this.#name, size };
  }

  /** Where the server keeps it is no name that anybody has given it. */
  #asNamed({ code, message, cause }: LineError): LineError {
    return new LineError(code, message.replace(`"${this.#id}/${this.#name}"`, `"${this.#name}" on the server`), {
      cause,
    });
  }

  /** Lets go of the file; may be called twice. */
  async close(): Promise<void> {
    await this.#source.close();
  }
}

export interface ChatFileOptions {
  readonly signal?: AbortSignal | undefined;
  /** Hears what happens. Must not throw. */
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
}

/**
 * Fetches a file of a room into `store`, under the name that its sender gave it unless `to` names another. It goes through the
 * same gates and policies as any download, and a partial is gone on with. What the message said of its size holds.
 */
export async function downloadChatFile(
  route: Route,
  file: ChatFile,
  store: ReceiveStore,
  options: DownloadOptions & { readonly to?: string },
): Promise<DownloadSummary> {
  const to = options.to ?? file.name;
  requireName(to, PLATFORM);
  return download(
    new RoomFilesClient(route, { prefix: PREFIX }),
    store,
    { from: `${file.id}/${file.name}`, to },
    { ...options, accept: entry => entry.path === '' && entry.size === file.size },
  );
}

/** Where a file is asked for a server may not answer with a folder, and all that is in it (R-F3). */
class RoomFilesClient extends FilesClient {
  override async stat(path: string, options: FileOptions = {}): Promise<Entry> {
    const entry = await super.stat(path, options);
    if (entry.type !== 'file') throw new LineError('NOT_A_FILE', 'the server has no file there');
    return entry;
  }
}

function isUnsupported(thrown: unknown): boolean {
  return thrown instanceof LineError && thrown.code === 'UNSUPPORTED';
}

type Offered = ReadStore & { close(): Promise<void> };

const PREFIX = 'chat.';
