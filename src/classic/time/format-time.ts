/**
 * A strftime format of a peer, by a list of directives and nothing else (R-T2): no widths, no flags, no locale. The text
 * between them stays as it is. `undefined` for a format with anything else behind a percent sign, `%%` too: so no answer
 * has a percent sign, and none can be taken for a question (R-T1).
 */
export function formatTime(format: string, time: Date): string | undefined {
  let text = '';
  for (let at = 0; at < format.length; at++) {
    const character = format[at]!;
    if (character !== '%') {
      text += character;
      continue;
    }
    at += 1;
    const directive = DIRECTIVES.get(format[at] ?? '');
    if (directive === undefined) return undefined;
    text += directive(time);
  }
  return text;
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAY_MS = 86_400_000;

/** In the language of the C locale, which is what the originals answer unless they set another. */
const DIRECTIVES: ReadonlyMap<string, (time: Date) => string> = new Map([
  ['a', time => DAYS[time.getDay()]!.slice(0, 3)],
  ['A', time => DAYS[time.getDay()]!],
  ['b', time => MONTHS[time.getMonth()]!.slice(0, 3)],
  ['B', time => MONTHS[time.getMonth()]!],
  ['c', time => all('%a %b %e %X %Y', time)],
  ['C', time => two(Math.floor(time.getFullYear() / 100))],
  ['d', time => two(time.getDate())],
  ['D', time => all('%m/%d/%y', time)],
  ['e', time => String(time.getDate()).padStart(2, ' ')],
  ['F', time => all('%Y-%m-%d', time)],
  ['h', time => all('%b', time)],
  ['H', time => two(time.getHours())],
  ['I', time => two(hourOfTwelve(time))],
  ['j', time => String(dayOfYear(time) + 1).padStart(3, '0')],
  ['m', time => two(time.getMonth() + 1)],
  ['M', time => two(time.getMinutes())],
  ['p', time => (time.getHours() < 12 ? 'AM' : 'PM')],
  ['r', time => all('%I:%M:%S %p', time)],
  ['R', time => all('%H:%M', time)],
  ['S', time => two(time.getSeconds())],
  ['T', time => all('%H:%M:%S', time)],
  ['u', time => String(time.getDay() || 7)],
  // Weeks that begin with the first Sunday, and with the first Monday, of the year.
  ['U', time => two(Math.floor((dayOfYear(time) + 7 - time.getDay()) / 7))],
  ['w', time => String(time.getDay())],
  ['W', time => two(Math.floor((dayOfYear(time) + 7 - ((time.getDay() + 6) % 7)) / 7))],
  ['x', time => all('%m/%d/%y', time)],
  ['X', time => all('%H:%M:%S', time)],
  ['y', time => two(time.getFullYear() % 100)],
  ['Y', time => String(time.getFullYear())],
  ['z', time => offsetFromUtc(time)],
]);

function all(format: string, time: Date): string {
  return formatTime(format, time)!;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}

function hourOfTwelve(time: Date): number {
  return time.getHours() % 12 || 12;
}

/** From 0. Counted in UTC, where every day has the same length. */
function dayOfYear(time: Date): number {
  const year = time.getFullYear();
  return (Date.UTC(year, time.getMonth(), time.getDate()) - Date.UTC(year, 0, 1)) / DAY_MS;
}

function offsetFromUtc(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${two(size % 60)}`;
}
