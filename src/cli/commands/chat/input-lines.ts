import { TextDecoder } from 'node:util';

/**
 * The lines of `input` without their ends, the last one also if it has none; `undefined` for one of more than `maxLength`
 * UTF-16 units, of which nothing is kept. What is no UTF-8 comes as U+FFFD. An input that cannot be read any more, a folder
 * for one, is at its end.
 */
export async function* inputLines(
  input: AsyncIterable<Uint8Array>,
  maxLength: number,
): AsyncGenerator<string | undefined> {
  const utf8 = new TextDecoder();
  let begun = '';
  let isTooLong = false;
  for await (const bytes of readable(input)) {
    const pieces = utf8.decode(bytes, { stream: true }).split('\n');
    const rest = pieces.pop()!;
    for (const piece of pieces) {
      const line = begun + piece;
      yield isTooLong || line.length > maxLength ? undefined : line.replace(/\r$/, '');
      begun = '';
      isTooLong = false;
    }
    if (begun.length + rest.length > maxLength) isTooLong = true;
    begun = isTooLong ? '' : begun + rest;
  }
  begun += utf8.decode();
  if (isTooLong) yield undefined;
  else if (begun !== '') yield begun;
}

async function* readable(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* input;
  } catch {
    // As if there were no more.
  }
}
