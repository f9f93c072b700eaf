import { Module } from '@nestjs/common'

/** Nest's view of the gateway: its routes are declared as endpoints (see endpoint.ts), from which the OpenAPI document comes too. */
@Module({})
export class GatewayModule {}
