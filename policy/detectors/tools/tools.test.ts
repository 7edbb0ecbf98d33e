import t from 'tap';
import { detectTools } from './tools.ts';

t.test('names and arguments are found with their place', async (t) => {
  const found = detectTools(['get_weather', 'run_shell'], ['{"city":"Berlin"}', '{"cmd":"rm -rf / #"}']);
  t.same(found, [
    { where: 'name', index: 1, start: 0, end: 9 },
    { where: 'argument', index: 1, start: 8, end: 17 },
  ]);
  t.same(detectTools([], []), []);
});

t.test('an argument with unseen characters is found where it stands in the original', async (t) => {
  const text = '{"cmd":"r\u200bm -rf /"}';
  const [found] = detectTools([], [text]);
  t.equal(text.slice(found?.start, found?.end).replace('\u200b', ''), 'rm -rf /"');
});
