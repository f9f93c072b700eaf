import { z } from 'zod'
import { bearerOf } from './authentication.js'
import { isWebApp, refreshCookie, setRefreshCookie } from './cookies.js'
import { endpoint, type AnyEndpoint } from './endpoint.js'
import { errors } from './errors.js'
import { networkOf } from './rate-limit.js'
import { listOf, present, wholeList } from './list.js'
import { instant } from './times.js'
import type { Tokens as TokensMessage } from '@keepsake/proto/family/v1'
import type { FastifyReply, FastifyRequest } from 'fastify'

const account = z.object({ id: z.string(), email: z.string(), name: z.string() }).meta({ id: 'Account' })
const tokens = z
  .object({ accessToken: z.string(), expiresAt: instant, refreshToken: z.string().optional() })
  .meta({ id: 'Tokens', description: 'The web app gets its refresh token in a cookie instead.' })
const apiKey = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.string()),
    createdAt: instant,
    expiresAt: instant.optional(),
  })
  .meta({ id: 'ApiKey' })

/** Tokens as the client may have them: the web app's refresh token goes into its cookie. */
function give(request: FastifyRequest, reply: FastifyReply, given: TokensMessage | undefined) {
  const { accessToken = '', refreshToken = '', expiresAt } = given ?? {}
  const body = { accessToken, expiresAt: (expiresAt ?? new Date(0)).toISOString() }
  if (!isWebApp(request)) return { ...body, refreshToken }
  setRefreshCookie(request, reply, refreshToken)
  return body
}

const password = z.string().max(1000)
const credentials = { email: z.string().max(254), password }

/** Accounts, sessions and API keys. */
export const accountEndpoints: readonly AnyEndpoint[] = [
  endpoint({
    method: 'POST',
    path: '/v1/accounts',
    id: 'createAccount',
    summary: 'Makes an account and signs it in.',
    access: 'public',
    body: z.object({ ...credentials, name: z.string().max(100) }),
    answer: tokens.extend({ account }),
    status: 201,
    codes: ['EMAIL_TAKEN', 'EMAIL_INVALID', 'PASSWORD_WEAK'],
    async handle({ body, edge, request, reply, as }) {
      const made = await edge.clients.family.createAccount(body, await as())
      if (made.account === undefined) throw errors.notFound()
      return { account: made.account, ...give(request, reply, made.tokens) }
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/accounts/me',
    id: 'getAccount',
    summary: 'The account that asks.',
    answer: account,
    async handle({ edge, as }) {
      const { account: found } = await edge.clients.family.getAccount({}, await as())
      if (found === undefined) throw errors.notFound()
      return found
    },
  }),
  endpoint({
    method: 'PUT',
    path: '/v1/accounts/me/password',
    id: 'changePassword',
    summary: 'Sets another password. Every sign-in of the account ends; the answer is a new one.',
    scope: 'admin',
    body: z.object({ currentPassword: password, newPassword: password }),
    answer: tokens,
    codes: ['PASSWORD_WRONG', 'PASSWORD_WEAK', 'SESSION_REQUIRED', 'TOO_MANY_ATTEMPTS'],
    async handle({ body, edge, request, reply, as }) {
      const changed = await edge.clients.family.changePassword(body, await as())
      return give(request, reply, changed.tokens)
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/sessions',
    id: 'createSession',
    summary: 'Signs in.',
    access: 'public',
    body: z.object(credentials),
    answer: tokens,
    status: 201,
    codes: ['WRONG_CREDENTIALS', 'TOO_MANY_ATTEMPTS'],
    async handle({ body, edge, request, reply, as }) {
      const opened = await edge.clients.family.createSession(
        { ...body, remoteAddress: networkOf(request.ip) },
        await as(),
      )
      return give(request, reply, opened.tokens)
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/sessions/refresh',
    id: 'refreshSession',
    summary: 'Exchanges a refresh token, which works once, for new tokens.',
    access: 'public',
    body: z.object({ refreshToken: z.string().max(500).optional() }).optional(),
    answer: tokens,
    status: 201,
    codes: ['TOKEN_INVALID', 'REFRESH_REUSED'],
    async handle({ body, edge, request, reply, as }) {
      const refreshToken = body?.refreshToken ?? refreshCookie(request)
      if (refreshToken === undefined || refreshToken === '') throw errors.unauthenticated()
      try {
        const renewed = await edge.clients.family.refreshSession({ refreshToken }, await as())
        return give(request, reply, renewed.tokens)
      } catch (error) {
        if (isWebApp(request)) setRefreshCookie(request, reply, undefined)
        throw error
      }
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/v1/sessions/current',
    id: 'deleteSession',
    summary: 'Signs out: access and refresh token stop at once.',
    access: 'public',
    async handle({ edge, request, reply, as }) {
      const accessToken = bearerOf(request)
      if (accessToken === undefined) throw errors.unauthenticated()
      await edge.clients.family.deleteSession({ accessToken }, await as())
      if (isWebApp(request)) setRefreshCookie(request, reply, undefined)
    },
  }),
  endpoint({
    method: 'GET',
    path: '/v1/api-keys',
    id: 'listApiKeys',
    summary: 'The account’s API keys, without their secrets.',
    scope: 'admin',
    answer: listOf(apiKey),
    async handle({ edge, as }) {
      const { apiKeys } = await edge.clients.family.listApiKeys({}, await as())
      return wholeList(apiKeys.map(shownKey))
    },
  }),
  endpoint({
    method: 'POST',
    path: '/v1/api-keys',
    id: 'createApiKey',
    summary: 'Makes an API key; the key itself is shown once.',
    scope: 'admin',
    body: z.object({
      name: z.string().max(100),
      scopes: z.array(z.enum(['read', 'write', 'admin'])).min(1),
      expiresAt: instant.optional(),
    }),
    answer: apiKey.extend({ key: z.string() }),
    status: 201,
    async handle({ body, edge, as }) {
      const expiresAt = body.expiresAt === undefined ? undefined : new Date(body.expiresAt)
      const made = await edge.clients.family.createApiKey({ ...body, expiresAt }, await as())
      if (made.apiKey === undefined) throw errors.notFound()
      return { ...shownKey(made.apiKey), key: made.secret }
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/v1/api-keys/{keyId}',
    id: 'deleteApiKey',
    summary: 'Removes an API key; it stops at once.',
    scope: 'admin',
    codes: ['API_KEY_NOT_FOUND'],
    async handle({ params, edge, as }) {
      await edge.clients.family.deleteApiKey({ id: params.keyId }, await as())
    },
  }),
]

const shownKey = (key: {
  id: string
  name: string
  scopes: string[]
  createdAt?: Date | undefined
  expiresAt?: Date | undefined
}) =>
  present({
    id: key.id,
    name: key.name,
    scopes: key.scopes,
    createdAt: (key.createdAt ?? new Date(0)).toISOString(),
    expiresAt: key.expiresAt?.toISOString(),
  })
