-- Faces that are being erased: ratings made with them are made again once face and cluster have reported. A report may come before the start.
create table rating.erasures (
  family_id  uuid not null,
  erasure_id uuid not null,
  kind       text not null check (kind in ('face', 'consent')),
  known      boolean not null default false,   -- which items is known
  media_ids  uuid[] not null default '{}',     -- with face
  reported   text[] not null default '{}',     -- face, cluster
  marked     boolean not null default false,   -- the items are marked to be rated again
  rows       bigint not null default 0,
  primary key (family_id, erasure_id)
);
select db.protect_family('rating.erasures');
