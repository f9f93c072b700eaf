-- Whose eyes each reader of the change feed had when he last read it: who lost a group, or the role of a parent, is told of what he no longer
-- sees, and who gained one of what he sees now.
create table album.feed_readers (
  family_id uuid not null,
  member_id uuid not null,
  parent    boolean not null,
  group_ids uuid[] not null,
  primary key (family_id, member_id)
);
select db.protect_family('album.feed_readers');
