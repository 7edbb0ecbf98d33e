/**
 * A path as lenient servers read it, to find out whose route it is: unreserved characters decoded, slashes collapsed, dot
 * segments resolved, parameters behind `;` and a slash at the end dropped, in lower case. What is sent keeps its own.
 */
export function normalizeRoute(path: string): string {
  return cleanRoute(path).toLowerCase();
}

/** As `normalizeRoute`, in the case as it came: names in a path may have capitals. */
export function cleanRoute(path: string): string {
  if (!/%|;|\/\/|\/\.|\/$/.test(path)) return path;
  const decoded = path.replace(/%([0-9a-f]{2})/gi, (whole, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : whole;
  });
  const segments: string[] = [];
  for (const given of decoded.split('/')) {
    const segment = given.split(';', 1)[0] ?? '';
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return `${path.startsWith('/') ? '/' : ''}${segments.join('/')}`;
}
