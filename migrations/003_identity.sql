-- Who is asking, and what they did: sessions that can be told apart, API keys, signing keys, audit.

-- Suspended accounts keep their rows (orders name them), but nothing of theirs opens anything.
alter table accounts add column suspended_at timestamptz;
create index accounts_role on accounts (role, id);

-- A session is named by an id of its own: its token is a secret, and changes at each refresh.
alter table sessions add column id uuid not null default gen_random_uuid();
create unique index sessions_id on sessions (id);
-- What the owner sees when it looks for a session it does not know.
alter table sessions add column user_agent text check (length(user_agent) <= 200);
alter table sessions add column refreshed_at timestamptz;

create table api_keys (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  name text not null check (length(name) between 1 and 100),
  mode text not null check (mode in ('live', 'test')),
  -- The part of the key that may be shown: it finds the row.
  prefix text not null unique check (prefix ~ '^[a-z0-9]{12}$'),
  -- SHA-256 of the whole key: a stolen table opens nothing.
  secret_hash bytea not null,
  scopes text[] not null check (cardinality(scopes) between 1 and 16),
  -- The key's own limit; null takes the default of its account's role.
  requests_per_minute integer check (requests_per_minute between 1 and 1000000),
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  revoked_at timestamptz,
  -- To the minute: written behind the requests, not by them.
  last_used_at timestamptz
);
create index api_keys_account on api_keys (account_id, id);

-- Sessions and keys that ended, for processes that verify without asking: they read the newest rows
-- each second. Kept longer than any access token or cache entry lives, then swept.
create table revocations (
  -- A session's or a key's id.
  credential_id uuid not null,
  at timestamptz not null default clock_timestamp()
);
create index revocations_at on revocations (at);

-- Ed25519 keys that sign access tokens. A key is published before it signs, and published until the
-- last token it signed has ended.
create table signing_keys (
  kid text primary key,
  public_jwk jsonb not null,
  -- The private JWK under AES-256-GCM, its key derived from SECRET_KEY; 12 bytes of nonce first.
  private_key bytea not null,
  created_at timestamptz not null default clock_timestamp(),
  signs_from timestamptz not null,
  -- Null while it is the newest; after this it is neither published nor accepted.
  retires_at timestamptz
);

-- Appended in the transaction of what it tells. No secrets, no passwords, no e-mail addresses.
create table audit_log (
  id uuid primary key,
  at timestamptz not null default clock_timestamp(),
  -- Null where nobody was signed in (a failed login) or the system itself acted.
  actor_account_id uuid,
  credential_kind text,
  credential_id uuid,
  action text not null,
  subject_kind text,
  subject_id text,
  details jsonb not null,
  client_address text,
  request_id uuid
);
create index audit_log_at on audit_log (at);
create index audit_log_actor on audit_log (actor_account_id, id);
create index audit_log_subject on audit_log (subject_kind, subject_id, id);
create index audit_log_action on audit_log (action, id);
