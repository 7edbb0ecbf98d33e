import t from 'tap';
import { rankFunctions } from './profile.ts';

const frame = (functionName: string) => ({ functionName, url: `file:///x/dist/${functionName}.js`, lineNumber: 0 });

t.test('functions rank by the time in them alone, and idle time is no part of the total', async (t) => {
  const ranked = rankFunctions({
    nodes: [
      { id: 1, callFrame: frame('fast') },
      { id: 2, callFrame: frame('slow') },
      { id: 3, callFrame: { functionName: '(idle)', url: '', lineNumber: -1 } },
    ],
    samples: [1, 2, 3, 2],
    timeDeltas: [1000, 2000, 50_000, 1000],
  });
  t.same(
    ranked.map(({ name, selfMs, percent }) => ({ name, selfMs, percent })),
    [
      { name: 'slow', selfMs: 3, percent: 75 },
      { name: 'fast', selfMs: 1, percent: 25 },
    ],
  );
});
