export { logger, nestLogger, setLogFile, setLogLevel, logLevels, type LogLevel } from './logger.js'
export { metrics, type Counter, type Gauge, type Histogram, type MetricDeclaration } from './metrics.js'
export { metricsText, startTelemetry, type Telemetry, type TelemetryOptions } from './start.js'
export { currentTrace, injectTrace, span, withTrace, type SpanAttributes, type SpanRole } from './trace.js'
