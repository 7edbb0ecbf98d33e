/**
 * Makes text safe to print: what a caller or a model wrote must not move the cursor, change colours, set the title or
 * reverse the reading direction. Control characters (C0, DEL, C1), bidirectional and other invisible format characters,
 * and line breaks are shown as escapes.
 */
export function neutraliseTerminal(text: string): string {
  return text.replace(hostile, (character) => {
    const point = character.codePointAt(0) ?? 0;
    if (character === '\n') return '\\n';
    if (character === '\r') return '\\r';
    if (character === '\t') return '\\t';
    return point < 0x100 ? `\\x${hex(point, 2)}` : `\\u{${hex(point, 4)}}`;
  });
}

const hostile =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

function hex(point: number, digits: number): string {
  return point.toString(16).padStart(digits, '0');
}
