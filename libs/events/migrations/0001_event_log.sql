-- The one schema that services share: what happened (outbox, which is also the log), and per consumer group what was taken in, what waits and
-- what failed for good. Services insert facts and keep the books of their own groups; nothing else.

-- A group belongs to the service it is named after: `rating` or `rating.more` to keepsake_rating.
create function events.owns_group(grp text) returns boolean language sql stable
  return current_user = 'keepsake_owner' or current_user = 'keepsake_' || split_part(grp, '.', 1);

create table events.outbox (
  -- Commit order is (txid, position) among transactions that are over; a sequence alone would let a late commit be skipped.
  txid       xid8 not null default pg_current_xact_id(),
  position   bigint generated always as identity,
  topic      text not null,
  partition  int not null,
  key        text not null,
  family_id  uuid not null,
  event_id   uuid not null default uuidv7(),
  headers    jsonb not null,
  payload    bytea not null,
  created_at timestamptz not null default clock_timestamp(),
  primary key (topic, partition, txid, position)
);
create index outbox_created_at on events.outbox using brin (created_at);
select db.protect_family('events.outbox');
grant select, insert on events.outbox to keepsake_service;

create function events.announce() returns trigger language plpgsql as $$
begin
  perform pg_notify('keepsake_events', '');
  return null;
end
$$;
create trigger announce after insert on events.outbox for each statement execute function events.announce();

-- How far a group has come in each partition of a topic: everything up to here was handled, parked or given up.
create table events.cursors (
  grp        text not null,
  topic      text not null,
  partition  int not null,
  txid       xid8 not null,
  position   bigint not null,
  updated_at timestamptz not null default now(),
  primary key (grp, topic, partition)
);
alter table events.cursors enable row level security;
alter table events.cursors force row level security;
create policy own_group on events.cursors using (events.owns_group(grp)) with check (events.owns_group(grp));
grant select, insert, update on events.cursors to keepsake_service;

-- An event was taken in by a group: written in the transaction of its effect.
create table events.inbox (
  grp       text not null,
  event_id  uuid not null,
  family_id uuid not null,
  at        timestamptz not null default now(),
  primary key (grp, event_id)
);
create index inbox_at on events.inbox using brin (at);
select db.protect_family('events.inbox');
create policy own_group on events.inbox as restrictive using (events.owns_group(grp)) with check (events.owns_group(grp));
grant select, insert, delete on events.inbox to keepsake_service;

-- Events that failed and will be tried again; later events of the same topic and key wait behind them in order of seq.
create table events.parked (
  grp        text not null,
  event_id   uuid not null,
  seq        bigint generated always as identity,
  topic      text not null,
  partition  int not null,
  key        text not null,
  family_id  uuid not null,
  headers    jsonb not null,
  payload    bytea not null,
  txid       xid8 not null,
  position   bigint not null,
  created_at timestamptz not null,
  attempts   int not null default 0,
  -- infinity: waits behind another event of its key.
  next_at    timestamptz not null,
  cause      jsonb,
  primary key (grp, event_id)
);
create index parked_lane on events.parked (grp, topic, key, seq);
select db.protect_family('events.parked');
create policy own_group on events.parked as restrictive using (events.owns_group(grp)) with check (events.owns_group(grp));
grant select, insert, update, delete on events.parked to keepsake_service;

create table events.dead_letters (
  grp        text not null,
  event_id   uuid not null,
  topic      text not null,
  partition  int not null,
  key        text not null,
  family_id  uuid not null,
  headers    jsonb not null,
  payload    bytea not null,
  txid       xid8 not null,
  position   bigint not null,
  created_at timestamptz not null,
  attempts   int not null,
  -- { code, reason, message }
  cause      jsonb not null,
  dead_at    timestamptz not null default now(),
  primary key (grp, event_id)
);
select db.protect_family('events.dead_letters');
create policy own_group on events.dead_letters as restrictive using (events.owns_group(grp)) with check (events.owns_group(grp));
grant select, insert, update, delete on events.dead_letters to keepsake_service;

-- Things that are gone: a late event about one of them changes nothing.
create table events.tombstones (
  grp       text not null,
  family_id uuid not null,
  kind      text not null,
  id        text not null,
  at        timestamptz not null default now(),
  primary key (grp, family_id, kind, id)
);
select db.protect_family('events.tombstones');
create policy own_group on events.tombstones as restrictive using (events.owns_group(grp)) with check (events.owns_group(grp));
grant select, insert, delete on events.tombstones to keepsake_service;

-- Somebody asks the owner of a topic to publish its present state again, for one family or for all.
create table events.resync_requests (
  id           uuid primary key default uuidv7(),
  topic        text not null,
  family_id    uuid,
  requested_at timestamptz not null default now()
);
select db.protect_family('events.resync_requests');
grant select, insert, delete on events.resync_requests to keepsake_service;

create function events.announce_request() returns trigger language plpgsql as $$
begin
  perform pg_notify('keepsake_requests', '');
  return null;
end
$$;
create trigger announce after insert on events.resync_requests for each statement execute function events.announce_request();

-- Removes what every group has passed and is older than `keep` (under app.system). Inbox rows of such events are never asked for again.
create function events.prune(keep interval) returns table (outbox_rows bigint, inbox_rows bigint)
language plpgsql security definer set search_path = pg_catalog, events as $$
begin
  delete from events.outbox o
  where o.created_at < now() - keep
    and not exists (
      select 1 from events.cursors c
      where c.topic = o.topic and c.partition = o.partition and (c.txid, c.position) < (o.txid, o.position)
    );
  get diagnostics outbox_rows = row_count;
  delete from events.inbox i
  where i.at < now() - keep
    and not exists (select 1 from events.outbox o where o.event_id = i.event_id)
    and not exists (select 1 from events.parked p where p.event_id = i.event_id);
  get diagnostics inbox_rows = row_count;
  return next;
end
$$;
revoke all on function events.prune(interval) from public;
grant execute on function events.prune(interval) to keepsake_service;
