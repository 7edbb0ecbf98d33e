import type { OpenReservation } from '../../storage/schema/reservation.ts';

/** What this proxy's runs under way have reserved, so that it can be counted again after Redis lost its counters. */
export interface OpenReservations {
  /** Notes what a run holds now, in place of what it held. */
  put(tenant: string, reservation: OpenReservation): void;
  /** The run stands on record with what it came to. */
  drop(runId: string): void;
  list(tenant: string): readonly OpenReservation[];
}

/** Keeps the open reservations of all tenants in memory: as many as there are open runs under limits. */
export function createOpenReservations(): OpenReservations {
  const open = new Map<string, { tenant: string; reservation: OpenReservation }>();
  return {
    put: (tenant, reservation) => void open.set(reservation.runId, { tenant, reservation }),
    drop: (runId) => void open.delete(runId),
    list: (tenant) => [...open.values()].flatMap((entry) => (entry.tenant === tenant ? [entry.reservation] : [])),
  };
}
