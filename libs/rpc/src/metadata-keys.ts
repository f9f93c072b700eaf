/** Names of the call metadata that Keepsake's services exchange. */
export const identityKey = 'keepsake-identity'
export const idempotencyKeyKey = 'keepsake-idempotency-key'
export const traceparentKey = 'traceparent'
