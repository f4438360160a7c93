import stringWidth from 'string-width';

/** Columns that an escaped text takes on a terminal. */
export function displayWidth(text: string): number {
  return stringWidth(text);
}

/** Cuts an escaped text to at most `columns`, marking the cut with `…`; `keep` says which part stays readable. */
export function truncateToWidth(text: string, columns: number, keep: 'start' | 'end' = 'start'): string {
  if (columns <= 0) return '';
  if (stringWidth(text) <= columns) return text;
  const clusters = Array.from(new Intl.Segmenter().segment(text), part => part.segment);
  if (keep === 'end') clusters.reverse();
  const kept: string[] = [];
  let used = 1;
  for (const cluster of clusters) {
    used += stringWidth(cluster);
    if (used > columns) break;
    kept.push(cluster);
  }
  return keep === 'end' ? `…${kept.reverse().join('')}` : `${kept.join('')}…`;
}
