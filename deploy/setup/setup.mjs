import './node-version.mjs';
import { buildIfStale } from './build.mjs';
import { installDebianPackages } from './debian.mjs';
import { installPackages, installSecondNode } from './install.mjs';
import { fail } from './project.mjs';

/**
 * Makes this checkout ready for `npm start`, `npm test` or `npm run bench`: packages, Debian packages, build. Each step
 * does nothing when its result is there already, so a second run takes a fraction of a second.
 */
const mode = process.argv[2];
if (mode !== 'start' && mode !== 'test' && mode !== 'bench')
  fail('usage: node deploy/setup/setup.mjs start|test|bench');

installDebianPackages(mode);
installPackages();
if (mode === 'test') installSecondNode();
buildIfStale();
