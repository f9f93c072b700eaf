-- What every schema stands on. Run as keepsake_owner, who owns schema db.

-- The family of this transaction; null (no rows) where none was set.
create function db.current_family() returns uuid language sql stable parallel safe
  return nullif(current_setting('app.family_id', true), '')::uuid;

-- Whether this transaction may cross families (set by Db.system only).
create function db.is_system() returns boolean language sql stable parallel safe
  return coalesce(current_setting('app.system', true), '') = 'on';

-- Forces row-level security on a table with a family_id. Owners obey it too.
create function db.protect_family(target regclass) returns void language plpgsql as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  execute format('drop policy if exists family on %s', target);
  -- As sub-selects they are evaluated once per statement, not once per row: a count over 100,000 rows takes a third of the time.
  execute format(
    'create policy family on %s using (family_id = (select db.current_family()) or (select db.is_system()))'
    ' with check (family_id = (select db.current_family()) or (select db.is_system()))', target);
end
$$;
