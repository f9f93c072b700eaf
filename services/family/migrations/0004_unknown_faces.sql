-- How long faces of people whom nobody named, linked or confirmed are kept, days: other families' children do not stay.
alter table family.families add column unknown_faces_days integer not null default 90 check (unknown_faces_days between 7 and 365);
