import { z } from 'zod'
import { accessOf, scopeOf, statusOf, type AnyEndpoint } from './endpoint.js'

type Json = Record<string, unknown>

/** Codes that every operation may answer, with its HTTP statuses. */
const commonStatuses: Record<string, string> = {
  '400': 'The request is not valid (INVALID_REQUEST, INVALID_VALUE).',
  '401': 'Without a valid token.',
  '404': 'Not there, or not for the caller to see.',
  '429': 'Too many requests (RATE_LIMITED); Retry-After says when to come back.',
  '503': 'A part of Keepsake is away; Retry-After says when to come back.',
}

const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().meta({ description: 'Stable; for programs.' }),
    retryable: z.boolean(),
    details: z.record(z.string(), z.string()).optional(),
    traceId: z.string().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457.' })

/** The OpenAPI 3.1 document of the public API, made from the endpoints' own declarations. */
export function openApiDocument(endpoints: readonly AnyEndpoint[]): Json {
  const schemas: Record<string, unknown> = {}
  const schema = (type: z.ZodType, io: 'input' | 'output'): unknown => {
    const {
      $schema: _,
      $defs = {},
      ...own
    } = z.toJSONSchema(type, { io, unrepresentable: 'any' }) as Json & {
      $defs?: Record<string, unknown>
    }
    // A schema that is itself named comes back whole, or as a pointer to its definition: keep it once and point to it.
    const { id } = (type.meta() ?? {}) as { id?: string }
    for (const [name, each] of Object.entries($defs)) schemas[name] = relocated(strip(each))
    if (id === undefined) return relocated(strip(own))
    if (own['$ref'] === undefined) schemas[id] = relocated(strip(own))
    return { $ref: `#/components/schemas/${id}` }
  }
  const problemRef = schema(problem, 'output')
  const paths: Record<string, Record<string, unknown>> = {}
  for (const e of endpoints) {
    const names = [...e.path.matchAll(/\{(\w+)\}/g)].map(match => match[1] ?? '')
    const query =
      e.query === undefined ? undefined : (schema(e.query, 'input') as { properties?: Json; required?: string[] })
    const status = String(statusOf(e))
    const good: Json = { description: status === '302' ? 'Redirect to a signed URL.' : 'Done.' }
    if (e.answer !== undefined) good['content'] = { 'application/json': { schema: schema(e.answer, 'output') } }
    else if (e.produces !== undefined)
      good['content'] = Object.fromEntries(e.produces.map(type => [type, { schema: { type: 'string' } }]))
    const operation: Json = {
      operationId: e.id,
      summary: e.summary,
      tags: [tagOf(e.path)],
      ...(accessOf(e) === 'public' && { security: [] }),
      ...(accessOf(e) !== 'public' && { 'x-scope': scopeOf(e) }),
      ...(e.codes !== undefined && { 'x-codes': [...e.codes] }),
      parameters: [
        ...names.map(name => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
        ...Object.entries(query?.properties ?? {}).map(([name, each]) => ({
          name,
          in: 'query',
          required: query?.required?.includes(name) ?? false,
          schema: each,
        })),
        ...(e.method === 'GET'
          ? []
          : [{ name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string', maxLength: 200 } }]),
      ],
      ...(e.body !== undefined && {
        requestBody: {
          required: !e.body.safeParse(undefined).success,
          content: { 'application/json': { schema: schema(e.body, 'input') } },
        },
      }),
      responses: {
        [status]: good,
        ...Object.fromEntries(
          Object.keys(commonStatuses).map(code => [code, { $ref: `#/components/responses/${code}` }]),
        ),
      },
    }
    paths[e.path] = { ...paths[e.path], [e.method.toLowerCase()]: operation }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Keepsake',
      version: '1',
      description:
        'A private family album. Errors are RFC 9457 problems with a stable `code`; lists are `{items, nextCursor}`; ' +
        'every mutating call takes an Idempotency-Key; what the caller may not see answers 404.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ bearer: [] }],
    paths: { ...paths, ...uploadPaths },
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An access token, or an API key.' },
      },
      responses: Object.fromEntries(
        Object.entries(commonStatuses).map(([code, description]) => [
          code,
          { description, content: { 'application/problem+json': { schema: problemRef } } },
        ]),
      ),
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  }
}

const tagOf = (path: string) => /^\/v1\/(?:families\/\{familyId\}\/)?([a-z-]+)/.exec(path)?.[1] ?? 'families'

/** JSON Schema's own names for our components; zod's definitions point into $defs. */
function relocated(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/')) as unknown
}

/** Leaves out what is true of every object here and zod's patterns that repeat a format. */
function strip(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strip)
  if (typeof value !== 'object' || value === null) return value
  const object = value as Json
  return Object.fromEntries(
    Object.entries(object)
      .filter(
        ([key, each]) =>
          !(key === 'id' && typeof each === 'string') &&
          !(key === 'additionalProperties' && each === false) &&
          !(key === 'pattern' && 'format' in object) &&
          !((key === 'minimum' || key === 'maximum') && Math.abs(Number(each)) === Number.MAX_SAFE_INTEGER),
      )
      .map(([key, each]) => [key, strip(each)]),
  )
}

const header = (name: string, required = true) => ({ name, in: 'header', required, schema: { type: 'string' } })
const param = (name: string) => ({ name, in: 'path', required: true, schema: { type: 'string' } })
const tus = header('Tus-Resumable')

/** Uploads speak tus 1.0.0 (https://tus.io/protocols/resumable-upload); headers and no bodies of JSON. */
const uploadPaths = {
  '/v1/families/{familyId}/uploads': {
    post: {
      operationId: 'createUpload',
      summary:
        'Opens a resumable upload (tus creation, creation-with-upload). Metadata: filename, filetype, lastModified, audience, ' +
        'relativePath, sha256, importId, collections.',
      tags: ['uploads'],
      parameters: [param('familyId'), tus, header('Upload-Length'), header('Upload-Metadata', false)],
      responses: { '201': { description: 'Location names the upload.' } },
    },
  },
  '/v1/families/{familyId}/uploads/{uploadId}': {
    head: {
      operationId: 'getUpload',
      summary: 'How many bytes are here; a finished upload names its item.',
      tags: ['uploads'],
      parameters: [param('familyId'), param('uploadId'), tus],
      responses: { '200': { description: 'Upload-Offset, Upload-Length, Keepsake-Media-Id, Keepsake-Duplicate.' } },
    },
    patch: {
      operationId: 'writeUpload',
      summary:
        'Adds bytes at the offset; the last ones are answered with Keepsake-Media-Id (and Keepsake-Duplicate: true).',
      tags: ['uploads'],
      parameters: [
        param('familyId'),
        param('uploadId'),
        tus,
        header('Upload-Offset'),
        header('Upload-Checksum', false),
      ],
      requestBody: {
        required: true,
        content: { 'application/offset+octet-stream': { schema: { type: 'string', format: 'binary' } } },
      },
      responses: { '204': { description: 'Upload-Offset, Upload-Expires.' } },
    },
    delete: {
      operationId: 'deleteUpload',
      summary: 'Gives the upload up.',
      tags: ['uploads'],
      parameters: [param('familyId'), param('uploadId'), tus],
      responses: { '204': { description: 'Gone.' } },
    },
  },
}
