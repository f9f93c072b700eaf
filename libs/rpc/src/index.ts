export { KeepsakeError, errorCodes, type ErrorCode, type KeepsakeErrorInit } from './keepsake-error.js'
export {
  accountOf,
  familyOf,
  requireMember,
  requireParent,
  requireService,
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
