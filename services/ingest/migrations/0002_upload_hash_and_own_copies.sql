-- The hash of an upload's bytes up to its position, where one writer saw them all: finishing then reads nothing again.
alter table ingest.uploads add column sha256 text;

-- The same bytes may be several items: who may not see the one that is there gets one of their own, and so does who uploads again what was
-- erased but is not gone yet. Among those who see it, the same bytes stay one item.
alter table ingest.contents drop constraint contents_pkey;
alter table ingest.contents add primary key (family_id, sha256, media_id);
