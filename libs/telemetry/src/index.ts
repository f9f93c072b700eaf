export { logger, nestLogger, logToStandardError, setLogFile, setLogLevel, logLevels, type LogLevel } from './logger.js'
export {
  declaredMetrics,
  metrics,
  type Counter,
  type Gauge,
  type Histogram,
  type LabelSchema,
  type Labels,
  type MetricDeclaration,
} from './metrics.js'
export { metricsTable, metricsText } from './metrics-text.js'
export { startTelemetry, type Telemetry, type TelemetryOptions } from './start.js'
export {
  currentFamily,
  currentTrace,
  injectTrace,
  keepPlace,
  setFamily,
  span,
  traceparent,
  withFamily,
  withTrace,
  type Span,
  type SpanAttributes,
  type SpanRole,
} from './trace.js'
