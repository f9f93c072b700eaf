-- One row per family: what album needs to know of it, and the one counter by which everything here is versioned. Whoever changes something
-- takes a number from it first, so versions grow in the order of commits and the change feed has no gaps.
create table album.families (
  family_id       uuid primary key,
  version         bigint not null default 0,
  plan            text not null default 'free',
  time_zone       text not null default 'UTC',
  people_version  bigint not null default 0,
  rating_version  bigint not null default 0
);
select db.protect_family('album.families');

create table album.children (
  family_id  uuid not null,
  id         uuid not null,
  name       text not null,
  birth_date date not null,
  primary key (family_id, id)
);
select db.protect_family('album.children');

-- The catalogue. Columns named as in the contract hold what people see: the facts from ingest with the corrections laid over them.
create table album.media (
  family_id        uuid not null,
  id               uuid not null,
  version          bigint not null,
  state            text not null,
  failure_code     text,
  failure_message  text,
  kind             text not null,
  file_name        text not null,
  content_type     text not null,
  size             bigint not null,
  taken_at         timestamptz not null,
  offset_minutes   int not null,
  taken_precision  text not null,
  taken_source     text not null,
  time_zone        text not null,
  -- yyyy-mm-dd and yyyy-mm of the local capture time
  local_day        date not null,
  month            text not null,
  latitude         double precision,
  longitude        double precision,
  city             text not null default '',
  region           text not null default '',
  country          text not null default '',
  country_code     text not null default '',
  description      text not null default '',
  width            int not null default 0,
  height           int not null default 0,
  duration         double precision,
  blur_hash        text not null default '',
  perceptual_hash  text not null default '',
  mundane          text not null default '',
  rotation         int not null default 0,
  audience_kind    text not null,
  audience_ids     uuid[] not null default '{}',
  uploaded_by      uuid,
  uploaded_at      timestamptz not null,
  favourite_count  int not null default 0,
  comment_count    int not null default 0,
  rating           double precision,
  trashed_at       timestamptz,
  -- ingest's own words, kept so that a correction can be taken back
  ingest_version   bigint not null,
  ingested         jsonb not null,
  corrections      jsonb not null default '{}',
  primary key (family_id, id)
);
select db.protect_family('album.media');
create index media_timeline on album.media (family_id, taken_at desc, id desc) where trashed_at is null;
-- Months are counted from this index alone.
create index media_months on album.media (family_id, month, taken_at desc, id desc)
  include (audience_kind, audience_ids, uploaded_by, state, mundane) where trashed_at is null;
create index media_rated on album.media (family_id, rating desc nulls last, taken_at desc, id) where trashed_at is null;
create index media_restricted on album.media (family_id, audience_kind, taken_at desc, id desc)
  where trashed_at is null and audience_kind <> 'everyone';
create index media_not_ready on album.media (family_id, state) where state <> 'ready';
create index media_trash on album.media (family_id, trashed_at) where trashed_at is not null;

-- Words of file name, description, place and tags: lower case, pairs of characters where a script has no spaces.
create table album.words (
  family_id uuid not null,
  word      text collate "C" not null,
  media_id  uuid not null,
  primary key (family_id, word, media_id),
  foreign key (family_id, media_id) references album.media (family_id, id) on delete cascade
);
select db.protect_family('album.words');
create index words_of_media on album.words (family_id, media_id);

create table album.favourites (
  family_id uuid not null,
  media_id  uuid not null,
  member_id uuid not null,
  at        timestamptz not null default now(),
  primary key (family_id, media_id, member_id),
  foreign key (family_id, media_id) references album.media (family_id, id) on delete cascade
);
select db.protect_family('album.favourites');
create index favourites_of_member on album.favourites (family_id, member_id, media_id);

create table album.comments (
  family_id uuid not null,
  id        uuid not null default uuidv7(),
  media_id  uuid not null,
  member_id uuid not null,
  text      text not null,
  at        timestamptz not null default date_trunc('milliseconds', now()),
  primary key (family_id, id),
  foreign key (family_id, media_id) references album.media (family_id, id) on delete cascade
);
select db.protect_family('album.comments');
create index comments_of_media on album.comments (family_id, media_id, id);

create table album.collections (
  family_id uuid not null,
  id        uuid not null default uuidv7(),
  name      text not null,
  primary key (family_id, id),
  unique (family_id, name)
);
select db.protect_family('album.collections');

create table album.collection_media (
  family_id     uuid not null,
  collection_id uuid not null,
  media_id      uuid not null,
  primary key (family_id, collection_id, media_id),
  foreign key (family_id, collection_id) references album.collections (family_id, id) on delete cascade,
  foreign key (family_id, media_id) references album.media (family_id, id) on delete cascade
);
select db.protect_family('album.collection_media');
create index collections_of_media on album.collection_media (family_id, media_id);

-- Corrections of facts as they were made, so that each can be taken back as a whole.
create table album.edits (
  family_id uuid not null,
  id        uuid not null default uuidv7(),
  member_id uuid not null,
  at        timestamptz not null default now(),
  undone    boolean not null default false,
  primary key (family_id, id)
);
select db.protect_family('album.edits');
create table album.edit_items (
  family_id uuid not null,
  edit_id   uuid not null,
  media_id  uuid not null,
  -- by field: what stood there before and after; null where there was no correction
  before    jsonb not null,
  after     jsonb not null,
  primary key (family_id, edit_id, media_id),
  foreign key (family_id, edit_id) references album.edits (family_id, id) on delete cascade,
  foreign key (family_id, media_id) references album.media (family_id, id) on delete cascade
);
select db.protect_family('album.edit_items');
create index edits_of_media on album.edit_items (family_id, media_id);

-- What a parent does not want to see in anything derived.
create table album.blocks (
  family_id    uuid not null,
  id           uuid not null default uuidv7(),
  kind         text not null,
  person_id    uuid,
  from_day     date,
  to_day       date,
  latitude     double precision,
  longitude    double precision,
  radius_km    double precision,
  city         text not null default '',
  region       text not null default '',
  country      text not null default '',
  mode         text not null,
  until        timestamptz,
  primary key (family_id, id)
);
select db.protect_family('album.blocks');

-- Who is who and who is on what, as cluster says.
create table album.people (
  family_id uuid not null,
  id        uuid not null,
  name      text not null default '',
  child_id  uuid,
  hidden    boolean not null default false,
  primary key (family_id, id)
);
select db.protect_family('album.people');
create index people_children on album.people (family_id, child_id) where child_id is not null;
create table album.media_people (
  family_id uuid not null,
  person_id uuid not null,
  media_id  uuid not null,
  -- No reference to album.media: what cluster says may arrive before the item does.
  primary key (family_id, person_id, media_id)
);
select db.protect_family('album.media_people');
create index people_of_media on album.media_people (family_id, media_id, person_id);

-- The change feed. Each row carries the audience at the time, so that a reader learns of what he could see and of nothing else.
create table album.changes (
  family_id     uuid not null,
  version       bigint not null,
  ordinal       int not null,
  kind          text not null,
  id            uuid not null,
  op            text not null,
  media_id      uuid,
  audience_kind text not null,
  audience_ids  uuid[] not null,
  uploaded_by   uuid,
  primary key (family_id, version, ordinal)
);
select db.protect_family('album.changes');
create index changes_of_thing on album.changes (family_id, kind, id);

-- Answers of calls that carried an Idempotency-Key, in the transaction of their effect.
create table album.idempotency (
  family_id    uuid not null,
  member_id    uuid not null,
  key          text not null,
  request_hash bytea not null,
  response     bytea not null,
  at           timestamptz not null default now(),
  primary key (family_id, member_id, key)
);
select db.protect_family('album.idempotency');
create index idempotency_at on album.idempotency (at);
