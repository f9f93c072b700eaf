-- Uploads: what tus keeps between requests. Bytes lie in the object store, one object a part.
create table ingest.uploads (
  family_id uuid not null,
  id uuid not null default uuidv7(),
  member_id uuid not null,
  size bigint not null check (size >= 0),
  position bigint not null default 0 check (position between 0 and size),
  file_name text not null,
  last_modified timestamptz,
  audience text not null default '',
  collections text[] not null default '{}',
  scope text not null,            -- the import, or the member and day where there is none: names are compared only within it
  folder text,                    -- inside the import; null where unknown
  state text not null default 'open' check (state in ('open', 'finished', 'terminated')),
  lease uuid,                     -- one writer at a time
  lease_until timestamptz,
  last_lease uuid,                -- of the part recorded last: a repeated commit answers the same
  media_id uuid,
  duplicate boolean not null default false,
  joined boolean not null default false,
  swept boolean not null default false, -- whether the parts are gone
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (family_id, id)
);
create index uploads_to_sweep on ingest.uploads (expires_at) where not swept;
create index uploads_of_media on ingest.uploads (family_id, media_id) where media_id is not null;
select db.protect_family('ingest.uploads');

create table ingest.upload_parts (
  family_id uuid not null,
  upload_id uuid not null,
  position bigint not null,
  size bigint not null check (size > 0),
  key text not null,
  primary key (family_id, upload_id, position),
  foreign key (family_id, upload_id) references ingest.uploads on delete cascade
);
select db.protect_family('ingest.upload_parts');

-- One row an item. What is only ever read as a whole is kept as JSON.
create table ingest.media (
  family_id uuid not null,
  id uuid not null,
  version bigint not null default 1,
  state text not null default 'pending' check (state in ('pending', 'ready', 'failed')),
  failure_code text,
  failure_message text,
  kind text not null check (kind in ('photo', 'video', 'live')),
  file_name text not null,
  content_type text not null,
  size bigint not null,
  sha256 text not null,
  original_key text not null,
  clip_key text,                  -- the uploaded or embedded clip of a live photo
  clip_uploaded boolean not null default false,
  thumbnail_key text,
  preview_key text,
  poster_key text,
  playback_key text,
  width integer not null default 0,
  height integer not null default 0,
  duration double precision,
  rotation integer not null default 0 check (rotation in (0, 90, 180, 270)),
  taken_at timestamptz not null,
  dated boolean not null default false,
  taken jsonb not null,           -- CaptureTime without the instant
  content_identifier text,
  burst_id text,
  hash text,                      -- 64 bits in hex
  embedded jsonb not null,        -- what the files say, as read
  described jsonb not null default '{}', -- place, camera, description, tags, stars
  rendered jsonb not null default '{}',  -- quality, blur hash, mundane, loudness
  last_modified timestamptz,
  audience text not null default '',
  collections text[] not null default '{}',
  uploaded_by uuid not null,
  uploaded_at timestamptz not null default now(),
  changed_at timestamptz not null default now(),
  primary key (family_id, id)
);
create index media_by_state on ingest.media (family_id, state);
create index media_by_content_identifier on ingest.media (family_id, content_identifier) where content_identifier is not null;
select db.protect_family('ingest.media');

-- Which bytes are which item: the same bytes twice are one item, also when two uploads finish at once.
create table ingest.contents (
  family_id uuid not null,
  sha256 text not null,
  media_id uuid not null,
  primary key (family_id, sha256),
  foreign key (family_id, media_id) references ingest.media on delete cascade
);
create index contents_of_media on ingest.contents (family_id, media_id);
select db.protect_family('ingest.contents');

-- Where an item's files lay when they were imported: pairs it with sidecars and with its other half.
create table ingest.paths (
  family_id uuid not null,
  media_id uuid not null,
  scope text not null,
  folder text not null default '',
  name text not null,             -- lower case
  stem text not null,             -- without extension
  live_stem text not null,
  primary key (family_id, scope, folder, name, media_id),
  foreign key (family_id, media_id) references ingest.media on delete cascade
);
create index paths_of_media on ingest.paths (family_id, media_id);
create index paths_by_live_stem on ingest.paths (family_id, scope, folder, live_stem);
create index paths_by_stem on ingest.paths (family_id, scope, folder, stem);
select db.protect_family('ingest.paths');

create table ingest.sidecars (
  family_id uuid not null,
  scope text not null,
  folder text not null default '',
  name text not null,             -- lower case
  target text not null,           -- the name or stem of the item it is beside
  facts jsonb not null,
  received_at timestamptz not null default now(),
  primary key (family_id, scope, folder, name)
);
create index sidecars_by_target on ingest.sidecars (family_id, scope, folder, target);
select db.protect_family('ingest.sidecars');
