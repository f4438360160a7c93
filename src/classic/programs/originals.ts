/** Where the originals listen and whom they call. All of them on 127.0.0.1. */
export const ORIGINAL_PORT = {
  /** hello, talk, time, control and desk. */
  usual: 8888,
  qq: 8005,
  exec: 8080,
  hmac: 8001,
  /** The file server takes its port as an argument; this is that of the program that it replaced. */
  files: 5006,
} as const;

/** What the originals show before they read a line. */
export const PROMPT = '>>>';
/** Who the calling side is, in the programs that have names. */
export const OLD_WANG = '老王';
