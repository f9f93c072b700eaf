-- How far a family's people are: every change of faces, facts or words raises `generation`; a run answers one generation.
create table cluster.families (
  family_id       uuid primary key,
  generation      bigint not null default 0,
  done_generation bigint not null default 0,
  version         bigint not null default 0, -- of people.changed; grows with every run that changed something
  changed_at      timestamptz not null default now(),
  waiting_since   timestamptz,               -- of the oldest change that no run has answered
  sequence        bigint not null default 0  -- of the last correction
);
create index families_waiting on cluster.families (waiting_since) where waiting_since is not null;
select db.protect_family('cluster.families');

-- Items in which face looked for faces, with the facts that decide who may see them and when they were taken.
create table cluster.items (
  family_id         uuid not null,
  media_id          uuid not null,
  version           bigint not null default -1, -- of media.ingested that the faces answer; -1 before any
  generation        bigint not null default 0,  -- in which its faces last changed: waiting while above the family's done_generation
  faces_failed      boolean not null default false,
  facts_version     bigint not null default -1, -- of the catalogue entry
  catalogue_version bigint not null default -1, -- of the event that last said whether it is in the trash
  trashed           boolean not null default false,
  taken_at          timestamptz,                -- null where only the file's date is known
  audience_kind     text,                       -- null until the catalogue told: then only parents see it
  audience_ids      uuid[] not null default '{}',
  uploaded_by       uuid,
  primary key (family_id, media_id)
);
select db.protect_family('cluster.items');

-- Copies of faces, for deciding who is who, and the decision.
create table cluster.faces (
  family_id  uuid not null,
  face_id    uuid not null,
  media_id   uuid not null,
  version    bigint not null,
  embedding  bytea not null,
  age        real not null,
  age_spread real not null,
  quality    real not null,
  box        jsonb not null,
  ranges     jsonb,
  person_id  uuid,
  confidence real not null default 0,
  confirmed  boolean not null default false,
  primary key (family_id, face_id),
  foreign key (family_id, media_id) references cluster.items on delete cascade
);
create index faces_of_media on cluster.faces (family_id, media_id);
create index faces_of_person on cluster.faces (family_id, person_id);
select db.protect_family('cluster.faces');

create table cluster.people (
  family_id         uuid not null,
  person_id         uuid not null,
  name              text,
  child_id          uuid,
  hidden            boolean not null,
  touched           boolean not null,
  face_count        integer not null,
  media_count       integer not null,
  cover_face_id     uuid not null,
  age               real,
  stage             text not null check (stage in ('child', 'adult', 'unknown')),
  child_probability real not null,
  anchors           uuid[] not null, -- faces that stand for the person in the ledger
  version           bigint not null,
  primary key (family_id, person_id)
);
create index people_by_size on cluster.people (family_id, face_count desc, person_id);
select db.protect_family('cluster.people');

-- What parents said, never changed by a run. `entry` is a LedgerEntry without what stands in columns.
create table cluster.corrections (
  family_id       uuid not null,
  correction_id   uuid not null,
  sequence        bigint not null,
  kind            text not null,
  person_id       uuid,
  by_member_id    uuid not null,
  at              timestamptz not null default now(),
  undone          boolean not null default false,
  entry           jsonb not null,
  idempotency_key text,
  primary key (family_id, correction_id),
  unique (family_id, sequence)
);
create index corrections_by_key on cluster.corrections (family_id, idempotency_key) where idempotency_key is not null;
select db.protect_family('cluster.corrections');

create table cluster.questions (
  family_id   uuid not null,
  question_id uuid not null,
  rank        integer not null,
  media_id    uuid not null,
  candidates  jsonb not null,
  alike       uuid[] not null,
  primary key (family_id, question_id)
);
select db.protect_family('cluster.questions');

create table cluster.child_proposals (
  family_id  uuid not null,
  person_id  uuid not null,
  rank       integer not null,
  child_id   uuid,
  confidence real not null,
  reason     text not null,
  primary key (family_id, person_id)
);
select db.protect_family('cluster.child_proposals');
