// Services log what they do; in a test run that is noise (KEEPSAKE_LOG_LEVEL=info shows it).
const { setLogLevel } = await import('@keepsake/telemetry/logger')
setLogLevel(process.env.KEEPSAKE_LOG_LEVEL ?? 'fatal')
