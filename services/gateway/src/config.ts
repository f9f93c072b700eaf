import { flag, number, optionalText, secret, text } from '@keepsake/config'
import { z } from 'zod'

const peer = (name: string) => text({ help: `gRPC address of the ${name} service.`, default: '127.0.0.1:1' })

/** The options of the gateway. */
export const gatewayConfig = z.object({
  KEEPSAKE_HTTP_LISTEN: text({
    help: 'Where the public API and the web app listen, host:port.',
    default: '127.0.0.1:8080',
  }),
  KEEPSAKE_PUBLIC_URL: optionalText({ help: 'The address that people use; goes into links. Default: relative links.' }),
  KEEPSAKE_TLS_CERT: optionalText({ help: 'PEM file with the certificate chain; with it the gateway speaks HTTPS.' }),
  KEEPSAKE_TLS_KEY: optionalText({ help: 'PEM file with the private key of the certificate.' }),
  KEEPSAKE_TRUST_PROXY: flag({
    help: 'Believe X-Forwarded-For and X-Forwarded-Proto of the proxy in front.',
    default: false,
  }),
  KEEPSAKE_OBJECTS_URL_KEY: secret({ help: 'Secret of signed media URLs, the same in every replica.' }),
  KEEPSAKE_MAX_UPLOAD_BYTES: number({
    help: 'Largest file that may be uploaded.',
    unit: 'bytes',
    default: 64 * 1024 ** 3,
    min: 1,
    max: 1024 ** 4,
  }),
  KEEPSAKE_UPLOAD_PART_BYTES: number({
    help: 'A body that is still arriving is kept in parts of this size: what a gateway that dies can lose.',
    unit: 'bytes',
    default: 32 * 1024 ** 2,
    min: 64 * 1024,
    max: 1024 ** 3,
  }),
  KEEPSAKE_RATE_PER_ADDRESS: number({
    help: 'Requests a second that one remote address may make; ten seconds’ worth may come at once. 0: no limit.',
    unit: 'requests/s',
    default: 200,
    min: 0,
    max: 1_000_000,
  }),
  KEEPSAKE_RATE_PER_FAMILY: number({
    help: 'Requests a second that one family may make; ten seconds’ worth may come at once. 0: no limit.',
    unit: 'requests/s',
    default: 400,
    min: 0,
    max: 1_000_000,
  }),
  KEEPSAKE_RATE_SIGN_IN: number({
    help: 'Accounts and sessions that one remote address may ask for in a minute. 0: no limit.',
    unit: 'requests/min',
    default: 60,
    min: 0,
    max: 1_000_000,
  }),
  KEEPSAKE_FAMILY_ADDRESS: peer('family'),
  KEEPSAKE_ALBUM_ADDRESS: peer('album'),
  KEEPSAKE_INGEST_ADDRESS: peer('ingest'),
  KEEPSAKE_FACE_ADDRESS: peer('face'),
  KEEPSAKE_CLUSTER_ADDRESS: peer('cluster'),
  KEEPSAKE_RATING_ADDRESS: peer('rating'),
  KEEPSAKE_RENDER_ADDRESS: peer('render'),
})

/** The options as read. */
export type GatewayConfig = z.infer<typeof gatewayConfig>
