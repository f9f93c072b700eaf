import { metrics } from '@keepsake/telemetry'

// What bounds the labels.
const services = 'the services'
const methods = 'the methods of the proto files'
const codes = 'the codes of gRPC'

/** Time from a request to its answer, by gRPC status. */
export const serverSeconds = metrics.declare({
  name: 'rpc_server_seconds',
  owner: 'rpc',
  kind: 'histogram',
  unit: 's',
  labels: { service: services, method: methods, code: codes },
  help: 'Time from a request to its answer, by gRPC status.',
})

/** Calls to other services that ended in an error, after all retries, by gRPC status. */
export const clientFailures = metrics.declare({
  name: 'rpc_client_failures_total',
  owner: 'rpc',
  kind: 'counter',
  unit: '1',
  labels: { service: services, method: methods, code: codes },
  help: 'Calls to other services that ended in an error, after all retries, by gRPC status.',
})

/** Calls to other services that were tried again, by the service that was called. */
export const clientRetries = metrics.declare({
  name: 'rpc_client_retries_total',
  owner: 'rpc',
  kind: 'counter',
  unit: '1',
  labels: { service: services, peer: 'the services of the proto files' },
  help: 'Calls to other services that were tried again, by the service that was called.',
})
