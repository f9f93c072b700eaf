-- How often a lease was given: the number of the next part. No two writers ever have the same, also not for the same place.
alter table ingest.uploads add column leases integer not null default 0;
