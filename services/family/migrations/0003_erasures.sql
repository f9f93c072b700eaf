-- Receipts of erasures: who asked, what kind, who has reported. Ids only, so a receipt keeps nothing of what it is about.
create table family.erasures (
  family_id    uuid not null,
  erasure_id   uuid not null,
  kind         text not null check (kind in ('item', 'face', 'consent', 'member', 'family')),
  ids          uuid[] not null default '{}',   -- items, faces or the member
  media_ids    uuid[] not null default '{}',   -- the items that the faces are on
  by_member    uuid,                           -- null: the sweep of the trash
  by_account   uuid,                           -- reads the receipt when the family is gone
  started_at   timestamptz not null default now(),
  asked_at     timestamptz not null default now(), -- when owners were asked last
  completed_at timestamptz,                    -- every owner has reported
  primary key (family_id, erasure_id)
);
create index erasures_open on family.erasures (asked_at) where completed_at is null;
create index erasures_by_account on family.erasures (by_account) where by_account is not null;
select db.protect_family('family.erasures');

-- No reference to the receipt: a report may come first, topics have no order among each other.
create table family.erasure_reports (
  family_id  uuid not null,
  erasure_id uuid not null,
  owner      text not null,
  rows       bigint not null,
  objects    bigint not null,
  done_at    timestamptz not null default now(),
  primary key (family_id, erasure_id, owner)
);
select db.protect_family('family.erasure_reports');
