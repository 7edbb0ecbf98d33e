export { type ConnectOptions, connectRedis, type Redis } from './connection.ts';
export { readCounters } from './counters.ts';
export { readEpoch, writeEpochIfAbsent } from './epoch.ts';
export { createLease, type Lease } from './lease.ts';
export { createLiveWriter, readLive } from './live.ts';
export { createManifestChannel, type ManifestChannel } from './manifest-channel.ts';
export { createReservations, type Reservations, type ReservationsOptions } from './reservations.ts';
