-- While a family is moved to another version of the pipeline, what both versions saw stands side by side; `pipeline` of the family says which one holds.
alter table face.families
  add column pipeline integer not null default 1,
  add column next_pipeline integer,                          -- is being prepared beside the one that holds
  add column former_pipeline integer,                        -- held before the last switch, kept for a while so that one can go back
  add column upgrade_at timestamptz,                         -- when preparing began
  add column switched_at timestamptz,
  add column switch_anyway boolean not null default false,   -- an operator accepts what the next version fails at
  add check (next_pipeline <> pipeline),
  add check (former_pipeline <> pipeline);
create index families_between_versions on face.families (upgrade_at)
  where next_pipeline is not null or former_pipeline is not null;

alter table face.faces drop constraint faces_family_id_media_id_fkey;
alter table face.items drop constraint items_pkey;
alter table face.items add primary key (family_id, media_id, pipeline);
alter table face.faces add column pipeline integer not null default 1; -- the only version there was
alter table face.faces drop constraint faces_pkey;
alter table face.faces add primary key (family_id, id, pipeline);
alter table face.faces add foreign key (family_id, media_id, pipeline) references face.items on delete cascade;
