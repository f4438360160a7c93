/** Bytes as Python prints them, which is how the tutorials show what came: `b'\x00\x10\x00\x00'`. Always one line of ASCII. */
export function bytesLiteral(bytes: Uint8Array): string {
  const quote = bytes.includes(APOSTROPHE) && !bytes.includes(QUOTE) ? '"' : "'";
  let text = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    const short = SHORT.get(character);
    if (character === quote) text += `\\${character}`;
    else if (short !== undefined) text += short;
    else if (byte >= 0x20 && byte < 0x7f) text += character;
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `b${quote}${text}${quote}`;
}

const APOSTROPHE = 0x27;
const QUOTE = 0x22;
const SHORT = new Map([
  ['\t', '\\t'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\\', '\\\\'],
]);
