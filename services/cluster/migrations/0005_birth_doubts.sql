-- What pictures say against the birth dates that parents gave.
create table cluster.birth_doubts (
  family_id   uuid not null,
  child_id    uuid not null,
  person_id   uuid not null,
  kind        text not null check (kind in ('before_birth', 'looks_older', 'looks_younger')),
  media_count integer not null,
  earliest    timestamptz,
  years       integer,
  followed      boolean not null,
  primary key (family_id, child_id, person_id)
);
select db.protect_family('cluster.birth_doubts');
