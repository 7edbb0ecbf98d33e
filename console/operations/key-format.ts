import { crc32 } from 'node:zlib';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const secretCharacters = 43;
const checksumCharacters = 6;

function toBase62(value: bigint, characters: number): string {
  let text = '';
  for (let rest = value; text.length < characters; rest /= 62n) text = (alphabet[Number(rest % 62n)] ?? '') + text;
  return text;
}

/**
 * Writes a key of our own: `hoc_<public id without key_>_<43 base62 digits of secret><6 of checksum>`.
 *
 * The checksum, CRC-32 of all before it in base62, is there so that secret scanners can tell a key of ours from noise; it
 * never decides whether a key is valid. `randomHex` holds 32 random bytes: 43 base62 digits carry all 256 bits.
 */
export function formatKey(publicId: string, randomHex: string): string {
  const body = `hoc_${publicId.replace(/^key_/, '')}_${toBase62(BigInt(`0x${randomHex}`), secretCharacters)}`;
  return body + toBase62(BigInt(crc32(body)), checksumCharacters);
}
