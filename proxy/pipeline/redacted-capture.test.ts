import { hash } from 'node:crypto';
import t from 'tap';
import { commit } from '../../policy/evidence/index.ts';
import type { PolicyEntry } from '../../storage/schema/snapshot.ts';
import { chat, chatAnswer, chatEnd, chatEvent, eventStream, idOf, limit, openWorld, type World } from './test-world.ts';

const usage = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 };
const address = 'jane.doe@example.com';
const card = '4111 1111 1111 1111';

let world: World;

t.before(async () => {
  world = await openWorld();
});
t.teardown(() => world.close());

async function capture(how: 'redacted' | 'metadata' | 'full', policies: readonly PolicyEntry[] = []): Promise<void> {
  const limits = [limit({ id: 'daily', kind: 'requests', ceiling: '1000' })];
  await world.setLimits(limits, { capture: how, policies });
}

async function keptOf(answer: Response) {
  const finish = await world.finishOf(idOf(answer));
  const payloads = world.payloadsOf(idOf(answer));
  const [request, response] = ['request', 'response'].map((part) => payloads.find((one) => one.part === part));
  return { finish, intent: world.intentOf(idOf(answer)), request, response };
}

t.test('bodies are kept without what detectors find, and pass as they are', async (t) => {
  await capture('redacted');
  let seen = '';
  world.provide((request, response) => {
    seen = request.body;
    response.setHeader('content-type', 'application/json');
    response.end(chatAnswer(`your card is ${card}`, usage));
  });
  const answer = await chat(world, { user: address, messages: [{ role: 'user', content: `I am ${address}` }] });
  t.match(await answer.text(), card);
  t.match(seen, `I am ${address}`);
  const { finish, request, response } = await keptOf(answer);
  t.match(request, { redacted: true, content_type: 'application/json', content_encoding: null });
  t.match(JSON.parse(request?.body ?? ''), {
    user: '[redacted:email]',
    messages: [{ content: 'I am [redacted:email]' }],
  });
  t.match(JSON.parse(response?.body ?? ''), {
    choices: [{ message: { content: 'your card is [redacted:payment_card]' } }],
  });
  t.notMatch(JSON.stringify([finish, world.payloadsOf(idOf(answer))]), /jane|4111/);
  t.equal(request?.whole_bytes, Buffer.byteLength(seen));
  t.equal(finish.request_bytes, Buffer.byteLength(seen));
});

t.test('commitments of a redacted run cover what is kept, and no digest of what came is anywhere', async (t) => {
  const scan: PolicyEntry = {
    ...{ id: 'scan', version: 1, phase: 'request', mode: 'enforce', scope: {}, on_error: 'deny' },
    ...{ when: { contains: [{ var: 'request.text' }, 'nothing like it'] }, then: { action: 'warn', reason: 'scan' } },
  };
  await capture('redacted', [scan]);
  world.provide((_, response) => response.end(chatAnswer(`your card is ${card}`, usage)));
  const answer = await chat(world, { messages: [{ role: 'user', content: `I am ${address}` }] });
  const sent = JSON.stringify({ model: 'sim-1', messages: [{ role: 'user', content: `I am ${address}` }] });
  const { finish, intent, request, response } = await keptOf(answer);
  const { request_salt: requestSalt = '', response_salt: responseSalt = '' } = finish.open;
  t.equal(finish.commitments.request, commit(requestSalt, Buffer.from(request?.body ?? '')));
  t.equal(finish.commitments.response, commit(responseSalt, Buffer.from(response?.body ?? '')));
  t.equal(intent.commitments.request, finish.commitments.request);
  t.match(finish.open.context?.value.facts['request.text'], { digest: null, length: `I am ${address}`.length });
  const written = JSON.stringify([finish, intent]);
  for (const text of [`I am ${address}`, sent]) t.notMatch(written, hash('sha256', text, 'hex'));
  t.notMatch(written, commit(requestSalt, Buffer.from(sent)));
});

t.test('a stream is kept as its text, so that what is torn over its events is taken out', async (t) => {
  await capture('redacted');
  world.provide((_, response) => {
    response.writeHead(200, eventStream);
    for (const piece of ['pay with 4111 11', '11 1111', ' 1111 to jane.', 'doe@exam', 'ple.com please']) {
      response.write(chatEvent(piece));
    }
    response.end(chatEnd(usage));
  });
  const answer = await chat(world, { stream: true });
  t.match(await answer.text(), 'pay with 4111 11', 'the caller gets every byte');
  const { response, finish } = await keptOf(answer);
  t.equal(response?.body, 'pay with [redacted:payment_card] to [redacted:email] please');
  t.match(response, { redacted: true, content_type: 'text/plain; charset=utf-8', stored_bytes: response?.body.length });
  t.equal(response?.whole_bytes, finish.response_bytes);
  t.equal(finish.status, 'succeeded');
});

t.test('long bodies are looked through beside the event loop', async (t) => {
  await capture('redacted');
  const filler = 'nothing of note stands here. '.repeat(4000);
  world.provide((_, response) => response.end(chatAnswer(`${filler}${address}`, usage)));
  const answer = await chat(world, { messages: [{ role: 'user', content: `${filler}${card}` }] });
  await answer.text();
  const { request, response } = await keptOf(answer);
  t.match(request?.body, '[redacted:payment_card]');
  t.match(response?.body, '[redacted:email]');
  t.ok((response?.stored_bytes ?? 0) > filler.length);
});

t.test('of a stream that breaks off the beginning is kept, redacted, without its last words', async (t) => {
  await capture('redacted');
  const words = `write to ${address} ${'and so on and on '.repeat(40)}`;
  world.provide((_, response) => {
    response.writeHead(200, eventStream);
    response.write(chatEvent(words));
    response.write(chatEvent('4111 1111 1111 11'), () => setTimeout(() => response.destroy(), 20));
  });
  const finish = await world.endDuring(async () => {
    const answer = await chat(world, { stream: true });
    await answer.text().catch(() => undefined);
  });
  t.equal(finish.status, 'failed');
  const kept = world.payloadsOf(finish.run_id).find((one) => one.part === 'response');
  t.match(kept?.body, /^write to \[redacted:email\] and so on/);
  t.notMatch(kept?.body, /jane|4111/);
  t.equal(kept?.redacted, true);
});

t.test('what nobody can look into is not kept, and the run says so', async (t) => {
  await capture('redacted');
  world.provide((_, response) => {
    response.setHeader('content-type', 'audio/mpeg');
    response.end(Buffer.from([0xff, 0xfb, 0x90, 0x00, 0xfe]));
  });
  const answer = await chat(world);
  await answer.arrayBuffer();
  const { finish, request, response } = await keptOf(answer);
  t.ok(request);
  t.equal(response, undefined);
  t.match(finish, { marks: ['payload_dropped'], response_bytes: 5, commitments: { response: null } });
});

t.test('a refused request leaves no digest of its body', async (t) => {
  const deny: PolicyEntry = {
    ...{ id: 'no', version: 1, phase: 'request', mode: 'enforce', scope: {}, on_error: 'deny' },
    ...{ when: { '==': [1, 1] }, then: { action: 'deny', reason: 'no' } },
  };
  await capture('redacted', [deny]);
  const answer = await chat(world, { messages: [{ role: 'user', content: address }] });
  t.equal(answer.status, 403);
  const finish = await world.finishOf(idOf(answer));
  t.equal(finish.commitments.request, null);
  t.same(world.payloadsOf(finish.run_id), []);
});

t.test('a full capture keeps the bytes, a metadata one none', async (t) => {
  world.provide((_, response) => response.end(chatAnswer(address, usage)));
  await capture('full');
  const full = await chat(world, { user: address });
  await full.text();
  const kept = await keptOf(full);
  t.match(kept.request?.body, address);
  t.match(kept.response?.body, address);
  t.notOk(kept.request?.redacted);
  await capture('metadata');
  const metadata = await chat(world, { user: address });
  await metadata.text();
  t.match(await keptOf(metadata), { request: undefined, response: undefined, finish: { marks: [] } });
});
