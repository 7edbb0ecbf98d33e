import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { openCapture } from './capture.ts';

const salt = 'ab'.repeat(16);

t.test(
  'whatever the chunking and the cap, the commitment covers the whole body and memory stays under the cap',
  async () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 }), fc.nat(120), (chunks, cap) => {
        const whole = Buffer.concat(chunks);
        const capture = openCapture(salt, cap);
        for (const chunk of chunks) capture.push(chunk);
        const truncated = capture.truncated;
        const captured = capture.end();
        const expected = createHash('sha256').update(Buffer.from(salt, 'hex')).update(whole).digest('hex');
        return (
          captured.commitment === expected &&
          captured.wholeBytes === whole.length &&
          captured.stored.equals(whole.subarray(0, cap)) &&
          truncated === whole.length > cap
        );
      }),
    );
  },
);
