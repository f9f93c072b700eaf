-- Says where something was written, so that a group reads what it subscribes to and nothing else: `TOPIC PARTITION`, once for each of a transaction.
create or replace function events.announce() returns trigger language plpgsql as $$
begin
  perform pg_notify('keepsake_events', at) from (select distinct topic || ' ' || partition as at from written) as places;
  return null;
end
$$;
create or replace trigger announce after insert on events.outbox referencing new table as written for each statement execute function events.announce();
