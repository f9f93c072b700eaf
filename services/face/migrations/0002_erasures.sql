-- Erasures whose crops wait to be removed: reported when no mark of theirs is left.
create table face.erasures (
  family_id  uuid not null,
  erasure_id uuid not null,
  kind       text not null check (kind in ('item', 'face', 'consent', 'family')),
  media_ids  uuid[] not null default '{}',  -- with item and face
  rows       bigint not null,
  objects    bigint not null default 0,
  primary key (family_id, erasure_id)
);
select db.protect_family('face.erasures');

-- Where a face was that a parent had erased: what is found there again is left out. Places only, nothing of the face.
create table face.removed (
  family_id uuid not null,
  face_id   uuid not null,
  media_id  uuid not null,
  box       double precision[] not null check (cardinality(box) = 4), -- x, y, w, h of the picture as it was turned then
  rotation  integer not null check (rotation in (0, 90, 180, 270)),
  ranges    double precision[] not null default '{}',
  primary key (family_id, face_id)
);
create index removed_of_media on face.removed (family_id, media_id);
select db.protect_family('face.removed');
