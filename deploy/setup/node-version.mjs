/**
 * Ends the process with one clear sentence when this Node is older than HOC's floor. Import it before anything else:
 * it uses nothing that an old Node lacks.
 */
export const nodeFloor = '20.19.0';

const wanted = nodeFloor.split('.').map(Number);
const found = process.versions.node.split('.').map(Number);
const older = found[0] < wanted[0] || (found[0] === wanted[0] && found[1] < wanted[1]);

if (older) {
  console.error(
    `HOC needs Node ${nodeFloor} or newer; this is ${process.versions.node} (${process.execPath}).\n` +
      'Install a newer one, for example from https://nodejs.org or with your version switcher, and run the command again.',
  );
  process.exit(1);
}
