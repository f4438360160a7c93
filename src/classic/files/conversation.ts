/** What the two sides of the file server say, as the originals have it: prompts, sentences, sizes. */

/** One piece of content, unless it is the last one. An empty piece is the end. */
export const CHUNK_BYTES = 1 << 15;
/** Goes to the caller in the place of a size. */
export const NO_FILE = 'The given path does not specify a file.';

export const ASK_NAME = 'Filename: ';
export const ASK_WHETHER = 'Continue? ';
export const ASK_WHERE = 'Where should the new file be created? ';
export const NEEDS_YES_OR_NO = 'Please provide a positive or negative answer.';
export const COMPLETE = 'Download complete!';

export function tellSize(size: number): string {
  return `File exists and takes ${size} bytes to download.`;
}

export function tellProgress(received: number, size: number): string {
  return `Progress: ${((100 * received) / size).toFixed(1)}%`;
}

/** The beginning of a word for yes or no, in any case; `undefined` for anything else. */
export function readAnswer(text: string): boolean | undefined {
  const answer = text.toLowerCase();
  if (answer === '') return undefined;
  if (POSITIVE.some(word => word.startsWith(answer))) return true;
  return NEGATIVE.some(word => word.startsWith(answer)) ? false : undefined;
}

const POSITIVE = ['yes', 'true', '1'];
const NEGATIVE = ['no', 'false', '0'];
