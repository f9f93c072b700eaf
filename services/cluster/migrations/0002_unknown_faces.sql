-- When a face came into the album, and when the family's unknown faces are looked at next: those of nobody's people expire.
alter table cluster.faces add column taken_in_at timestamptz not null default now();
alter table cluster.families add column expiry_at timestamptz not null default now();
create index families_by_expiry on cluster.families (expiry_at);
