import type { FastifyReply, FastifyRequest } from 'fastify'
import { errors } from './errors.js'

const name = 'keepsake_refresh'
const maxAgeSeconds = 400 * 24 * 3600 // browsers keep no cookie longer; the session itself ends earlier

/** Whether the request comes from the web app, which keeps its refresh token in a cookie that no script can read. */
export const isWebApp = (request: FastifyRequest): boolean => request.headers['keepsake-client'] === 'web'

/** The refresh token in the cookie. Throws CROSS_SITE_REQUEST where another site's page sent it. */
export function refreshCookie(request: FastifyRequest): string | undefined {
  if (!isWebApp(request)) return undefined
  // Belt and braces over SameSite=Strict: a page elsewhere cannot set our header without asking, nor lie about its origin.
  const { origin, host } = request.headers
  // A sandboxed page or a redirect between sites says `null`, which is no URL: not ours either.
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host)) throw errors.crossSite()
  const pair = (request.headers.cookie ?? '').split(/; */).find(each => each.startsWith(`${name}=`))
  return pair?.slice(name.length + 1)
}

/** Gives the web app its refresh token, or takes it away with undefined. */
export function setRefreshCookie(request: FastifyRequest, reply: FastifyReply, token: string | undefined): void {
  const attributes = [
    `${name}=${token ?? ''}`,
    'Path=/v1/sessions',
    'HttpOnly',
    'SameSite=Strict',
    `Max-Age=${token === undefined ? 0 : maxAgeSeconds}`,
    ...(request.protocol === 'https' ? ['Secure'] : []),
  ]
  void reply.header('set-cookie', attributes.join('; '))
}
