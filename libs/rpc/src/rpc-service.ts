import { Controller, type Type } from '@nestjs/common'
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices'
import type { RpcDefinition } from './types.js'

/**
 * Makes a class the Nest controller that answers every method of a generated definition:
 * `@RpcService(AlbumServiceService) class AlbumRpc implements RpcHandlers<typeof AlbumServiceService>`.
 * Handlers are methods `(request, call)`. One that is missing fails when the class is loaded, not when it is called.
 */
export function RpcService(definition: RpcDefinition) {
  return (target: Type<unknown>): void => {
    const prototype = target.prototype as Record<string, unknown>
    for (const [name, method] of Object.entries(definition)) {
      if (method.requestStream) throw new Error(`${method.path}: streaming requests are not supported`)
      const descriptor = Object.getOwnPropertyDescriptor(prototype, name)
      if (typeof descriptor?.value !== 'function') throw new Error(`${target.name} does not implement ${method.path}`)
      MessagePattern(method.path)(prototype, name, descriptor)
      Payload()(prototype, name, 0)
      Ctx()(prototype, name, 1)
    }
    Controller()(target)
  }
}
