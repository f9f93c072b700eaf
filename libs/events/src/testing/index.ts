export { contractSchema, eventLogContract, type EventLogHarness } from './event-log-contract.js'
