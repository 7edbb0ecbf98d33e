import { join } from 'node:path';
import { type Finding, HocError } from '../../storage/schema/errors.ts';
import { type Addresses, chooseAddresses, type PublicPorts } from './addresses.ts';
import { type Alarm, serveAdmin } from './admin.ts';
import { type Engines, startEngines } from './engines.ts';
import { createFleet, type Fleet } from './fleet.ts';
import { type DataFolder, openDataFolder } from './folder.ts';
import { endLeftovers, openChildRecord } from './leftovers.ts';
import { rotateLogs } from './log-files.ts';
import { inheritedEnv } from './node-processes.ts';
import { isPortFree, type Listen, localUrl, waitUntilFree } from './ports.ts';
import { describeProcesses, describeSimulator, type Processes } from './processes.ts';
import { followProxies, waitForProxies } from './proxy-readiness.ts';
import { saveRunFile } from './run-file.ts';
import { makeToken, markFirstKeyShown, openSecrets, type Secrets } from './secrets.ts';
import { listenForStop, type StopRequest } from './stop-request.ts';

/** What a person or a script is told while HOC starts, runs and stops. */
export interface StartReport {
  ready(info: StartInfo): void;
  note(text: string): void;
  alarm(message: string, findings: readonly Finding[]): void;
}

export interface StartInfo {
  pid: number;
  proxy: string;
  /** All proxies, the first too. */
  proxies: readonly string[];
  console: string;
  admin: string;
  folder: string;
  /** The starter configuration's key; null unless this was its first start. */
  firstKey: string | null;
  tookMs: number;
}

export interface StartOptions extends PublicPorts {
  data: string;
  /** Configuration file; null takes `DIR/hoc.yaml`, which a first start writes. */
  config: string | null;
  env: NodeJS.ProcessEnv;
  report: StartReport;
}

/**
 * One-machine mode: runs every process of HOC under this one until asked to stop, and returns only when all are gone and
 * their ports are free. Throws HocError when it cannot start (`configuration_invalid` with findings for a bad file on a
 * first start, `conflict` for a folder or port in use) or when a child cannot be kept alive.
 */
export async function runStart(options: StartOptions): Promise<void> {
  const startedAt = performance.now();
  const folder = openDataFolder(options.data);
  const stop = listenForStop(options.env.HOC_PARENT_PIPE === '1');
  try {
    await superviseAll({ options, folder, stop, startedAt });
  } finally {
    stop.close();
    folder.release();
  }
}

interface Session {
  options: StartOptions;
  folder: DataFolder;
  stop: StopRequest;
  startedAt: number;
}

async function superviseAll(session: Session): Promise<void> {
  const { options, folder, stop } = session;
  const ended = await endLeftovers(folder.path);
  if (ended.length > 0) options.report.note(`Ended what an earlier start left running: ${ended.join(', ')}.`);
  rotateLogs(join(folder.path, 'logs'));
  const addresses = await chooseAddresses(folder.path, options, options.env);
  const alarms: RaisedAlarm[] = [];
  let started = false;
  const fleet = createFleet({
    logs: join(folder.path, 'logs'),
    record: openChildRecord(folder.path),
    onFatal: (cause) => stop.request({ kind: 'fatal', cause }),
    onRestart: (name, why) => options.report.note(`${name} ended (${why}); starting it again.`),
  });
  stop.onForce(() => fleet.force());
  const admin = await serveAdmin(addresses.admin, {
    children: fleet.children,
    started: () => started,
    alarms: () => alarms.filter((alarm) => alarm.stands()).map(({ message, findings }) => ({ message, findings })),
  });
  const starting = startEverything(session, { addresses, fleet, alarms }).then((announce) => {
    started = true;
    if (!stop.isRequested()) announce();
  });
  try {
    await Promise.race([starting, stop.requested]);
    const reason = await stop.requested;
    if (reason.kind === 'asked')
      options.report.note('Stopping; open streams may end first. Ask again to stop at once.');
    if (reason.kind === 'fatal') throw new HocError({ code: 'engine_unavailable', publicMessage: reason.cause });
  } finally {
    // The proxy lets its streams end, the shipper empties the spool, then nobody needs the rest.
    await fleet.stop(['proxy', 'shipper', 'control', 'simulator']);
    // Whatever an unfinished start ran into by now is a consequence of the stop.
    await starting.catch(() => undefined);
    await new Promise((resolve) => {
      admin.close(resolve);
      admin.closeAllConnections();
    });
    const { proxy, moreProxies, console: console_, admin: admin_ } = addresses;
    const busy = await waitUntilFree([proxy, ...moreProxies, console_, admin_], 10_000);
    for (const listen of busy) options.report.note(`Port ${listen.port} is still in use by something else.`);
  }
}

/** An alarm about a file stands for as long as the file is what was refused. */
interface RaisedAlarm extends Alarm {
  stands(): boolean;
}

interface Parts {
  addresses: Addresses;
  fleet: Fleet;
  alarms: RaisedAlarm[];
}

/** Starts everything and returns what announces it to whoever started us. */
async function startEverything(session: Session, parts: Parts): Promise<() => void> {
  const { options, folder } = session;
  const { addresses, fleet } = parts;
  const secrets = openSecrets(folder.path);
  const engineEnv = inheritedEnv(options.env, []);
  const engines = startEngines({ folder: folder.path, fleet, addresses, secrets, env: engineEnv, given: options.env });
  // Loaded while the engines start: the contract's schemas take a quarter of a second.
  const { isAsRead, openConfiguration, putInForce } = await import('./configuration.ts');
  const { firstKey, nodeToken } = secrets;
  const configuration = openConfiguration({
    ...options,
    folder: folder.path,
    simulator: addresses.simulator,
    firstKey,
  });
  const inherited = inheritedEnv(options.env, configuration.secretNames);
  const simulated = startSimulator(folder.path, configuration.simulator, { fleet, inherited });
  // It is awaited further down; a start that fails before that has its own cause to tell.
  simulated.catch(() => undefined);
  const bootstrapToken = makeToken('hocboot');
  const { urls } = engines;
  const settings = { folder: folder.path, addresses, urls, secrets, bootstrapToken, inherited };
  await startProcesses(fleet, engines, describeProcesses(settings));
  const consoleUrl = localUrl(addresses.console);
  const applied = await putInForce({ consoleUrl, bootstrapToken, nodeToken, configuration }).catch((error: unknown) => {
    throw explainFirst(error, folder.path);
  });
  if (applied.kind === 'last-good')
    raiseAlarm(session, parts, { refusal: applied.refusal, stands: () => isAsRead(configuration) });
  const sequence = applied.kind === 'applied' ? applied.sequence : null;
  const [behind] = await Promise.all([waitForProxies(fleet, sequence, session.stop.isRequested), simulated]);
  if (behind !== null && sequence !== null) raiseBehind(session, parts, { behind, sequence });
  saveRunFile(folder.path, { addresses, engines, secrets });
  return () => announce(session, parts, secrets);
}

function announce({ options, folder, startedAt }: Session, { addresses }: Parts, secrets: Secrets): void {
  const firstKey = options.config === null && !secrets.firstKeyShown ? secrets.firstKey : null;
  options.report.ready({
    pid: process.pid,
    proxy: localUrl(addresses.proxy),
    proxies: [addresses.proxy, ...addresses.moreProxies].map(localUrl),
    console: localUrl(addresses.console),
    admin: localUrl(addresses.admin),
    folder: folder.path,
    firstKey,
    tookMs: performance.now() - startedAt,
  });
  if (firstKey !== null) markFirstKeyShown(folder.path, secrets);
}

async function startSimulator(
  folder: string,
  listen: Listen | null,
  { fleet, inherited }: { fleet: Fleet; inherited: Record<string, string> },
): Promise<void> {
  // Somebody else's simulator may stand there already.
  if (listen !== null && (await isPortFree(listen))) await fleet.start(describeSimulator(folder, listen, inherited));
}

/**
 * All load their code while the engines start, and run as soon as what they need is there: the proxy waits for control by
 * itself, control and shipper for migrated stores.
 */
async function startProcesses(fleet: Fleet, engines: Engines, processes: Processes): Promise<void> {
  const migrated = fleet.runOnce('migrate', processes.migrate, engines.stores);
  const prepared = Promise.all([migrated, engines.all]);
  const control = fleet.start(processes.control(prepared));
  const proxies = engines.redis.then(() => Promise.all(processes.proxies.map((proxy) => fleet.start(proxy))));
  const shippers = processes.shippers(prepared).map((shipper) => fleet.start(shipper));
  await Promise.all([prepared, control, proxies, ...shippers]);
}

function raiseAlarm(
  { options }: Session,
  { alarms }: Parts,
  { refusal, stands }: { refusal: HocError; stands: () => boolean },
): void {
  const message = `The configuration was not applied; the last good one stays in force. ${refusal.publicMessage}`;
  alarms.push({ message, findings: refusal.findings, stands });
  options.report.alarm(message, refusal.findings);
}

/** What control publishes is not what a proxy decides by: it cannot take it, and stays with its last good. */
function raiseBehind(session: Session, parts: Parts, { behind, sequence }: { behind: string; sequence: number }): void {
  const publicMessage = `${behind} cannot take manifest ${sequence}; ${join(session.folder.path, `logs/${behind}.log`)} says why.`;
  let stands = true;
  void followProxies(parts.fleet, sequence, session.stop.isRequested).then(() => {
    stands = false;
  });
  const refusal = new HocError({ code: 'configuration_invalid', publicMessage });
  raiseAlarm(session, parts, { refusal, stands: () => stands });
}

/** On a first start nothing is in force yet, so the file has to be right; a failure of control's own is in its log. */
function explainFirst(error: unknown, folder: string): unknown {
  if (!(error instanceof HocError) || error.findings.length > 0) return error;
  const publicMessage = `The configuration could not be applied: ${error.publicMessage}. See ${join(folder, 'logs/control.log')}.`;
  return new HocError({ code: error.code, publicMessage, cause: error });
}
