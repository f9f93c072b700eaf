import { createClient, generateIdentityKeys, identityEnv, runService, ServiceIdentity } from '@keepsake/rpc'
import { bareEcho } from '@keepsake/rpc/testing/bare-echo'
import { EchoLog, EchoRpc, EchoService } from '@keepsake/rpc/testing/echo'

/** What this bench is called on the command line. */
export const name = 'rpc'

class EchoModule {}

// Rounds alternate between the two, so that a busy machine slows both; the median of the rounds is compared.
const rounds = 9
const callsPerRound = 10_000
const together = 50

/**
 * One hop through libs/rpc (deadline, cancellation, verified identity, trace, metrics, Nest) against bare grpc-js in the
 * same process: microseconds of processor time per call at 50 calls in flight. Target: at most 1.15; false where it is missed.
 */
export async function run(): Promise<boolean> {
  const keys = generateIdentityKeys(['echo', 'album'])
  const service = await runService({
    name: 'echo',
    env: { ...identityEnv(keys, 'echo'), KEEPSAKE_LOG_LEVEL: 'warn' },
    module: { module: EchoModule, controllers: [EchoRpc], providers: [{ provide: EchoLog, useFactory: forgetful }] },
    rpc: [EchoService],
  })
  const client = createClient(
    EchoService,
    service.address,
    ServiceIdentity.fromEnv('album', identityEnv(keys, 'album')),
  )
  const bare = await bareEcho()
  const ours = (text: string) => client.getEcho({ text }, { familyId: 'f', deadlineMs: 5000 })
  const theirs = (text: string) => bare.getEcho({ text })

  const microseconds = { ours: [] as number[], bare: [] as number[] }
  for (let round = -2; round < rounds; round++) {
    const mine = await timed(ours)
    const other = await timed(theirs)
    if (round < 0) continue // warm-up
    microseconds.ours.push(mine)
    microseconds.bare.push(other)
  }
  client.close()
  bare.close()
  await service.close()
  const hop = median(microseconds.ours)
  const bareHop = median(microseconds.bare)
  const ratio = median(microseconds.ours.map((mine, round) => mine / (microseconds.bare[round] ?? NaN)))
  console.log(
    `   hop through libs/rpc ${hop.toFixed(0)} µs, bare grpc-js ${bareHop.toFixed(0)} µs, ratio ${ratio.toFixed(2)}`,
  )
  return ratio <= 1.15
}

/** An EchoLog that keeps no history. */
function forgetful(): EchoLog {
  const log = new EchoLog()
  log.calls.push = () => 0
  return log
}

async function timed(call: (text: string) => Promise<unknown>): Promise<number> {
  // Processor time, not the clock: both ends are in this process, and others use the machine too.
  const started = process.cpuUsage()
  let next = 0
  const worker = async () => {
    while (next++ < callsPerRound) await call('a short text')
  }
  await Promise.all(Array.from({ length: together }, worker))
  const { user, system } = process.cpuUsage(started)
  return (user + system) / callsPerRound
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
