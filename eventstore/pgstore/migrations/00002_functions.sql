-- +goose Up

-- hooksaga_durable makes the transaction under way one that survives a crash once it is acknowledged, whatever the
-- role's defaults are, and refuses one whose snapshot is older than its statements.
-- +goose StatementBegin
create function hooksaga_durable() returns void language plpgsql volatile as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'hooksaga needs isolation level read committed, this transaction is %',
            current_setting('transaction_isolation') using errcode = '25000';
    end if;
    if current_setting('synchronous_commit') not in ('on', 'remote_apply') then
        perform set_config('synchronous_commit', 'on', true);
    end if;
end $$;
-- +goose StatementEnd

-- hooksaga_add_partition adds the next partition of events and returns the position below which partitions exist now.
-- It attaches a finished table, which waits neither for readers nor for writers, and runs with its owner's rights, as
-- the role that appends may not create tables. Callers hold the append lock.
-- +goose StatementBegin
create function hooksaga_add_partition() returns bigint language plpgsql volatile security definer as $$
declare
    lower_bound bigint;
    upper_bound bigint;
    name        text;
begin
    select h.partitioned, h.partitioned + h.partition_size into strict lower_bound, upper_bound
        from head h order by h.position desc limit 1;
    name := 'events_' || lower_bound;
    execute format('create table %I (like events including defaults including compression)
                    with (autovacuum_freeze_min_age = 0)', name);
    execute format('alter table events attach partition %I for values from (%s) to (%s)',
                   name, lower_bound, upper_bound);
    update head set partitioned = upper_bound;
    return upper_bound;
end $$;
-- +goose StatementEnd

-- A function with its owner's rights must not look names up in a schema that the caller chose.
-- +goose StatementBegin
do $$
begin
    execute format('alter function hooksaga_add_partition() set search_path = %I, pg_temp', current_schema());
end $$;
-- +goose StatementEnd
select hooksaga_add_partition();

-- +goose StatementBegin
create function hooksaga_announce(p_sagas text[], p_hashes text[], p_ttl bigint) returns setof definitions
    language plpgsql volatile as $$
begin
    perform pg_advisory_xact_lock(1751347045, 'definitions'::regclass::oid::int4);
    perform hooksaga_durable();
    insert into definitions as d (saga, hash, generation, seen_at)
    select n.saga, n.hash,
           coalesce((select max(g.generation) from definitions g where g.saga = n.saga), 0)
               + row_number() over (partition by n.saga, known.hash is null order by n.ord),
           clock_timestamp()
    from (select a.saga, a.hash, min(a.ord) as ord
          from unnest(p_sagas, p_hashes) with ordinality a(saga, hash, ord) group by a.saga, a.hash) n
         left join definitions known on known.saga = n.saga and known.hash = n.hash
    where known.hash is null;
    update definitions d set seen_at = greatest(d.seen_at, clock_timestamp())
    from unnest(p_sagas, p_hashes) a(saga, hash)
    where d.saga = a.saga and d.hash = a.hash;
    return query select * from definitions d
        where d.seen_at > clock_timestamp() - p_ttl * interval '1 microsecond'
           or (d.saga, d.hash) in (select a.saga, a.hash from unnest(p_sagas, p_hashes) a(saga, hash))
        order by d.saga, d.generation;
end $$;
-- +goose StatementEnd

-- +goose StatementBegin
create function hooksaga_acquire(p_name text, p_holder text, p_ttl bigint)
    returns table (holder text, fence bigint, until timestamptz, acquired boolean) language plpgsql volatile as $$
#variable_conflict use_column
begin
    perform hooksaga_durable();
    return query
    insert into leases as l (name, holder, fence, until)
    values (p_name, p_holder, 1, clock_timestamp() + p_ttl * interval '1 microsecond')
    on conflict (name) do update
    set holder = p_holder,
        fence  = l.fence + case when l.holder = p_holder and l.until > clock_timestamp() then 0 else 1 end,
        until  = clock_timestamp() + p_ttl * interval '1 microsecond'
    where l.holder = p_holder or l.until <= clock_timestamp()
    returning l.holder, l.fence, l.until, true;
    if not found then
        return query select l.holder, l.fence, l.until, false from leases l where l.name = p_name;
    end if;
end $$;
-- +goose StatementEnd

-- hooksaga_before returns the highest position whose event was recorded before a time; the floor, if there is none.
-- Recorded never runs backwards with position, so a search by halves finds it, and no index on time is needed.
-- +goose StatementBegin
create function hooksaga_before(p_time timestamptz) returns bigint language plpgsql stable as $$
declare
    below  bigint;   -- before p_time
    above  bigint;   -- not before it
    middle bigint;
    v_time timestamptz;
begin
    select h.floor, h.position + 1 into strict below, above from head h order by h.position desc limit 1;
    while above - below > 1 loop
        middle := below + (above - below) / 2;
        select e.recorded into v_time from events e where e.position = middle;
        if v_time < p_time then below := middle; else above := middle; end if;
    end loop;
    return below;
end $$;
-- +goose StatementEnd

-- hooksaga_claim looks at four times as many candidates as it may take, so that the ones another claim has locked do
-- not leave it with too few. What it takes is judged again after the lock.
-- +goose StatementBegin
create function hooksaga_claim(p_names text[], p_limit bigint, p_lease bigint) returns setof commands
    language plpgsql volatile
    set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off set enable_hashjoin = off
    set enable_mergejoin = off set enable_bitmapscan = off as $$
declare
    v_now timestamptz;
begin
    perform hooksaga_durable();
    v_now := clock_timestamp();
    return query
    with candidates as materialized (
        select c.id, c.due
        from unnest(p_names) n(name),
             lateral (select x.id, x.due from commands x
                      where x.name = n.name and x.status <> 'done' and x.due <= v_now
                      order by x.due limit p_limit * 4) c
        order by c.due limit p_limit * 4
    ), taken as materialized (
        select c.id
        from candidates o join commands c on c.id = o.id
        where c.status <> 'done' and c.due <= v_now
        order by o.due
        limit p_limit
        for update of c skip locked
    )
    update commands c
    set status        = case when c.status = 'pending' then 'claimed' else 'unknown' end,
        revision      = c.revision + 1,
        fence         = c.fence + 1,
        attempts      = c.attempts + 1,
        due           = v_now + p_lease * interval '1 microsecond',
        lease_until   = v_now + p_lease * interval '1 microsecond',
        first_claimed_at = coalesce(c.first_claimed_at, v_now),
        updated       = v_now
    from taken t
    where c.id = t.id
    returning c.*;
end $$;
-- +goose StatementEnd

-- hooksaga_grant gives a role what a running hooksaga needs and no more: events are only added and read, never
-- changed or removed.
-- +goose StatementBegin
create function hooksaga_grant(p_role text) returns void language plpgsql volatile as $$
begin
    execute format('grant usage on schema %I to %I', current_schema(), p_role);
    execute format('grant select, insert on events, dedupe to %I', p_role);
    execute format('grant select, insert, update on streams, sagas, definitions, leases, instances, commands, askers to %I', p_role);
    execute format('grant select, insert, update, delete on queue, timers to %I', p_role);
    execute format('grant select, update on head to %I', p_role);
    execute format('grant select on hooksaga_migrations, webhook_events_processed, hooksaga_events, hooksaga_decisions,
                    hooksaga_instances, hooksaga_commands to %I', p_role);
end $$;
-- +goose StatementEnd

-- +goose Down
drop function hooksaga_grant(text);
drop function hooksaga_claim(text[], bigint, bigint);
drop function hooksaga_before(timestamptz);
drop function hooksaga_acquire(text, text, bigint);
drop function hooksaga_announce(text[], text[], bigint);
drop function hooksaga_add_partition();
drop function hooksaga_durable();
