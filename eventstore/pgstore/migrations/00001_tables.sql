-- +goose Up

-- The store's own row. There is one. It is found by its highest position, never by a key that stays the same: while a
-- foreign transaction holds back vacuum, an index on position finds the newest version of the row at once, where a key
-- would walk through every version that a commit has left behind.
create table head (
    position       bigint      not null primary key,
    floor          bigint      not null default 0,
    recorded       timestamptz,
    store_id       text        not null default gen_random_uuid()::text,
    epoch          bigint      not null default 1,
    partitioned    bigint      not null default 0,          -- partitions of events exist below this position
    partition_size bigint      not null default 10000000
);
insert into head (position) values (0);

create table events (
    position       bigint      not null primary key,
    recorded       timestamptz not null,
    time           timestamptz,
    version        bigint      not null,
    typed_from     integer     not null,
    typed_to       integer     not null,
    type           text        collate "C" not null,
    subject        text        collate "C" not null,
    stream         text        collate "C" not null,
    source         text        collate "C" not null,
    id             text        collate "C" not null,
    correlation_id text        collate "C" not null,
    causation_id   text        collate "C" not null,
    to_instance    text        collate "C" not null,
    body           bytea       not null
) partition by range (position);

-- lz4 doubles the insert rate of batches against pglz; a server built without it keeps pglz.
-- +goose StatementBegin
do $$
begin
    alter table events alter column body set compression lz4;
exception when feature_not_supported then
    raise notice 'this server has no lz4: bodies are compressed with pglz';
end $$;
-- +goose StatementEnd

create index events_type        on events (type, position);
create index events_stream      on events (stream, version);
create index events_subject     on events (subject, position) where subject <> '';
create index events_source      on events (source, position);
create index events_correlation on events (correlation_id, position) where correlation_id <> '';
create index events_causation   on events (causation_id, position) where causation_id <> '';
create index events_recorded    on events using brin (recorded) with (pages_per_range = 32);

-- Source and id of every event there ever was, pruned ones too: the beginning of the id, and 16 bytes of a hash of both. Ids
-- that begin with the time lie together, so a commit changes pages that are in memory and in the log already.
create table dedupe (
    key       bytea  not null primary key,
    body_hash bytea  not null,
    position  bigint not null,
    version   bigint not null
);

create table streams (
    stream  text   collate "C" not null primary key,
    version bigint not null
) with (fillfactor = 80);

create table sagas (
    saga      text   collate "C" not null primary key,
    watermark bigint not null,
    fence     bigint not null,
    epoch     bigint not null
) with (fillfactor = 50);

create table definitions (
    saga       text        collate "C" not null,
    hash       text        collate "C" not null,
    generation bigint      not null,
    seen_at       timestamptz not null,
    primary key (saga, hash),
    unique (saga, generation)
) with (fillfactor = 50);

create table leases (
    name   text        collate "C" not null primary key,
    holder text        not null,
    fence  bigint      not null,
    until  timestamptz not null
) with (fillfactor = 50);

create table instances (
    id             text        collate "C" not null primary key,
    saga           text        collate "C" not null,
    key            text        collate "C" not null,
    revision       bigint      not null,
    status         text        collate "C" not null,
    terminal       boolean     not null,
    definition     integer     not null,
    phase          text        collate "C" not null,
    queued         integer     not null,
    created        timestamptz not null,
    updated        timestamptz not null,
    phase_since    timestamptz not null,
    stuck_at       timestamptz,
    correlation_id text        collate "C" not null,
    state          bytea,     -- JSON; hooksaga_instances shows it as such
    progress       bytea
) with (fillfactor = 70);
-- None on what changes at each step, as phase and stuck_at do: the row's new version is then a heap-only one.
create index instances_status      on instances (status, id);
create index instances_correlation on instances (correlation_id, id) where correlation_id <> '';
create index instances_queued      on instances (id) where queued > 0;
create index instances_open        on instances (id) where not terminal;

create table queue (
    guard    text        collate "C" not null primary key,
    saga     text        collate "C" not null,
    instance text        collate "C" not null,
    position bigint      not null,
    reason   text        collate "C" not null,
    error    text        not null,
    attempts integer     not null,
    redriven boolean     not null,
    since    timestamptz not null
) with (fillfactor = 70);
create index queue_position on queue (position, guard);
create index queue_instance on queue (instance, position);
create index queue_redriven on queue (position, guard) where redriven;

create table timers (
    id       text        collate "C" not null primary key,
    saga     text        collate "C" not null,
    instance text        collate "C" not null,
    name     text        collate "C" not null,
    armed    text        collate "C" not null,
    due      timestamptz not null
);
create index timers_due on timers (due);

create table commands (
    id             text        collate "C" not null primary key,
    name           text        collate "C" not null,
    money          boolean     not null,
    status         text        collate "C" not null,
    outcome        text        collate "C" not null,
    revision       bigint      not null,
    fence          bigint      not null,
    attempts       integer     not null,
    askers         integer     not null,
    created        timestamptz not null,
    updated        timestamptz not null,
    due            timestamptz not null,
    lease_until    timestamptz,
    first_claimed_at  timestamptz,
    abandoned_at      timestamptz,
    subject        text        collate "C" not null,
    correlation_id text        collate "C" not null,
    causation_id   text        collate "C" not null,
    last_error     text        not null,
    args_hash      bytea       not null,
    args           bytea,     -- JSON; hooksaga_commands shows it as such
    request        bytea,
    result         bytea      -- the outcome's body: whoever asks after the event was pruned is still answered
) with (fillfactor = 70);
create index commands_due         on commands (name, due) where status <> 'done';
create index commands_correlation on commands (correlation_id, id) where correlation_id <> '';

create table askers (
    command        text collate "C" not null,
    instance       text collate "C" not null,
    cause          text collate "C" not null,
    correlation_id text collate "C" not null,
    state          text collate "C" not null,
    primary key (command, instance, cause)
) with (fillfactor = 70);

-- +goose Down
drop table askers, commands, timers, queue, instances, leases, definitions, sagas, streams, dedupe, events, head;
