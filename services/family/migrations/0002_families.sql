create table family.families (
  family_id  uuid primary key default uuidv7(),
  name       text not null,
  plan       text not null check (plan in ('free', 'premium')),
  time_zone  text not null,
  locale     text not null check (locale in ('en', 'ja')),
  version    bigint not null default 1, -- grows with every change of the family and of what belongs to it here
  created_at timestamptz not null default now(),
  removed_at timestamptz                -- a tombstone stays: its id never comes back
);
select db.protect_family('family.families');

create table family.members (
  family_id  uuid not null references family.families on delete cascade,
  member_id  uuid not null default uuidv7(),
  account_id uuid not null references family.accounts,
  name       text not null,
  role       text not null check (role in ('parent', 'relative')),
  created_at timestamptz not null default now(),
  primary key (family_id, member_id),
  unique (family_id, account_id)
);
create index on family.members (account_id);
select db.protect_family('family.members');

create table family.groups (
  family_id  uuid not null references family.families on delete cascade,
  group_id   uuid not null default uuidv7(),
  name       text not null,
  created_at timestamptz not null default now(),
  primary key (family_id, group_id),
  unique (family_id, name)
);
select db.protect_family('family.groups');

create table family.group_members (
  family_id uuid not null,
  group_id  uuid not null,
  member_id uuid not null,
  primary key (family_id, group_id, member_id),
  foreign key (family_id, group_id) references family.groups on delete cascade,
  foreign key (family_id, member_id) references family.members on delete cascade
);
create index on family.group_members (family_id, member_id);
select db.protect_family('family.group_members');

create table family.invitations (
  family_id  uuid not null references family.families on delete cascade,
  code_hash  bytea not null unique,
  role       text not null check (role in ('parent', 'relative')),
  created_by uuid not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at    timestamptz,
  primary key (family_id, code_hash)
);
select db.protect_family('family.invitations');

create table family.children (
  family_id  uuid not null references family.families on delete cascade,
  child_id   uuid not null default uuidv7(),
  name       text not null,
  birth_date text not null check (birth_date ~ '^\d{4}-\d{2}-\d{2}$'),
  created_at timestamptz not null default now(),
  primary key (family_id, child_id)
);
select db.protect_family('family.children');

-- Every yes and every no, for ever; the latest of a purpose is what holds.
create table family.consents (
  family_id    uuid not null references family.families on delete cascade,
  consent_id   uuid not null default uuidv7(),
  purpose      text not null check (purpose in ('face_recognition')),
  given        boolean not null,
  member_id    uuid not null,
  text_version text not null,
  at           timestamptz not null default now(),
  primary key (family_id, consent_id)
);
select db.protect_family('family.consents');
