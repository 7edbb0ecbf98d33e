import t from 'tap';
import { createTroubleLog } from './trouble-log.ts';

t.test('a trouble is said at its beginning, once a minute while it lasts, and at its end', async (t) => {
  let nowMs = 0;
  const lines: object[] = [];
  const keep = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) =>
    void lines.push({ level, message, ...fields });
  const log = { info: keep('info'), warn: keep('warn') };
  const trouble = createTroubleLog({ log, nowMs: () => nowMs, began: 'away', ended: 'back' });
  trouble.over();
  t.same(lines, [], 'nothing was wrong');
  for (; nowMs < 150_000; nowMs += 500) trouble.met('why');
  trouble.over();
  trouble.over();
  t.same(lines, [
    { level: 'warn', message: 'away', err: 'why' },
    { level: 'warn', message: 'still: away', err: 'why', times: 121, lasts_s: 60 },
    { level: 'warn', message: 'still: away', err: 'why', times: 241, lasts_s: 120 },
    { level: 'info', message: 'back', times: 300, lasted_s: 150 },
  ]);
  trouble.met('again');
  t.match(lines[4], { level: 'warn', message: 'away', err: 'again' });
});
