import 'reflect-metadata'
import { Controller, type Type } from '@nestjs/common'
import { MessagePattern } from '@nestjs/microservices'
import { PARAM_ARGS_METADATA } from '@nestjs/microservices/constants.js'
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
      if (Reflect.hasMetadata(PARAM_ARGS_METADATA, target, name))
        throw new Error(
          `${target.name}.${name} may decorate no parameter: it gets the message and the call, and pipes do not run`,
        )
      // No parameter is Nest's to fill in: it hands on what the transport gives. Payload() and Ctx() cost each call an array, two promises
      // per parameter and one for all.
      Reflect.defineMetadata(PARAM_ARGS_METADATA, {}, target, name)
    }
    Controller()(target)
  }
}
