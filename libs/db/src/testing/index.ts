export { startTestServer, type TestServer } from './embedded-postgres.js'
export { serverVariable, testDatabase, type TestDatabase, type TestSchema } from './test-database.js'
