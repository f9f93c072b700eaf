export { startTestServer, type TestServer, type TestServerOptions } from './embedded-postgres.js'
export { serverVariable, testDatabase, type TestDatabase, type TestSchema } from './test-database.js'
