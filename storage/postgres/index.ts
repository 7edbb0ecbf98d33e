export { type ControlDatabase, connectPostgres } from './connect.ts';
export { migratePostgres, readPendingMigrations, withMigrationLock } from './migrations.ts';
export { type ControlStatements, type ControlStore, createControlStore } from './store.ts';
