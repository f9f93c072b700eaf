-- A service is ready when its schema is what its build expects: for that it reads what was applied, and nothing else of it.
grant select on db.migrations to keepsake_service;
