-- Erasures whose last bytes wait to be removed: reported when no garbage of before is left.
create table render.erasures (
  family_id  uuid not null,
  erasure_id uuid not null,
  kind       text not null check (kind in ('item', 'family')),
  rows       bigint not null,
  objects    bigint not null default 0,
  at         timestamptz not null default now(),
  primary key (family_id, erasure_id)
);
select db.protect_family('render.erasures');
