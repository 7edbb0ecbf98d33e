/** A name or value of a form, in UTF-16 units, and what it says. */
export interface FormToken {
  start: number;
  end: number;
  value: { value: string; differs: boolean };
}

/** Names and values joined by `=` and `&`, in the characters that forms leave as they are, with something that is encoded. */
const formText = /^[\w.~*%+!'(),:@/$;?-]+=[\w.~*%+!'(),:@/$;?&=-]*$/;
const encoded = /%[0-9A-Fa-f]{2}|\+|&/;

/** Whether a text is `application/x-www-form-urlencoded` and says something else than it shows, or in parts. */
export function isFormText(text: string): boolean {
  return encoded.test(text) && formText.test(text);
}

/** The names and values of a form in their order, those that are empty left out. Linear. */
export function listFormTokens(text: string): FormToken[] {
  const tokens: FormToken[] = [];
  for (let start = 0; start <= text.length; ) {
    let end = start;
    while (end < text.length && text.charAt(end) !== '&' && text.charAt(end) !== '=') end += 1;
    if (end > start) tokens.push({ start, end, value: decode(text.slice(start, end)) });
    start = end + 1;
  }
  return tokens;
}

function decode(shown: string): FormToken['value'] {
  try {
    const value = decodeURIComponent(shown.replaceAll('+', ' '));
    return { value, differs: value !== shown };
  } catch {
    return { value: shown, differs: false }; // What is no UTF-8 is looked through as it stands.
  }
}
