import { setTimeout as sleep } from 'node:timers/promises'
import { leaderOf } from '@keepsake/events/testing/read-topics'
import type { Fault, FaultOutcome, ServerName, Target } from './history.js'
import { plantPoison } from './stores.js'
import { fakeTime, type Fleet } from './world.js'

/** A slow consumer works so long and then holds still nine times as long, ms. */
const workMs = 100

/** Lets everything go wrong that was planned, each at its moment, and right again. Says how it went. */
export async function playFaults(
  fleet: Fleet,
  faults: readonly Fault[],
  began: number,
  families: readonly string[],
  told: (outcome: FaultOutcome, poison?: string) => void,
): Promise<void> {
  // What is done to one target is done one after the other.
  const turns = new Map<string, Promise<unknown>>()
  await Promise.all(
    faults.map(async (fault, index) => {
      await sleep(Math.max(0, began + fault.atMs - Date.now()))
      const at = 'to' in fault ? `${fault.from} ${fault.to}` : 'target' in fault ? fault.target : 'poison'
      const before = turns.get(at)
      const done = (async () => {
        await before
        const beganMs = Date.now() - began
        const outcome = await play(fleet, fault, families[index % families.length] ?? '').catch((error: unknown) => ({
          note: `it failed: ${error instanceof Error ? error.message : String(error)}`,
        }))
        const { note, poison } = { poison: undefined, ...outcome } as { note?: string; poison?: string | undefined }
        told({ fault: index, beganMs, endedMs: Date.now() - began, ...(note === undefined ? {} : { note }) }, poison)
      })()
      turns.set(at, done)
      await done
    }),
  )
}

async function play(
  fleet: Fleet,
  fault: Fault,
  familyId: string,
): Promise<{ note?: string; poison?: string } | undefined> {
  const last = () => sleep(fault.forMs)
  switch (fault.do) {
    case 'kill': {
      const name = await resolve(fleet, fault.target)
      const victim = fleet.victim(name)
      await victim.kill()
      await last()
      await victim.start()
      return { note: name }
    }
    case 'freeze': {
      const name = await resolve(fleet, fault.target)
      const victim = fleet.victim(name)
      victim.pause()
      await last()
      victim.resume()
      return { note: name }
    }
    case 'slow': {
      const process = fleet.process(fault.target)
      const end = Date.now() + fault.forMs
      while (Date.now() < end) {
        process.pause()
        await sleep(9 * workMs)
        process.resume()
        await sleep(workMs)
      }
      return undefined
    }
    case 'clock': {
      if (fakeTime === undefined) return { note: 'left out: libfaketime is not installed' }
      const process = fleet.process(fault.target)
      await process.kill()
      const offset = `${fault.hours < 0 ? '-' : '+'}${Math.abs(fault.hours)}h`
      process.start({ LD_PRELOAD: fakeTime, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' })
      // It takes some moments until it does anything at all.
      await process.ready(60_000).catch(() => undefined)
      await last()
      await process.kill()
      process.start()
      return undefined
    }
    case 'fill': {
      const disk = fleet.world.disks[fault.target]
      if (disk === undefined) return { note: 'left out: small disks cannot be mounted here' }
      disk.fill()
      await last()
      disk.empty()
      // A database that cannot write its log ends, and is started again by whoever runs it.
      const part = fleet.world.part(fault.target)
      if (part.running) return undefined
      await part.start()
      return { note: 'it had ended' }
    }
    case 'poison':
      for (;;)
        try {
          const poison = await plantPoison(fleet, fault.topic, familyId)
          return { note: poison, poison }
        } catch {
          await sleep(500) // the database is away
        }
    case 'cut':
      return { note: `${fleet.link(fault.from, fault.to).cut()} connections` }
    case 'refuse':
    case 'stall':
    case 'delay':
    case 'throttle': {
      const link = fleet.link(fault.from, fault.to)
      if (fault.do === 'refuse') {
        link.disturb({ refusing: true })
        link.cut()
      } else if (fault.do === 'stall') link.disturb({ stalled: true })
      else if (fault.do === 'delay') link.disturb({ delayMs: fault.delayMs })
      else link.disturb({ bytesPerSecond: fault.bytesPerSecond })
      await last()
      link.heal()
      return undefined
    }
  }
}

/** The leader of the busiest topic is whoever it is at this moment. */
async function resolve(fleet: Fleet, target: Target): Promise<Exclude<Target, 'kafka-leader'>> {
  if (target !== 'kafka-leader') return target
  const leader = await leaderOf(fleet.kafkaEnv, 'media.ingested').catch(() => 0)
  return `kafka-${leader + 1}` as ServerName
}
