-- Vectors of two versions of the face pipeline cannot be compared: while a family's faces arrive anew in another version, its people stay as they are.
alter table cluster.faces add column pipeline integer not null default 1;
alter table cluster.families add column arriving boolean not null default false;
create index faces_by_pipeline on cluster.faces (family_id, pipeline);
