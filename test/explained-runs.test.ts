import { randomBytes } from 'node:crypto';
import t from 'tap';
import type { ExplainedPhase, ExplainedRun, SecondOpinionPage } from '../console/contract/index.ts';
import { type Installation, removeData, startInstallation, startProcess } from './installation.ts';

t.setTimeout(120_000);

const secrets = { HOC_KEY_APP: randomBytes(24).toString('hex'), HOC_KEY_FEW: randomBytes(24).toString('hex') };

function configuration(simulator: string, capped = 64): string {
  return `
tenants:
  - slug: acme
    providers:
      - { slug: openai, baseUrl: "${simulator}", allowPrivate: true, askUsage: never, priceAs: simulator }
    keys:
      - { name: app, secretEnv: HOC_KEY_APP }
      - { name: few, secretEnv: HOC_KEY_FEW }
    policies:
      - { id: a-cap, phase: request, when: { "==": [{ "var": "request.model" }, "sim-small"] }, then: { action: modify, reason: "small answers", changes: [{ change: cap_output, tokens: ${capped} }] } }
      - { id: b-cap, phase: request, when: { "==": [{ "var": "request.provider" }, "openai"] }, then: { action: modify, reason: "at most 900", changes: [{ change: cap_output, tokens: 900 }] } }
      - { id: c-secret, phase: request, when: { "contains": [{ "var": "request.user_text" }, "project-x"] }, then: { action: deny, reason: "No word of project-x" } }
      - { id: d-mail, phase: request, when: { "and": [{ ">": [{ "var": "detectors.email" }, 0] }, { "!=": [{ "var": ["tags.team", ""] }, "legal"] }] }, then: { action: tag, tags: { mail: "yes" } } }
      - { id: e-shadow, phase: request, mode: shadow, when: { "==": [1, 1] }, then: { action: deny, reason: "would stop everything" } }
      - { id: f-open, phase: request, scope: { key: few }, onError: allow, when: { "==": [{ "var": "tags.team" }, "x"] }, then: { action: warn, reason: "team x" } }
      - { id: g-busy, phase: admit, scope: { key: few }, when: { ">=": [{ "var": "readings.percent.few-rpm" }, 50] }, then: { action: warn, reason: "half of the limit is used" } }
      - { id: h-status, phase: response, when: { "==": [{ "var": "answer.status" }, 200] }, then: { action: tag, tags: { answered: "yes" } } }
      - { id: i-hour, phase: request, mode: shadow, when: { "during": ["00:00-24:00"] }, then: { action: warn, reason: "always" } }
      - { id: j-cut, phase: stream, when: { ">": [{ "var": "stream.characters" }, 20] }, then: { action: deny, reason: "long enough" } }
    limits:
      - { id: few-rpm, kind: requests, ceiling: 2, window: 1h, align: rolling, by: [key], match: { key: few } }
`;
}

let hoc: Installation;

t.before(async () => {
  const simulator = await startProcess('proxy/simulator/main.js', 'runSimulator', {
    HOC_SIMULATOR_LISTEN: '127.0.0.1:0',
    HOC_SIMULATOR_SPEED: 'instant',
  });
  const url = simulator.listen.simulator ?? Object.values(simulator.listen)[0] ?? '';
  hoc = await startInstallation({ yaml: configuration(url), env: secrets });
  t.teardown(async () => {
    await hoc.stop();
    await simulator.stop();
    removeData(hoc.data);
  });
});

/** Sends one chat and answers the id of its run once its end is on record. */
async function send(key: string, text: string, stream = false): Promise<string> {
  const answer = await fetch(`${hoc.proxy}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sim-small', stream, messages: [{ role: 'user', content: text }] }),
  });
  await answer.arrayBuffer();
  const id = answer.headers.get('x-hoc-run-id') ?? '';
  await hoc.exportRuns((runs) => runs.some((run) => run.run_id === id && run.status !== 'running'));
  return id;
}

async function explain(id: string): Promise<{ run: ExplainedRun; text: string; phase(name: string): ExplainedPhase }> {
  const [json, text] = await Promise.all([hoc.hoc('runs', 'explain', id, '--json'), hoc.hoc('runs', 'explain', id)]);
  t.same([json.code, text.code], [0, 0], json.stderr);
  const run = JSON.parse(json.stdout) as ExplainedRun;
  const phase = (name: string): ExplainedPhase => {
    const found = run.phases.find((one) => one.phase === name);
    if (found === undefined) throw new Error(`no phase ${name} in ${json.stdout}`);
    return found;
  };
  return { run, text: text.stdout, phase };
}

t.test(
  'every phase of a run is explained: what held, what did not and why, changes, tags and shadow verdicts',
  async (t) => {
    const id = await send(secrets.HOC_KEY_APP, 'Write to someone@example.com, please.');
    const { run, text, phase } = await explain(id);
    t.same(
      run.phases.map((one) => [one.phase, one.state, one.context_holds, one.decision_holds]),
      ['request', 'admit', 'response'].map((name) => [name, 'explained', true, true]),
    );
    const request = phase('request');
    t.match(request, { verdict: 'modify', decided_by: 'policy:a-cap@1', tags: { mail: 'yes' } });
    t.match(request.modifications, [
      { policy: 'a-cap', detail: '64', applied: true },
      { policy: 'b-cap', applied: false, why: 'policy a-cap caps at 64' },
    ]);
    const outcomes = request.policies.map((one) => [one.policy, one.outcome, one.verdict, one.mode]);
    t.same(outcomes, [
      ['a-cap', 'matched', 'modify', 'enforce'],
      ['b-cap', 'matched', 'modify', 'enforce'],
      ['c-secret', 'not_matched', null, 'enforce'],
      ['d-mail', 'matched', 'tag', 'enforce'],
      ['e-shadow', 'matched', 'deny', 'shadow'],
      ['f-open', 'out_of_scope', null, 'enforce'],
      ['i-hour', 'matched', 'warn', 'shadow'],
    ]);
    t.match(text, /^request at \d{4}-\S+Z: modify by policy:a-cap@1: small answers/m);
    t.match(text, /cap_output 64 of policy a-cap v1: applied/);
    t.match(text, /cap_output 900 of policy b-cap v1: not applied, policy a-cap caps at 64/);
    t.match(text, /tags mail=yes/);
    t.match(text, /policy e-shadow v1 in shadow: its condition held, so it says deny/);
    t.match(text, /true: detectors.email is more than 0 \(detectors.email is 1\)/);
    t.match(text, /policy h-status v1: its condition held, so it says tag and owns the decision/);

    const shown = await hoc.hoc('runs', 'show', id);
    t.match(shown.stdout, /request phase +modify by policy:a-cap@1: small answers/);
    t.match(shown.stdout, /cap_output 900 of policy b-cap v1: not applied, policy a-cap caps at 64/);
    t.match(shown.stdout, /response phase +tag by policy:h-status@1/);
    t.notMatch(text + shown.stdout, 'someone@example.com');
  },
);

t.test('a denied run names the policy and the fact, and no text of the caller', async (t) => {
  const { run, text } = await explain(await send(secrets.HOC_KEY_APP, 'What is project-x of the canary?'));
  t.match(run, { status: 'blocked', verdict: 'deny', decided_by: 'policy:c-secret@1' });
  t.match(text, /c-secret v1: its condition held, so it says deny and owns the decision/);
  t.match(text, /true: request.user_text contains "project-x"/);
  t.match(text, /no change was made, since the verdict is deny/);
  t.notMatch(text, 'canary');
});

t.test('a stream that was cut is explained at the place where it was', async (t) => {
  const { run, text, phase } = await explain(await send(secrets.HOC_KEY_APP, 'Write a long story.', true));
  t.match(run, { status: 'truncated', verdict: 'deny', decided_by: 'policy:j-cut@1' });
  t.match(phase('stream'), { state: 'explained', context_holds: true, decision_holds: true });
  t.match(text, /true: stream.characters is more than 20 \(stream.characters is \d+ characters\)/);
  t.match(text, /j-cut v1: its condition held, so it says deny and owns the decision/);
});

t.test('a limit that refused is named with its reading; what could not be decided is told', async (t) => {
  await send(secrets.HOC_KEY_FEW, 'Hello');
  const second = await explain(await send(secrets.HOC_KEY_FEW, 'Hello'));
  t.match(second.phase('admit'), { verdict: 'warn', decided_by: 'policy:g-busy@1' });
  t.match(second.text, /f-open v1: its condition could not be decided, so it says allow/);
  t.match(second.text, /tags.team is missing/);
  const refused = await explain(await send(secrets.HOC_KEY_FEW, 'Hello'));
  t.match(refused.phase('reserve'), { state: 'no_policies', verdict: 'deny', decided_by: 'limit:few-rpm' });
  t.match(refused.text, /reserve at \S+: deny by limit:few-rpm: Blocked by limit few-rpm: 2 of 2 requests used/);
  t.match(refused.text, /ceiling is 2/);
  t.equal(refused.phase('request').state, 'explained');
});

t.test('a run that was refused before any decision is told by its stage', async (t) => {
  const { run, text } = await explain(await send('x'.repeat(40), 'Hello'));
  t.match(run, { tenant: null, refusal_code: 'key_invalid', phases: [{ phase: 'identify', state: 'no_policies' }] });
  t.match(text, /identify: deny/);
});

t.test('a run is explained by the policies that decided it, also after they have changed', async (t) => {
  const id = await send(secrets.HOC_KEY_APP, 'Hello');
  const before = await explain(id);
  const text = configuration('http://127.0.0.1:1', 32).replaceAll('small answers', 'smaller answers');
  const applied = await hoc.apply(text);
  t.equal(applied.code, 0, applied.stderr);
  const after = await explain(id);
  t.same(after.run, before.run);
  t.match(after.text, /small answers/);
});

t.test('the second opinion agrees on every recorded run, and each is decided again to the very digest', async (t) => {
  const asked = await hoc.hoc('policy', 'second-opinion', '--json');
  t.equal(asked.code, 0, asked.stdout + asked.stderr);
  const found = JSON.parse(asked.stdout) as SecondOpinionPage;
  t.equal(found.conditions.different, 0);
  t.ok(found.conditions.same > 20, asked.stdout);
  t.match(found.conditions.not_supported, {
    'json-logic-js has no operator during like ours': Number,
    'a fact is missing': Number,
  });
  t.same([found.decided_again.same, found.decided_again.different], [0, 0]);
  t.equal(found.decided_again.exact, found.decisions);
  t.same(found.decided_again.not_possible, {});
  t.equal(found.runs, (await hoc.exportRuns(() => true)).length);
  const text = await hoc.hoc('policy', 'second-opinion', '--since', '1h', '--limit', '2');
  t.match(text.stdout, /^2 runs, \d+ decisions of policies; stopped at --limit/);
  const other = await hoc.hoc('policy', 'second-opinion', '--tenant', 'nobody');
  t.match([other.code, other.stderr], [1, /There is no tenant `nobody`/]);
});

t.test('what is not on record ends with exit code 1 and says so', async (t) => {
  const none = await hoc.hoc('runs', 'explain', '01900000-0000-7000-8000-000000000000');
  t.equal(none.code, 1);
  t.match(none.stderr, /There is no run of that id/);
});
