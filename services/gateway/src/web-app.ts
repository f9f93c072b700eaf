import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fastifyCompress from '@fastify/compress'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'
import { errors } from './errors.js'

const dist = fileURLToPath(new URL('../web/dist/', import.meta.url))

/**
 * Serves the built web app: files with a hash in their name for ever, everything else fresh, and index.html for every path
 * that is the app's own. Without a build there is only the API.
 */
export async function registerWebApp(server: FastifyInstance, root = dist): Promise<void> {
  const built = existsSync(`${root}/index.html`)
  // Only the app's own files: an answer that holds secrets beside what a stranger chose must not be compressed (BREACH).
  await server.register(fastifyCompress, { global: false })
  if (built)
    await server.register(fastifyStatic, {
      root,
      wildcard: false,
      serve: false,
      cacheControl: false,
    })
  server.route({
    method: ['GET', 'HEAD'],
    url: '/*',
    compress: { threshold: 1024 },
    handler: (request, reply) => {
      const path = pathOf(request.url)
      if (!built || path === undefined || path.startsWith('/v1/')) throw errors.notFound()
      // Only what a build makes has a dot: /assets/index-a1b2c3.js. The app's own paths have none.
      const isFile = /\.[a-z0-9]+$/i.test(path)
      if (!isFile) return reply.header('cache-control', 'no-cache').sendFile('index.html')
      const lasting = path.startsWith('/assets/')
      void reply.header('cache-control', lasting ? 'public, max-age=31536000, immutable' : 'no-cache')
      return reply.sendFile(path.slice(1))
    },
  })
}

/** The path that a request means, decoded; undefined for one that is none or leads out of the folder. */
function pathOf(url: string): string | undefined {
  try {
    const path = decodeURIComponent(url.replace(/[?#].*$/s, ''))
    return /\0|\\|(^|\/)\.\.(\/|$)/.test(path) ? undefined : path
  } catch {
    return undefined
  }
}
