// Services log what they do; in a test run only what went wrong is of interest (KEEPSAKE_LOG_LEVEL=info shows all).
const { setLogLevel } = await import('@keepsake/telemetry/logger')
setLogLevel(process.env.KEEPSAKE_LOG_LEVEL ?? 'error')
