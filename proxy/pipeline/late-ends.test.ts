import t from 'tap';
import { HocError } from '../../storage/schema/errors.ts';
import { createLateEnds } from './late-ends.ts';
import { chat, chatAnswer, inputNanoUsd, limit, openWorld, outputNanoUsd } from './test-world.ts';

t.test('a run whose end finds the spool full is recorded, settled and free once it takes records again', async (t) => {
  const world = await openWorld();
  t.teardown(() => world.close());
  await world.setLimits([
    limit({ id: 'm', kind: 'money', ceiling: (10n ** 12n).toString() }),
    limit({ id: 'slots', kind: 'concurrency', ceiling: '5' }),
  ]);
  world.provide((_, response) => response.end(chatAnswer('a', { prompt_tokens: 3, completion_tokens: 2 })));
  world.fillSpool('finish');
  const call = chat(world, { max_tokens: 50 });
  await t.rejects(
    call.then((answer) => answer.text()),
    'the answer is broken off: its end may not be seen before it is on record',
  );
  t.equal(world.openReservations.list('acme').length, 1, 'it holds what it reserved');
  t.equal((await world.reading('slots')).reserved, 1n);
  const finish = await world.endDuring(async () => world.fillSpool('all'));
  const cost = 3n * inputNanoUsd + 2n * outputNanoUsd;
  t.match(finish, { status: 'failed', usage_source: 'provider', cost_nano_usd: cost.toString() });
  t.ok(finish.marks.includes('payload_dropped'));
  t.equal(finish.events.filter(({ stage }) => stage === 'finish').length, 1);
  t.match(await world.reading('m'), { used: cost, reserved: 0n });
  t.match(await world.reading('slots'), { reserved: 0n });
  t.equal(world.openReservations.list('acme').length, 0);
});

t.test('late ends are recorded in their order, each once, and tried a last time at the close', async (t) => {
  const failed: unknown[] = [];
  const ends = createLateEnds((error) => failed.push(error));
  const recorded: string[] = [];
  let full = true;
  const end = (name: string) => () => {
    if (full) throw new HocError({ code: 'spool_full', publicMessage: 'full' });
    recorded.push(name);
  };
  ends.add(end('a'));
  ends.add(end('b'));
  ends.close();
  t.same(recorded, []);
  ends.add(end('c'));
  full = false;
  ends.close();
  t.same(recorded, ['a', 'b', 'c']);
  ends.add(() => {
    throw new Error('anything else');
  });
  ends.add(end('d'));
  ends.close();
  t.same(recorded, ['a', 'b', 'c', 'd'], 'what fails for another reason holds up no other');
  t.equal(failed.length, 1);
});
