import { skipUnless } from '@keepsake/testing'
import { eventLogContract } from './testing/index.js'
import { contractTopics, kafkaCorner, testKafka } from './testing/kafka-harness.js'

const brokers = testKafka()

if (brokers === undefined) skipUnless(false, 'KEEPSAKE_TEST_KAFKA names no Kafka').test('event log contract: Kafka')
else
  eventLogContract('Kafka', async () => {
    const corner = await kafkaCorner(brokers)
    const relay = await corner.log().carry('contract', contractTopics)
    return {
      db: corner.db,
      log: ({ disturb } = {}) =>
        corner.log(disturb === undefined ? {} : { disturb: { random: disturb, duplicate: 0.4, reorder: true } }),
      publishRaw: corner.publishRaw,
      close: async () => {
        await relay.close()
        await corner.close()
      },
    }
  })
