create table rating.families (
  family_id      uuid primary key,
  mark           bigint not null default 0, -- grows with everything heard
  version        bigint not null default 0, -- of media.rated
  moments_version bigint not null default 0,
  moments_stale  boolean not null default false,
  album_version  bigint not null default 0, -- of the catalogue, as heard
  people_version bigint not null default 0
);
select db.protect_family('rating.families');

-- Items whose rating does not answer everything that was heard. A mark that grew while an item was rated keeps it here.
create table rating.stale (
  family_id uuid not null,
  media_id  uuid not null,
  mark      bigint not null,
  at        timestamptz not null default clock_timestamp(), -- of the first mark not answered
  primary key (family_id, media_id)
);
create index stale_at on rating.stale (at);
select db.protect_family('rating.stale');

-- Rated items with what a choice needs to know of them. Items in the trash have no row.
create table rating.items (
  family_id       uuid not null,
  media_id        uuid not null,
  kind            text not null check (kind in ('photo', 'video', 'live')),
  at              timestamptz not null,
  exact           boolean not null,       -- the time is good to the minute and not only the file's
  latitude        double precision,
  longitude       double precision,
  place           text not null,
  audience_kind   text not null,
  audience_ids    uuid[] not null,
  uploaded_by     uuid,
  blocked         text not null,
  mundane         text not null,
  child_ids       uuid[] not null,
  person_ids      uuid[] not null,
  duplicate_group uuid,
  moment_id       uuid,
  input           jsonb not null,         -- RatingInput, to rate again when only a near duplicate changed
  solo            real not null,          -- the rating were there no near duplicate
  value           real not null,
  parts           jsonb not null,
  version         bigint not null,
  primary key (family_id, media_id)
);
create index items_in_time on rating.items (family_id, at);
create index items_of_moment on rating.items (family_id, moment_id);
create index items_of_group on rating.items (family_id, duplicate_group) where duplicate_group is not null;
select db.protect_family('rating.items');
