import { randomFillSync } from 'node:crypto';

const saltBytes = 16;

/** Makes a source of salts: 16 random bytes a call, lower-case hex, drawn from the system in blocks of 4 KB. */
export function createSaltSource(): () => string {
  const block = Buffer.alloc(4096);
  let offset = block.length;
  return () => {
    if (offset === block.length) {
      randomFillSync(block);
      offset = 0;
    }
    offset += saltBytes;
    return block.toString('hex', offset - saltBytes, offset);
  };
}
