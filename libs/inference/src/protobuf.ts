/** A message whose bytes are already encoded. */
export type Encoded = Uint8Array

const text = new TextEncoder()

/**
 * Writes one protobuf message, field by field. Only the wire types that ONNX needs: varint (0), bytes (2) and float (5).
 * ONNX is the only protobuf we write by hand: its schema is 3,000 lines, of which a model file needs six messages.
 */
export class ProtobufWriter {
  private readonly parts: Uint8Array[] = []
  private length = 0

  /** An integer field. Negative numbers are written as 64-bit two's complement, as protobuf's int64 does. */
  int(field: number, value: number | bigint): this {
    return this.varint(field << 3).varint(value)
  }

  float(field: number, value: number): this {
    return this.varint((field << 3) | 5).append(new Uint8Array(Float32Array.of(value).buffer))
  }

  bytes(field: number, value: Encoded): this {
    return this.varint((field << 3) | 2)
      .varint(value.length)
      .append(value)
  }

  string(field: number, value: string): this {
    return this.bytes(field, text.encode(value))
  }

  message(field: number, value: ProtobufWriter): this {
    return this.bytes(field, value.finish())
  }

  /** The message's bytes. */
  finish(): Encoded {
    const whole = new Uint8Array(this.length)
    let at = 0
    for (const part of this.parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  }

  private varint(value: number | bigint): this {
    let rest = BigInt.asUintN(64, BigInt(value))
    const bytes: number[] = []
    do {
      const low = Number(rest & 127n)
      rest >>= 7n
      bytes.push(rest > 0n ? low | 128 : low)
    } while (rest > 0n)
    return this.append(Uint8Array.from(bytes))
  }

  private append(part: Uint8Array): this {
    this.parts.push(part)
    this.length += part.length
    return this
  }
}
