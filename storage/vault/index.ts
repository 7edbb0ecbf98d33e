export { openSecret, readMasterKey, sealSecret } from './envelope.ts';
export { createNodeKey, type NodeKey, openAtNode, readNodePublicKey, sealToNode } from './node-key.ts';
