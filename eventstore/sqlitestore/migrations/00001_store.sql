-- +goose Up

-- Times are microseconds since 1970 in UTC, null for none. hooksaga_events shows them as text.

-- The store's own row. Pruning never touches position: numbers are not given twice.
create table head (
    one      integer primary key check (one = 1),
    position integer not null,
    floor    integer not null,          -- the highest pruned position
    recorded integer,                   -- of the newest event
    store_id text    not null,
    epoch    integer not null           -- counts restores from a backup
) strict;

insert into head (one, position, floor, store_id, epoch) values (1, 0, 0, lower(hex(randomblob(16))), 1);

create table events (
    position       integer primary key, -- 1, 2, 3 … in commit order
    recorded       integer not null,
    time           integer,
    source         text    not null,
    id             text    not null,
    type           text    not null,
    subject        text    not null,
    stream         text    not null,
    version        integer not null,
    correlation_id text    not null,
    causation_id   text    not null,
    to_instance    text    not null,
    body           blob    not null,    -- exactly as it arrived
    typed_from     integer not null,
    typed_to       integer not null
) strict;

create unique index events_stream on events (stream, version);
create index events_type on events (type);
create index events_correlation on events (correlation_id);
create index events_causation on events (causation_id) where causation_id <> '';
create index events_subject on events (subject) where subject <> '';
create index events_recorded on events (recorded);

-- Which (source, id) is stored, and where: for ever, also after the event itself was pruned.
create table dedupe (
    key       blob    primary key,     -- driver.DedupeKey
    position  integer not null,
    version   integer not null,
    body_hash blob    not null
) strict, without rowid;

create table streams (
    stream  text    primary key,
    version integer not null
) strict, without rowid;

create table sagas (
    saga      text    primary key,
    watermark integer not null,
    fence     integer not null,
    epoch     integer not null
) strict;

create table definitions (
    saga       text    not null,
    generation integer not null,
    hash       text    not null,
    seen_at    integer not null,
    primary key (saga, generation),
    unique (saga, hash)
) strict;

create table leases (
    name   text    primary key,
    holder text    not null,
    fence  integer not null,
    until  integer not null
) strict;

create table instances (
    id             text    primary key, -- saga/key
    saga           text    not null,
    key            text    not null,
    revision       integer not null,
    status         text    not null,
    terminal       integer not null,
    definition     integer not null,
    phase          text    not null,
    state          blob,
    progress       blob,
    queued         integer not null,
    correlation_id text    not null,
    created        integer not null,
    updated        integer not null,
    phase_since    integer not null,
    stuck_at       integer
) strict;

create index instances_saga on instances (saga, id);
create index instances_correlation on instances (correlation_id);
create index instances_stuck on instances (stuck_at) where stuck_at is not null and not terminal;
create index instances_queued on instances (id) where queued > 0;

create table queue (
    guard    text    primary key,
    saga     text    not null,
    instance text    not null,
    position integer not null,
    reason   text    not null,
    error    text    not null,
    attempts integer not null,
    redriven integer not null,
    since    integer not null
) strict;

create index queue_position on queue (position);
create index queue_instance on queue (instance, position);
create index queue_redriven on queue (position) where redriven;

create table timers (
    id       text    primary key,
    saga     text    not null,
    instance text    not null,
    name     text    not null,
    armed    text    not null,
    due      integer not null
) strict;

create index timers_due on timers (due);
create index timers_instance on timers (instance);

create table commands (
    id               text    primary key,
    name             text    not null,
    money            integer not null,
    args             blob,
    args_hash        blob    not null,
    request          blob,
    result           blob,
    revision         integer not null,
    status           text    not null,
    outcome          text    not null,
    fence            integer not null,
    attempts         integer not null,
    askers           integer not null,
    last_error       text    not null,
    correlation_id   text    not null,
    causation_id     text    not null,
    subject          text    not null,
    created          integer not null,
    due              integer not null,
    lease_until      integer,
    first_claimed_at integer,
    abandoned_at     integer,
    updated          integer not null
) strict;

create index commands_due on commands (due) where status <> 'done';
create index commands_correlation on commands (correlation_id);

create table askers (
    command        text not null,
    instance       text not null,
    cause          text not null,
    correlation_id text not null,
    state          text not null,
    primary key (command, instance, cause)
) strict;

-- For people: times and bytes as text.

create view hooksaga_events as
select position,
       strftime('%Y-%m-%dT%H:%M:%S', recorded / 1000000, 'unixepoch') || printf('.%06dZ', recorded % 1000000) as recorded,
       type, source, id, subject, stream, version,
       strftime('%Y-%m-%dT%H:%M:%fZ', time / 1000000.0, 'unixepoch') as time,
       correlation_id, causation_id, to_instance,
       cast(case when typed_from = 0 and typed_to = 0 then body else substr(body, typed_from + 1, typed_to - typed_from) end as text) as payload,
       cast(body as text) as body
from events;

create view hooksaga_decisions as
select position, recorded, stream, version, id, causation_id, correlation_id, body
from hooksaga_events where type = 'saga.decided' and source = 'hooksaga';

create view hooksaga_instances as
select id, saga, key, status, phase, terminal,
       strftime('%Y-%m-%dT%H:%M:%fZ', phase_since / 1000000.0, 'unixepoch') as phase_since,
       strftime('%Y-%m-%dT%H:%M:%fZ', stuck_at / 1000000.0, 'unixepoch') as stuck_at,
       queued,
       strftime('%Y-%m-%dT%H:%M:%fZ', created / 1000000.0, 'unixepoch') as created,
       strftime('%Y-%m-%dT%H:%M:%fZ', updated / 1000000.0, 'unixepoch') as updated,
       revision, definition, correlation_id, cast(state as text) as state, cast(progress as text) as progress
from instances;

create view hooksaga_commands as
select c.id, c.name, c.status, c.outcome, c.subject, c.attempts,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.due / 1000000.0, 'unixepoch') as due,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.first_claimed_at / 1000000.0, 'unixepoch') as first_claimed_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.lease_until / 1000000.0, 'unixepoch') as lease_until,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.abandoned_at / 1000000.0, 'unixepoch') as abandoned_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.created / 1000000.0, 'unixepoch') as created,
       strftime('%Y-%m-%dT%H:%M:%fZ', c.updated / 1000000.0, 'unixepoch') as updated,
       c.last_error, c.correlation_id, c.causation_id, c.money, cast(c.args as text) as args,
       (select count(*) from askers a where a.command = c.id) as asked
from commands c;

-- Every webhook that was taken in, in the form that receivers of webhooks commonly keep.
create view webhook_events_processed as
select id, recorded as received_at from hooksaga_events where source <> 'hooksaga';

-- +goose Down
drop view webhook_events_processed;
drop view hooksaga_commands;
drop view hooksaga_instances;
drop view hooksaga_decisions;
drop view hooksaga_events;
drop table askers;
drop table commands;
drop table timers;
drop table queue;
drop table instances;
drop table leases;
drop table definitions;
drop table sagas;
drop table streams;
drop table dedupe;
drop table events;
drop table head;
