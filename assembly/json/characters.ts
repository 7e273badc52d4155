/** The bytes that mean something in JSON. */

export namespace Character {
  export const TAB: u8 = 0x09;
  export const LINE_FEED: u8 = 0x0a;
  export const CARRIAGE_RETURN: u8 = 0x0d;
  export const SPACE: u8 = 0x20;
  export const QUOTE: u8 = 0x22;
  export const PLUS: u8 = 0x2b;
  export const COMMA: u8 = 0x2c;
  export const MINUS: u8 = 0x2d;
  export const DOT: u8 = 0x2e;
  export const SLASH: u8 = 0x2f;
  export const ZERO: u8 = 0x30;
  export const NINE: u8 = 0x39;
  export const COLON: u8 = 0x3a;
  export const OPEN_BRACKET: u8 = 0x5b;
  export const BACKSLASH: u8 = 0x5c;
  export const CLOSE_BRACKET: u8 = 0x5d;
  export const LOWER_E: u8 = 0x65;
  export const LOWER_F: u8 = 0x66;
  export const LOWER_N: u8 = 0x6e;
  export const LOWER_T: u8 = 0x74;
  export const LOWER_U: u8 = 0x75;
  export const OPEN_BRACE: u8 = 0x7b;
  export const CLOSE_BRACE: u8 = 0x7d;
}
