const hexDigits = /^[0-9a-fA-F]*$/;

/**
 * Reads the escapes of characters by their number (`\u0061`) in a JSON text that comes in pieces; all others stay as they
 * are, and so do those of quotes and backslashes. An escape that is not complete waits for its rest.
 */
export class UnicodeEscapes {
  #open = '';

  /** The next piece, as far as it can be read. */
  read(piece: string): string {
    if (this.#open === '' && !piece.includes('\\')) return piece;
    const text = this.#open + piece;
    this.#open = '';
    let result = '';
    let at = 0;
    for (let sign = text.indexOf('\\'); sign >= 0; sign = text.indexOf('\\', at)) {
      result += text.slice(at, sign);
      const length = text.charAt(sign + 1) === 'u' ? 6 : 2;
      const given = text.slice(sign, sign + length);
      if (given.length < length && hexDigits.test(given.slice(2))) {
        this.#open = given;
        return result;
      }
      result += readSign(given);
      at = sign + given.length;
    }
    return result + text.slice(at);
  }

  /** What waits, as it came. */
  flush(): string {
    const open = this.#open;
    this.#open = '';
    return open;
  }
}

function readSign(sign: string): string {
  const digits = sign.slice(2);
  if (sign.length !== 6 || !hexDigits.test(digits)) return sign;
  const character = String.fromCharCode(Number.parseInt(digits, 16));
  return character < ' ' || character === '"' || character === '\\' ? sign : character;
}
