import { connect } from 'node:net'

/** The broker ids that a broker knows as alive, and who leads the cluster (-1: nobody yet). */
export interface ClusterView {
  brokers: number[]
  controller: number
}

const metadataKey = 3
const metadataVersion = 5

/**
 * Asks one broker for the cluster's metadata (Kafka protocol, Metadata v5), the only request that the stack itself needs: a
 * broker answers it as soon as it serves clients, which an open port does not prove yet.
 * @throws where it does not answer within `deadlineMs`
 */
export function clusterView(port: number, deadlineMs = 2_000): Promise<ClusterView> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let answer = Buffer.alloc(0)
    socket.setTimeout(deadlineMs, () => socket.destroy(new Error('no answer')))
    socket.once('connect', () => socket.write(request()))
    socket.on('data', chunk => {
      answer = Buffer.concat([answer, chunk])
      if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return
      socket.destroy()
      try {
        resolve(read(answer.subarray(4)))
      } catch (error) {
        reject(error as Error)
      }
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the connection was closed')))
  })
}

function request(): Buffer {
  const client = Buffer.from('keepsake-stack')
  const body = Buffer.alloc(4 + 2 + 2 + 4 + 2 + client.length + 4 + 1)
  let at = body.writeInt32BE(body.length - 4, 0)
  at = body.writeInt16BE(metadataKey, at)
  at = body.writeInt16BE(metadataVersion, at)
  at = body.writeInt32BE(1, at) // correlation
  at = body.writeInt16BE(client.length, at)
  at += client.copy(body, at)
  at = body.writeInt32BE(0, at) // of no topic
  body.writeInt8(0, at) // and create none
  return body
}

function read(body: Buffer): ClusterView {
  let at = 4 + 4 // correlation, throttle time
  const int32 = () => ((at += 4), body.readInt32BE(at - 4))
  const skipText = () => {
    at += 2
    at += Math.max(0, body.readInt16BE(at - 2))
  }
  const brokers = Array.from({ length: int32() }, () => {
    const id = int32()
    skipText() // host
    int32() // port
    skipText() // rack
    return id
  })
  skipText() // cluster
  return { brokers, controller: int32() }
}
