-- People without a name who may be somebody with one are no strangers. Runs say so; nobody is a stranger before one has.
alter table cluster.people add column perhaps_ours boolean not null default true;
-- When a word was taken back: that, too, is speaking about somebody.
alter table cluster.corrections add column undone_at timestamptz;
