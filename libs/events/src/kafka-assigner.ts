import kafkajs, { type Assignment, type PartitionAssigner } from 'kafkajs'
import { shareOut } from './share-out.js'

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

/**
 * Gives a member the same partition numbers of every topic, so that who reads an event's partition also reads its retries: the order of a key
 * needs no talk between processes. Members keep what they hold as far as shares stay even.
 * @param holding the partition numbers held here now
 */
export function sharedNumbers(holding: () => readonly number[]): PartitionAssigner {
  return ({ cluster }) => ({
    name: 'keepsake-shared-numbers',
    version: 1,
    protocol({ topics }) {
      const userData = Buffer.from(JSON.stringify(holding()))
      return { name: this.name, metadata: MemberMetadata.encode({ version: this.version, topics, userData }) }
    },
    async assign({ members }) {
      const known = members.map(({ memberId, memberMetadata }) => {
        const metadata = MemberMetadata.decode(memberMetadata)
        return { id: memberId, topics: new Set(metadata?.topics), holds: numbersOf(metadata?.userData) }
      })
      const topics = [...new Set(known.flatMap(member => [...member.topics]))]
      await Promise.all(topics.map(topic => cluster.addTargetTopic(topic)))
      const counts = new Map(topics.map(topic => [topic, cluster.findTopicPartitionMetadata(topic).length]))
      const shares = shareOut(known, Math.max(0, ...counts.values()))
      const assignments = new Map<string, Assignment>(known.map(member => [member.id, {}]))
      for (const [topic, count] of counts) {
        // While two versions of a service run side by side, a topic may be known to some of them only.
        const readers = known.filter(member => member.topics.has(topic)).sort((a, b) => (a.id < b.id ? -1 : 1))
        for (let partition = 0; partition < count; partition++) {
          const reader =
            readers.find(({ id }) => shares.get(id)?.includes(partition) === true) ??
            readers[partition % readers.length]
          const assignment = reader && assignments.get(reader.id)
          if (assignment !== undefined) (assignment[topic] ??= []).push(partition)
        }
      }
      return [...assignments].map(([memberId, assignment]) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({ version: this.version, assignment, userData: Buffer.alloc(0) }),
      }))
    },
  })
}

function numbersOf(userData: Buffer | undefined): number[] {
  try {
    const value: unknown = JSON.parse(userData?.toString() ?? '[]')
    return Array.isArray(value) ? value.filter(n => Number.isInteger(n)) : []
  } catch {
    return [] // a member of another make
  }
}
