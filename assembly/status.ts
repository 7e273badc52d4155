/**
 * The problems of bytes given to a kernel. The host has the code and the text of each status
 * (src/kernels/error.ts): a new one goes into both.
 */

export const enum Status {
  OK = 0,

  // Not JSON (1–31): the host turns one of these at the very end of its input into "unexpected end".
  EXPECTED_VALUE = 1,
  EXPECTED_COMMA_OR_BRACE = 2,
  EXPECTED_COMMA_OR_BRACKET = 3,
  EXPECTED_KEY = 4,
  EXPECTED_COLON = 5,
  BAD_NUMBER = 6,
  BAD_ESCAPE = 7,
  CONTROL_CHARACTER = 8,
  BAD_UTF8 = 9,
  TRAILING_BYTES = 10,

  // JSON, but beyond a limit (32–39).
  TOO_DEEP = 32,
  OUTPUT_TOO_LARGE = 33,
  OUT_OF_MEMORY = 34,
  TOO_MANY_PLUGINS = 35,

  // JSON of the wrong shape (40–63): the field says of what.
  NOT_AN_OBJECT = 40,
  NOT_AN_ARRAY = 41,
  NOT_A_STRING = 42,
  NOT_A_BOOLEAN = 43,
  MISSING = 46,
  BAD_VERSION = 47,

  // Values in results that do not mean what they should (64 and up).
  NOT_AN_INTEGER = 64,
  NOT_AN_ADDRESS = 65,
  NOT_A_CIDR = 66,
  UNSUPPORTED_VERSION = 70,
  NO_ADDRESS = 71,
  UNSUPPORTED_CONFIG_VERSION = 72,
}
