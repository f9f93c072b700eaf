import { writeFileSync } from 'node:fs'
import { apiEndpoints } from './api.js'
import type { LiveEvents } from './live-events.js'
import { openApiDocument } from './openapi.js'

// Writes the committed snapshot of the public API: node services/gateway/dist/write-openapi.js
const document = openApiDocument(apiEndpoints(undefined as unknown as LiveEvents))
writeFileSync(new URL('../openapi.json', import.meta.url), `${JSON.stringify(document, null, 2)}\n`)
