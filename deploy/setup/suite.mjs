import t from 'tap';

/**
 * Runs the test files given as arguments with tap, two at a time, each in a process of its own, and writes TAP.
 *
 * tap's own command line puts a module loader into every process that a test starts (for coverage), which more than
 * doubles the time of tests that start processes; started from here, without NODE_OPTIONS, they run as in production.
 */
const fileTimeoutMs = 240_000;

t.jobs = 2;
t.setTimeout(0);
for (const file of process.argv.slice(2)) {
  t.spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, file], { buffered: true, timeout: fileTimeoutMs }, file);
}
