create table render.movies (
  family_id      uuid not null,
  id             uuid not null default uuidv7(),
  version        bigint not null default 1, -- grows with everything that a reader can see of the movie
  generation     int not null default 1,    -- grows with everything that makes the film another one
  kind           text not null check (kind in ('one-second')),
  title          text,                       -- as asked for; null: named after the period
  from_at        timestamptz not null,
  to_at          timestamptz not null,
  child_id       uuid,
  mood           text not null,
  length         text not null,
  aspect         text not null check (aspect in ('16:9', '9:16', '1:1')),
  music          boolean not null,
  locked         uuid[] not null default '{}', -- items that must be in it
  banned         uuid[] not null default '{}', -- items that must not
  audience_kind  text not null check (audience_kind in ('everyone', 'parents', 'groups', 'members')),
  audience_ids   uuid[] not null default '{}',
  published      boolean not null default false,
  status         text not null default 'queued' check (status in ('queued', 'rendering', 'ready', 'failed', 'rejected')),
  status_code    text,
  status_message text,
  progress       double precision not null default 0,
  storyboard     jsonb,                      -- of the film that is stored, or of the one being made while there is none
  rejected       jsonb not null default '[]',
  film           int,                        -- generation of the stored film; null: there is none
  created_by     uuid not null,
  created_at     timestamptz not null default now(),
  primary key (family_id, id)
);
select db.protect_family('render.movies');

-- Items that the stored film shows or that the film being made will show.
create table render.movie_items (
  family_id uuid not null,
  movie_id  uuid not null,
  media_id  uuid not null,
  primary key (family_id, movie_id, media_id),
  foreign key (family_id, movie_id) references render.movies on delete cascade
);
create index movie_items_of_media on render.movie_items (family_id, media_id);
select db.protect_family('render.movie_items');

-- One row while a film is to be made. Whoever holds the lease makes it; a lease that runs out is free again.
create table render.jobs (
  family_id   uuid not null,
  movie_id    uuid not null,
  generation  int not null,
  attempts    int not null default 0,
  due_at      timestamptz not null default now(),
  lease       uuid,
  lease_until timestamptz,
  created_at  timestamptz not null default now(),
  primary key (family_id, movie_id),
  foreign key (family_id, movie_id) references render.movies on delete cascade
);
create index jobs_due on render.jobs (due_at);
select db.protect_family('render.jobs');

-- Encoded stretches of films, by what decides their pixels. A changed item costs its own segments only.
create table render.segments (
  family_id uuid not null,
  hash      text not null,
  media_ids uuid[] not null,              -- every item that can be seen in it
  used_at   timestamptz not null default now(),
  primary key (family_id, hash)
);
create index segments_of_media on render.segments using gin (media_ids);
select db.protect_family('render.segments');

-- Objects that nothing speaks of any more; removed after the transaction that says so.
create table render.garbage (
  family_id uuid not null,
  prefix    text not null,                -- ends in '/': everything below; else one object
  at        timestamptz not null default now(),
  primary key (family_id, prefix)
);
select db.protect_family('render.garbage');

create table render.idempotency (
  family_id    uuid not null,
  member_id    uuid not null,
  key          text not null,
  request_hash bytea not null,
  response     bytea not null,
  at           timestamptz not null default now(),
  primary key (family_id, member_id, key)
);
select db.protect_family('render.idempotency');
