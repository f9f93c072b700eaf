-- What face has heard of a family's consent. A row that says no stops the effects of work that began before.
create table face.families (
  family_id uuid primary key,
  consent boolean not null,
  version bigint not null          -- of family.changed; an older word changes nothing
);
select db.protect_family('face.families');

-- One row for each item that was looked at.
create table face.items (
  family_id uuid not null,
  media_id uuid not null,
  version bigint not null,         -- of media.ingested
  pipeline integer not null,       -- see PIPELINE in store.ts: a newer one looks again
  state text not null check (state in ('done', 'failed')),
  failure_code text,
  at timestamptz not null default now(),
  primary key (family_id, media_id),
  check ((state = 'failed') = (failure_code is not null))
);
select db.protect_family('face.items');

create table face.faces (
  family_id uuid not null,
  id uuid not null,
  media_id uuid not null,
  box double precision[] not null check (cardinality(box) = 4),              -- x, y, w, h; parts of the picture
  landmarks double precision[] not null check (cardinality(landmarks) = 10), -- five points x, y
  score double precision not null,
  quality double precision not null,
  sharpness double precision not null,
  age double precision not null,
  age_spread double precision not null,
  smile double precision not null,
  expression text not null,
  eyes_open double precision not null,
  yaw double precision not null,
  pitch double precision not null,
  roll double precision not null,
  embedding bytea not null check (length(embedding) = 512),
  seen_at double precision,        -- tracks of videos: the moment of the box, seconds
  ranges double precision[] not null default '{}',                           -- start, end, start, end, ... seconds
  crop_key text not null,
  primary key (family_id, id),
  foreign key (family_id, media_id) references face.items on delete cascade
);
create index faces_of_media on face.faces (family_id, media_id);
select db.protect_family('face.faces');

-- Crops that must go: written in the transaction that removes their rows, emptied by the sweeper.
create table face.garbage (
  family_id uuid not null,
  media_id uuid not null,
  keep uuid[] not null default '{}',      -- faces whose crops stay (the item was looked at again)
  added_at timestamptz not null default now(),
  primary key (family_id, media_id)
);
create index garbage_by_age on face.garbage (added_at);
select db.protect_family('face.garbage');
