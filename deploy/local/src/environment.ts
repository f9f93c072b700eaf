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
  /** How each service is reached over gRPC. */
  addresses: Readonly<Record<ServiceName, string>>
  /** Where events and objects are, see Platform. */
  platform: Readonly<Record<string, string>>
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

/**
 * What is handed on from the environment of `npm start`: where telemetry goes, how the C library keeps memory, what looks for faces, and where models are computed with
 * what the drivers of a GPU read.
 */
export function inherited(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const handedOn =
    /^(OTEL_|MALLOC_|CUDA_|NVIDIA_|VK_)|^(LD_LIBRARY_PATH|KEEPSAKE_INFERENCE_PROVIDER|KEEPSAKE_FACE_DETECTOR)$/
  const names = Object.keys(env).filter(name => handedOn.test(name))
  return Object.fromEntries(names.map(name => [name, env[name] ?? '']))
}

/** Where one process of a service listens, on the loopback but for people. */
export interface Place {
  grpc: number
  internal: number
  /** host:port for people; the gateway's. */
  http?: string | undefined
}

/** The environment of a service: the same variables as in a cluster, with addresses of this machine. */
export function environmentOf(wiring: Wiring, name: ServiceName, place: Place): Record<string, string> {
  const own: Partial<Record<ServiceName, Record<string, string>>> = {
    gateway: {
      ...(place.http && { KEEPSAKE_HTTP_LISTEN: place.http }),
      ...(wiring.tls && { KEEPSAKE_TLS_CERT: wiring.tls.cert, KEEPSAKE_TLS_KEY: wiring.tls.key }),
    },
    // The operator of a family's own machine may set its plan; elsewhere it takes an order.
    // It destroys the keys of backups when something is erased; nobody else needs them.
    family: {
      KEEPSAKE_PLAN_SETTABLE: 'true',
      KEEPSAKE_KEYS: pathToFileURL(path.join(wiring.home, 'keys')).href,
    },
  }
  return {
    ...wiring.inherited,
    ...Object.fromEntries(serviceNames.map(peer => [`KEEPSAKE_${peer.toUpperCase()}_ADDRESS`, wiring.addresses[peer]])),
    ...wiring.platform,
    KEEPSAKE_OBJECTS_URL_KEY: wiring.objectsUrlKey,
    KEEPSAKE_MODELS_DIR: path.join(wiring.home, 'models'),
    KEEPSAKE_PUBLIC_URL: wiring.publicUrl,
    KEEPSAKE_LOG_LEVEL: wiring.logLevel,
    ...(wiring.logFile && { KEEPSAKE_LOG_FILE: wiring.logFile }),
    ...identityEnv(wiring.identity, name),
    KEEPSAKE_GRPC_LISTEN: `127.0.0.1:${place.grpc}`,
    KEEPSAKE_INTERNAL_LISTEN: `127.0.0.1:${place.internal}`,
    ...(wiring.databases[name] && { KEEPSAKE_DATABASE_URL: wiring.databases[name] }),
    ...own[name],
  }
}
