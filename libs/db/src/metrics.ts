import { metrics } from '@keepsake/telemetry'

const pools = 'the roles'

/** Time until a transaction had its connection, waiting for a server that is away counted. */
export const poolWaitSeconds = metrics.declare({
  name: 'db_pool_wait_seconds',
  owner: 'db',
  kind: 'histogram',
  unit: 's',
  labels: { pool: pools },
  help: 'Time until a transaction had its connection, waiting for a server that is away counted.',
})

/** Time of a transaction from its begin to its end. */
export const transactionSeconds = metrics.declare({
  name: 'db_transaction_seconds',
  owner: 'db',
  kind: 'histogram',
  unit: 's',
  labels: { pool: pools, outcome: ['committed', 'rolled_back'] },
  help: 'Time of a transaction from its begin to its end.',
})

/** Open connections of a pool. */
export const poolConnections = metrics.declare({
  name: 'db_pool_connections',
  owner: 'db',
  kind: 'gauge',
  unit: '{connection}',
  labels: { pool: pools, state: ['busy', 'idle'] },
  help: 'Open connections of a pool.',
})

/** Transactions that wait for a connection. */
export const poolWaiting = metrics.declare({
  name: 'db_pool_waiting',
  owner: 'db',
  kind: 'gauge',
  unit: '{transaction}',
  labels: { pool: pools },
  help: 'Transactions that wait for a connection.',
})
