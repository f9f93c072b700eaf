import { pathToFileURL } from 'node:url'
import path from 'node:path'
import { identityEnv, type IdentityKeys } from '@keepsake/rpc'
import { serviceNames, type ServiceName } from './services.js'

/** What the environments are made from. */
export interface Wiring {
  home: string
  identity: IdentityKeys
  objectsUrlKey: string
  /** Database address by service. */
  databases: Readonly<Record<string, string>>
  /** gRPC and internal port by service. */
  ports: Readonly<Record<ServiceName, { grpc: number; internal: number }>>
  /** Where the gateway serves people. */
  listen: { host: string; port: number }
  publicUrl: string
  tls?: { cert: string; key: string } | undefined
  logLevel: string
  /** Log file of this process; without it the services log to their standard output. */
  logFile?: string | undefined
  /** Variables of this process that services see too, see `inherited`. */
  inherited: Readonly<Record<string, string>>
  /** Further secrets that single services need. */
  key: (name: string) => string
}

/** What is handed on from the environment of `npm start`: where telemetry goes, and how the C library keeps memory. */
export function inherited(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const names = Object.keys(env).filter(name => /^(OTEL_|MALLOC_)/.test(name))
  return Object.fromEntries(names.map(name => [name, env[name] ?? '']))
}

/** The environment of every service: the same variables as in a cluster, with addresses of this machine. */
export function environments(wiring: Wiring): Record<ServiceName, Record<string, string>> {
  const { ports } = wiring
  const common = {
    ...wiring.inherited,
    ...Object.fromEntries(
      serviceNames.map(name => [`KEEPSAKE_${name.toUpperCase()}_ADDRESS`, `127.0.0.1:${ports[name].grpc}`]),
    ),
    KEEPSAKE_OBJECTS: pathToFileURL(path.join(wiring.home, 'objects')).href,
    KEEPSAKE_OBJECTS_URL_KEY: wiring.objectsUrlKey,
    KEEPSAKE_MODELS_DIR: path.join(wiring.home, 'models'),
    KEEPSAKE_PUBLIC_URL: wiring.publicUrl,
    KEEPSAKE_LOG_LEVEL: wiring.logLevel,
    ...(wiring.logFile && { KEEPSAKE_LOG_FILE: wiring.logFile }),
  }
  const own: Partial<Record<ServiceName, Record<string, string>>> = {
    gateway: {
      KEEPSAKE_HTTP_LISTEN: `${wiring.listen.host}:${wiring.listen.port}`,
      ...(wiring.tls && { KEEPSAKE_TLS_CERT: wiring.tls.cert, KEEPSAKE_TLS_KEY: wiring.tls.key }),
    },
    // The operator of a family's own machine may set its plan; elsewhere it takes an order.
    // It destroys the keys of backups when something is erased; nobody else needs them.
    family: {
      KEEPSAKE_PLAN_SETTABLE: 'true',
      KEEPSAKE_KEYS: pathToFileURL(path.join(wiring.home, 'keys')).href,
    },
  }
  const made: Record<string, Record<string, string>> = Object.fromEntries(
    serviceNames.map(name => [
      name,
      {
        ...common,
        ...identityEnv(wiring.identity, name),
        KEEPSAKE_GRPC_LISTEN: `127.0.0.1:${ports[name].grpc}`,
        KEEPSAKE_INTERNAL_LISTEN: `127.0.0.1:${ports[name].internal}`,
        ...(wiring.databases[name] && { KEEPSAKE_DATABASE_URL: wiring.databases[name] }),
        ...own[name],
      },
    ]),
  )
  return made as Record<ServiceName, Record<string, string>>
}
