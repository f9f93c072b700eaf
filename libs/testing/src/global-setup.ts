import { serverVariable, startTestServer } from '@keepsake/db/testing/index'

/** Vitest's global setup: one Postgres server for the whole run, named to the workers by an environment variable. */
export async function setup(): Promise<() => Promise<void>> {
  if (process.env[serverVariable] !== undefined) return async () => undefined
  const server = await startTestServer()
  process.env[serverVariable] = server.adminUrl
  return async () => {
    Reflect.deleteProperty(process.env, serverVariable)
    await server.close()
  }
}
