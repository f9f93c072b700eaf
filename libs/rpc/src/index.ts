export { KeepsakeError, errorCodes, type ErrorCode, type KeepsakeErrorInit } from './keepsake-error.js'
export {
  accountOf,
  familyOf,
  requireMember,
  requireParent,
  requireService,
  requireSession,
  type AccountCaller,
  type AnonymousCaller,
  type Call,
  type Caller,
  type MemberCaller,
  type ServiceCaller,
} from './call.js'
export type {
  CallOptions,
  Client,
  FamilyOptions,
  ForwardOptions,
  MethodDefinition,
  PlainOptions,
  RequestOf,
  ResponseOf,
  RpcDefinition,
  RpcHandler,
  RpcHandlers,
} from './types.js'
export { callAs } from './call-as.js'
export { createClient, type ClientTuning } from './client.js'
export {
  generateIdentityKeys,
  identityEnv,
  identityLifeSeconds,
  ServiceIdentity,
  type IdentityKeys,
} from './identity.js'
export { splitAddress, startInternalServer, type InternalServer } from './internal-server.js'
export { Readiness, workedOnce, type ReadinessChecks } from './readiness.js'
export { RpcService } from './rpc-service.js'
export { runMain } from './run-main.js'
export {
  runService,
  serviceConfig,
  type ReportsReadiness,
  type RunningService,
  type ServiceOptions,
} from './run-service.js'
