import type { Socket } from 'node:net';

/**
 * Breaks a connection with RST. One that is just being ended is reset once its FIN is out: in between, the kernel's handle
 * refuses to be reset (EINVAL), Node takes it for closed all the same, and the process can never end.
 */
export function resetSocket(socket: Socket): void {
  const isShuttingDown = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (isShuttingDown && !socket.destroyed) socket.once('finish', () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}
