/** A stretch of bytes with one meaning. */
export interface DrawnPart {
  readonly label: string;
  readonly bytes: Uint8Array;
}

/** Two lines: the bytes in hexadecimal, and below each stretch what it is. */
export function drawBytes(parts: readonly DrawnPart[]): readonly [string, string] {
  const columns = parts.map(({ label, bytes }) => {
    const hex = [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(' ');
    const width = Math.max(hex.length, label.length + 4);
    const left = Math.floor((width - label.length - 4) / 2);
    const right = width - label.length - 4 - left;
    return [hex.padEnd(width), `└${'─'.repeat(left)} ${label} ${'─'.repeat(right)}┘`] as const;
  });
  return [
    columns
      .map(([hex]) => hex)
      .join('  ')
      .trimEnd(),
    columns.map(([, below]) => below).join('  '),
  ];
}
