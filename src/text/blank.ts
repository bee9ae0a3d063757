/**
 * Is there anything in a text that people could see? Platforms refuse a message of blanks alone, and some show an empty
 * bubble. Zero-width characters, fillers and the Braille blank are no words either, and `trim()` keeps them.
 */
const NOTHING_TO_SEE = /^[\s\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\u2800]*$/u;

export function isBlank(text: string): boolean {
  return NOTHING_TO_SEE.test(text);
}
