/**
 * A route as servers commonly take it: percent-encoded letters, digits and `-._~` decoded, slashes in a row as one, no slash
 * at the end, no parameters of segments (`;a=b`), in lower case. For comparing alone: what goes upstream stays as it came.
 */
export function normalizeRoute(path: string): string {
  const decoded = path.replace(/%([0-9a-f]{2})/gi, (written, code: string) => {
    const character = String.fromCharCode(Number.parseInt(code, 16));
    return /[\w.~/-]/.test(character) ? character : written;
  });
  const plain = decoded
    .replace(/;[^/]*/g, '')
    .replace(/\/{2,}/g, '/')
    .toLowerCase();
  return plain.length > 1 && plain.endsWith('/') ? plain.slice(0, -1) : plain;
}
