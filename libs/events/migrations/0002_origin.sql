-- Where a parked or given-up event came from on Kafka: { topic, partition, offset }. Null where the outbox itself is the log.
alter table events.parked add column origin jsonb;
alter table events.dead_letters add column origin jsonb;
