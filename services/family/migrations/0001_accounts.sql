-- People who sign in. An account belongs to no family; members tie it to families.
create table family.accounts (
  account_id    uuid primary key default uuidv7(),
  email         text not null unique,   -- normalised: trimmed, NFKC, lower case
  name          text not null,
  password_hash text not null,          -- argon2id, PHC string
  created_at    timestamptz not null default now()
);

-- One chain of refresh tokens; access tokens name it, so revoking it stops both at once.
create table family.sessions (
  session_id uuid primary key default uuidv7(),
  account_id uuid not null references family.accounts on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_for text                      -- signed_out, refresh_reused, account_removed
);
create index on family.sessions (account_id);

create table family.refresh_tokens (
  token_hash bytea primary key,         -- SHA-256; the token itself is never stored
  session_id uuid not null references family.sessions on delete cascade,
  created_at timestamptz not null default now(),
  used_at    timestamptz
);
create index on family.refresh_tokens (session_id);

create table family.api_keys (
  api_key_id  uuid primary key default uuidv7(),
  account_id  uuid not null references family.accounts on delete cascade,
  name        text not null,
  secret_hash bytea not null unique,    -- SHA-256 of 256 random bits: nothing to guess, so no slow hash
  scopes      text[] not null,
  created_at  timestamptz not null default now(),
  expires_at  timestamptz
);
create index on family.api_keys (account_id);

-- Failed sign-ins per address and per remote address, in windows of 15 minutes.
create table family.sign_in_failures (
  key          text not null,
  window_start timestamptz not null,
  failures     int not null,
  primary key (key, window_start)
);

-- What an Idempotency-Key has answered already.
create table family.idempotency (
  scope        text not null,           -- the account or family that sent the key
  key          text not null,
  request_hash bytea not null,
  response     bytea not null,
  at           timestamptz not null default now(),
  primary key (scope, key)
);
