import fc from 'fast-check';
import t from 'tap';
import { dialects, findNameVariants, recognizeDialect } from './index.ts';
import { cleanRoute, normalizeRoute } from './route.ts';

t.test('a path is recognised in every spelling that a lenient server reads as the same', (t) => {
  const chat = { model: 'm', messages: [] };
  const spellings = `/v1//chat/completions /v1/%63hat/completions /v1/chat/completions/ /v1/chat/completions;a=b
    /v1/chat;x/completions// /V1/Chat/Completions /v1/./chat/%2E/completions /v1/models/../chat/completions
    //v1/chat/completions/%2e /v1/chat%2dx/../chat/completions`.split(/\s+/);
  for (const path of spellings) {
    t.equal(normalizeRoute(path), '/v1/chat/completions', path);
    t.equal(recognizeDialect({ route: { method: 'POST', path }, body: chat, allowed: 'auto' }).id, 'openai-chat', path);
  }
  for (const path of [
    '/v1/mychat/completions',
    '/v1/chat%2Fcompletions',
    '/v1/chat/completions/x',
    '/v1/%2563hat/completions',
  ])
    t.equal(recognizeDialect({ route: { method: 'POST', path }, body: chat, allowed: 'auto' }).id, 'opaque', path);
  t.end();
});

t.test('a normal path stays, and normalising twice changes nothing', (t) => {
  for (const path of ['', '/', '/v1/messages', '/v1/a%20b', '*']) t.equal(normalizeRoute(path), path, path);
  const part = fc.constantFrom('/', '..', '.', ';', '%41', '%2F', '%', 'a', 'B', '%25', '~');
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const once = normalizeRoute(`/${parts.join('')}`);
      return once.startsWith('/') && !/\/\/|;/.test(once) && once === once.toLowerCase();
    }),
  );
  t.end();
});

t.test('the name of a deployment keeps its case, in every spelling of its path', (t) => {
  for (const path of [
    '/openai/deployments/GPT-4o/chat/completions',
    '/openai//deployments/%47PT-4o;v=1/chat/completions/',
  ]) {
    const dialect = recognizeDialect({ route: { method: 'POST', path }, body: {}, allowed: 'auto' });
    const facts = dialect.readRequest({
      route: { method: 'POST', path },
      body: { model: 'x' },
      bytes: Buffer.from('{}'),
    });
    t.equal(facts.model, 'GPT-4o', path);
    t.match(cleanRoute(path), '/GPT-4o/');
  }
  t.end();
});

t.test('a member that differs from a governed one by case or space alone is found, and no other', (t) => {
  const found = [
    'Messages',
    'MODEL',
    ' tools',
    'Max_Tokens',
    'stream\n',
    'Stream_Options',
    'N',
    'me\u017f\u017fages',
    'System',
  ];
  const known = new Set(dialects.flatMap((dialect) => [...dialect.governedNames]));
  for (const name of found) t.equal(findNameVariants({ model: 'm', [name]: 1 }, known), name, JSON.stringify(name));
  for (const name of ['messages', 'message', 'maxTokens', 'x', 'Modell', ''])
    t.equal(findNameVariants({ [name]: 1 }, known), null, name);
  for (const body of [null, 'Messages', ['Messages'], { x: { Messages: 1 } }])
    t.equal(findNameVariants(body, known), null);
  const { governedNames } = recognizeDialect({
    route: { method: 'POST', path: '/v1/messages' },
    body: {},
    allowed: 'auto',
  });
  t.equal(findNameVariants({ Functions: 1, System: 1 }, governedNames), 'System', 'of one dialect alone');
  t.end();
});
