export { type LaunchedFront, launchFront } from './test-launch.ts';
