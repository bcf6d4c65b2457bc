-- +goose Up

-- hooksaga_commit stores the batches of one call. Every argument is the column of one kind of row; *_batch says which
-- batch, from 1, a row belongs to; a kind without rows is null. It is called as one statement of its own, so the lock
-- is held for as long as the database works and commits, and never while a client thinks.
--
--   1. the append lock, before any row lock (a batch that held a row and waited for the lock would deadlock with the
--      one that holds the lock and wants the row), then the settings that make the commit durable;
--   2. judge: every statement sees what the lock's last holder committed, because each takes its own snapshot;
--   3. number the events of the batches that are left, and store;
--   4. one small row back. Places follow from it: the n-th event stored lies at o_base + n.
--
-- Codes in o_lost are driver.Code. Plans are pinned: made while the tables are empty, they must stay good when these
-- are large (measured: half the throughput is lost otherwise).
-- +goose StatementBegin
create function hooksaga_commit(
    e_batch int4[], e_key bytea[], e_hash bytea[], e_known int2[], e_expect int8[], e_stream int4[], e_nth int4[],
    e_id text[], e_source text[], e_type text[], e_subject text[], e_time timestamptz[], e_correlation text[],
    e_causation text[], e_to text[], e_from int4[], e_till int4[], e_body bytea[],
    s_name text[], s_count int4[],
    i_batch int4[], i_revision int8[], i_id text[], i_saga text[], i_key text[], i_status text[], i_terminal bool[],
    i_definition int4[], i_phase text[], i_state bytea[], i_progress bytea[], i_queued int4[], i_correlation text[],
    i_stuck int8[],
    q_batch int4[], q_op int2[], q_guard text[], q_key bytea[], q_saga text[], q_instance text[], q_position int8[],
    q_reason text[], q_error text[], q_attempts int4[], q_redriven bool[],
    t_batch int4[], t_op int2[], t_id text[], t_saga text[], t_instance text[], t_name text[], t_armed text[],
    t_due timestamptz[], t_after int8[],
    c_batch int4[], c_revision int8[], c_id text[], c_name text[], c_money bool[], c_args bytea[], c_args_hash bytea[],
    c_request bytea[], c_status text[], c_outcome text[], c_fence int8[], c_attempts int4[], c_askers int4[],
    c_error text[], c_correlation text[], c_causation text[], c_subject text[], c_due int8[], c_lease int8[],
    c_abandon bool[], c_rescue bool[],
    a_batch int4[], a_command text[], a_instance text[], a_cause text[], a_correlation text[], a_state text[],
    x_batch int4[], x_saga text[],
    out o_base bigint, out o_recorded timestamptz, out o_versions bigint[], out o_known text, out o_lost text)
language plpgsql volatile
set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_bitmapscan = off
as $$
declare
    us         constant interval := interval '1 microsecond';
    v_room     bigint;     -- partitions exist below
    v_spare    bigint;
    v_events   int := 0;   -- how many are stored
    v_dropping bool := false;
    v_place    int4[];     -- while dropping: the event is the n-th that is stored, null if it is not
    v_added    bigint;
    v_changed  bigint;
    k_ord      bigint[];   -- known events: which of the call's, and where they lie
    k_position bigint[];
    k_version  bigint[];
    k_hash     bytea[];
    l_batch    int4[] := '{}';   -- batches that are lost, and why: the first entry of a batch counts
    l_code     int2[];
    l_subject  text[];
    l_actual   bigint[];
    v_stream   record;
begin
    perform pg_advisory_xact_lock(1751347043, 'head'::regclass::oid::int4);
    perform hooksaga_durable();
    select h.position, greatest(h.recorded, clock_timestamp()), h.partitioned, h.partition_size / 10
        into o_base, o_recorded, v_room, v_spare
        from head h order by h.position desc limit 1;
    if o_base is null then
        raise exception 'the head row is missing' using errcode = 'XX001';
    end if;

    -- Judge. Known ids first.
    if e_key is not null then
        v_events := cardinality(e_key);
        select array_agg(k.ord), array_agg(d.position), array_agg(d.version), array_agg(d.body_hash)
            into k_ord, k_position, k_version, k_hash
            from unnest(e_key) with ordinality k(key, ord) join dedupe d on d.key = k.key;
        if k_ord is not null then
            select array_agg(e_batch[j.ord] order by j.code, j.ord), array_agg(j.code order by j.code, j.ord),
                   array_agg(case j.code when 2 then e_source[j.ord] || ' ' || e_id[j.ord] else '' end order by j.code, j.ord),
                   array_agg(0::bigint)
                into l_batch, l_code, l_subject, l_actual
                from (select k.ord, (case when e_known[k.ord] = 1 then 1
                                          when e_known[k.ord] = 2 and k.hash <> e_hash[k.ord] then 2 end)::int2 as code
                      from unnest(k_ord, k_hash) k(ord, hash)) j
                where j.code is not null;
            l_batch := coalesce(l_batch, '{}');
        end if;
        select array_agg(coalesce(s.version, 0) order by n.ord) into o_versions
            from unnest(s_name) with ordinality n(name, ord) left join streams s on s.stream = n.name;
        if e_expect is not null then
            select l_batch || array_agg(j.batch order by j.ord), l_code || array_agg(3::int2),
                   l_subject || array_agg(s_name[j.stream] order by j.ord),
                   l_actual || array_agg(o_versions[j.stream] order by j.ord)
                into l_batch, l_code, l_subject, l_actual
                from unnest(e_batch, e_expect, e_stream) with ordinality j(batch, expect, stream, ord)
                where j.expect >= 0 and j.expect <> o_versions[j.stream]
                  and (k_ord is null or not j.ord = any(k_ord));
        end if;
    end if;
    if q_batch is not null then
        select l_batch || array_agg(j.batch order by j.code, j.ord), l_code || array_agg(j.code order by j.code, j.ord),
               l_subject || array_agg(j.guard order by j.code, j.ord), l_actual || array_agg(0::bigint)
            into l_batch, l_code, l_subject, l_actual
            from (select n.batch, n.guard, n.ord,
                         (case when n.op in (0, 1) and (q.guard is not null or d.key is not null) then 1
                               when n.op in (2, 3) and q.guard is null then 4 end)::int2 as code
                  from unnest(q_batch, q_op, q_guard, q_key) with ordinality n(batch, op, guard, key, ord)
                       left join queue q on q.guard = n.guard left join dedupe d on d.key = n.key) j
            where j.code is not null;
    end if;
    if i_batch is not null then
        select l_batch || array_agg(n.batch order by n.ord), l_code || array_agg(4::int2),
               l_subject || array_agg(n.id order by n.ord), l_actual || array_agg(coalesce(i.revision, 0) order by n.ord)
            into l_batch, l_code, l_subject, l_actual
            from unnest(i_batch, i_id, i_revision) with ordinality n(batch, id, revision, ord)
                 left join instances i on i.id = n.id
            where coalesce(i.revision, 0) <> n.revision;
    end if;
    if c_batch is not null then
        select l_batch || array_agg(n.batch order by n.ord), l_code || array_agg(4::int2),
               l_subject || array_agg(n.id order by n.ord), l_actual || array_agg(coalesce(c.revision, 0) order by n.ord)
            into l_batch, l_code, l_subject, l_actual
            from unnest(c_batch, c_id, c_revision) with ordinality n(batch, id, revision, ord)
                 left join commands c on c.id = n.id
            where coalesce(c.revision, 0) <> n.revision;
    end if;
    if 2 = any(t_op) then
        select l_batch || array_agg(n.batch order by n.ord), l_code || array_agg(4::int2),
               l_subject || array_agg(n.id order by n.ord), l_actual || array_agg(0::bigint)
            into l_batch, l_code, l_subject, l_actual
            from unnest(t_batch, t_op, t_id) with ordinality n(batch, op, id, ord) left join timers t on t.id = n.id
            where n.op = 2 and t.id is null;
    end if;

    -- Number the events that are left. Unless some are dropped, the client has done it already.
    v_dropping := k_ord is not null or cardinality(l_batch) > 0;
    if v_dropping then
        if k_ord is not null then
            o_known := json_build_array(k_ord, k_position, k_version);
        end if;
        if cardinality(l_batch) > 0 then
            o_lost := json_build_array(l_batch, l_code, l_subject, l_actual);
        end if;
    end if;
    if v_dropping and e_key is not null then
        select array_agg(case when w.live then w.place end order by w.ord), array_agg(w.nth order by w.ord),
               count(*) filter (where w.live)
            into v_place, e_nth, v_events
            from (select j.ord, j.live, row_number() over (partition by j.live order by j.ord)::int4 as place,
                         row_number() over (partition by j.live, j.stream order by j.ord)::int4 as nth
                  from (select e.ord, e.stream,
                               not (e.batch = any(l_batch) or (k_ord is not null and e.ord = any(k_ord))) as live
                        from unnest(e_batch, e_stream) with ordinality e(batch, stream, ord)) j) w;
        s_count := array_fill(0, array[cardinality(s_name)]);
        for v_stream in
            select e.stream, count(*)::int4 as events from unnest(e_stream, v_place) e(stream, place)
            where e.place is not null group by e.stream
        loop
            s_count[v_stream.stream] := v_stream.events;
        end loop;
    end if;

    -- Store.
    if v_events > 0 then
        while o_base + v_events >= v_room loop
            v_room := hooksaga_add_partition();
        end loop;
        if o_base + v_events + v_spare >= v_room then
            begin
                perform set_config('lock_timeout', '100ms', true);
                perform hooksaga_add_partition();
            exception when lock_not_available then
                null; -- there is room left; a later commit tries again
            end;
        end if;
        insert into events (position, recorded, time, version, typed_from, typed_to, type, subject, stream, source, id,
                            correlation_id, causation_id, to_instance, body)
        select o_base + case when v_dropping then v_place[e.ord] else e.ord end, o_recorded, e_time[e.ord],
               o_versions[e_stream[e.ord]] + e_nth[e.ord], e_from[e.ord], e_till[e.ord], e_type[e.ord], e_subject[e.ord],
               s_name[e_stream[e.ord]], e_source[e.ord], e_id[e.ord], e_correlation[e.ord], e_causation[e.ord],
               e_to[e.ord], e_body[e.ord]
        from generate_series(1, cardinality(e_key)) e(ord)
        where not v_dropping or v_place[e.ord] is not null;
        insert into dedupe (key, body_hash, position, version)
        select e.key, e.hash, o_base + case when v_dropping then e.place else e.ord end, o_versions[e.stream] + e.nth
        from unnest(v_place, e_stream, e_nth, e_key, e_hash) with ordinality e(place, stream, nth, key, hash, ord)
        where not v_dropping or e.place is not null;
        if 0 = any(o_versions) then
            insert into streams (stream, version)
            select n.name, n.events from unnest(s_name, s_count, o_versions) n(name, events, version)
            where n.version = 0 and n.events > 0;
        end if;
        if 0 < any(o_versions) then
            update streams s set version = n.version + n.events
            from unnest(s_name, s_count, o_versions) n(name, events, version)
            where s.stream = n.name and n.version > 0 and n.events > 0;
        end if;
        update head set position = o_base + v_events, recorded = o_recorded where position = o_base;
    end if;
    if i_batch is not null then
        if 0 = any(i_revision) then
            insert into instances (id, saga, key, revision, status, terminal, definition, phase, queued, created,
                                   updated, phase_since, stuck_at, correlation_id, state, progress)
            select n.id, n.saga, n.key, 1, n.status, n.terminal, n.definition, n.phase, n.queued, o_recorded,
                   o_recorded, o_recorded, case when n.stuck > 0 then o_recorded + n.stuck * us end, n.correlation,
                   n.state, n.progress
            from unnest(i_batch, i_revision, i_id, i_saga, i_key, i_status, i_terminal, i_definition, i_phase, i_state,
                        i_progress, i_queued, i_correlation, i_stuck)
                 n(batch, revision, id, saga, key, status, terminal, definition, phase, state, progress, queued,
                   correlation, stuck)
            where n.revision = 0 and not n.batch = any(l_batch);
        end if;
        if 0 < any(i_revision) then
            update instances i
            set revision = n.revision + 1, saga = n.saga, key = n.key, status = n.status, terminal = n.terminal,
                definition = n.definition, phase = n.phase, queued = n.queued, updated = o_recorded,
                phase_since = case when i.phase = n.phase then i.phase_since else o_recorded end,
                stuck_at = case when n.stuck > 0
                                then case when i.phase = n.phase then i.phase_since else o_recorded end + n.stuck * us end,
                correlation_id = n.correlation, state = n.state, progress = n.progress
            from unnest(i_batch, i_revision, i_id, i_saga, i_key, i_status, i_terminal, i_definition, i_phase, i_state,
                        i_progress, i_queued, i_correlation, i_stuck)
                 n(batch, revision, id, saga, key, status, terminal, definition, phase, state, progress, queued,
                   correlation, stuck)
            where i.id = n.id and n.revision > 0 and not n.batch = any(l_batch);
        end if;
    end if;
    if c_batch is not null then
        insert into commands (id, name, money, status, outcome, revision, fence, attempts, askers, created, updated, due,
                              lease_until, first_claimed_at, abandoned_at, subject, correlation_id, causation_id, last_error,
                              args_hash, args, request)
        select n.id, n.name, n.money, n.status, n.outcome, 1, n.fence, n.attempts, n.askers, o_recorded, o_recorded,
               o_recorded + case when n.lease > 0 then n.lease else n.due end * us,
               case when n.lease > 0 then o_recorded + n.lease * us end, case when n.lease > 0 then o_recorded end,
               case when n.abandon and not n.rescue then o_recorded end, n.subject, n.correlation, n.causation, n.error, n.args_hash,
               n.args, n.request
        from unnest(c_batch, c_revision, c_id, c_name, c_money, c_args, c_args_hash, c_request, c_status, c_outcome,
                    c_fence, c_attempts, c_askers, c_error, c_correlation, c_causation, c_subject, c_due, c_lease,
                    c_abandon, c_rescue)
             n(batch, revision, id, name, money, args, args_hash, request, status, outcome, fence, attempts, askers,
               error, correlation, causation, subject, due, lease, abandon, rescue)
        where n.revision = 0 and not n.batch = any(l_batch);
        get diagnostics v_added = row_count;
        if v_added < cardinality(c_batch) then
            update commands c
            set name = n.name, money = n.money, status = n.status, outcome = n.outcome, revision = n.revision + 1,
                fence = n.fence, attempts = n.attempts, askers = n.askers, updated = o_recorded,
                due = case when n.lease > 0 then o_recorded + n.lease * us
                           when n.due > 0 then o_recorded + n.due * us else c.due end,
                lease_until = case when n.lease > 0 then o_recorded + n.lease * us
                                   when n.due > 0 then null else c.lease_until end,
                first_claimed_at = case when n.lease > 0 then coalesce(c.first_claimed_at, o_recorded)
                                        else c.first_claimed_at end,
                abandoned_at = case when n.rescue then null when n.abandon then coalesce(c.abandoned_at, o_recorded)
                                    else c.abandoned_at end,
                subject = n.subject, correlation_id = n.correlation, causation_id = n.causation, last_error = n.error,
                args_hash = n.args_hash, args = n.args, request = n.request
            from unnest(c_batch, c_revision, c_id, c_name, c_money, c_args, c_args_hash, c_request, c_status, c_outcome,
                        c_fence, c_attempts, c_askers, c_error, c_correlation, c_causation, c_subject, c_due, c_lease,
                        c_abandon, c_rescue)
                 n(batch, revision, id, name, money, args, args_hash, request, status, outcome, fence, attempts, askers,
                   error, correlation, causation, subject, due, lease, abandon, rescue)
            where c.id = n.id and c.revision = n.revision and n.revision > 0 and not n.batch = any(l_batch);
            -- A claim takes no append lock: one that came after the judgement leaves a row unchanged here.
            get diagnostics v_changed = row_count;
            if v_added + v_changed < (select count(*) from unnest(c_batch) n(batch) where not n.batch = any(l_batch)) then
                raise exception 'a command was claimed meanwhile' using errcode = '40001';
            end if;
        end if;
    end if;
    if q_batch is not null then
        if 2 = any(q_op) then
            delete from queue q using unnest(q_batch, q_op, q_guard) n(batch, op, guard)
            where q.guard = n.guard and n.op = 2 and not n.batch = any(l_batch);
        end if;
        if 3 = any(q_op) then
            update queue q set instance = n.instance, reason = n.reason, error = n.error, attempts = n.attempts, redriven = n.redriven
            from unnest(q_batch, q_op, q_guard, q_instance, q_reason, q_error, q_attempts, q_redriven)
                 n(batch, op, guard, instance, reason, error, attempts, redriven)
            where q.guard = n.guard and n.op = 3 and not n.batch = any(l_batch);
        end if;
        if 1 = any(q_op) then
            insert into queue (guard, saga, instance, position, reason, error, attempts, redriven, since)
            select n.guard, n.saga, n.instance, n.position, n.reason, n.error, n.attempts, n.redriven,
                   o_recorded
            from unnest(q_batch, q_op, q_guard, q_saga, q_instance, q_position, q_reason, q_error, q_attempts,
                        q_redriven)
                 n(batch, op, guard, saga, instance, position, reason, error, attempts, redriven)
            where n.op = 1 and not n.batch = any(l_batch);
        end if;
    end if;
    if t_batch is not null then
        if 1 = any(t_op) or 2 = any(t_op) then
            delete from timers t using unnest(t_batch, t_op, t_id) n(batch, op, id)
            where t.id = n.id and n.op in (1, 2) and not n.batch = any(l_batch);
        end if;
        if 0 = any(t_op) then
            insert into timers (id, saga, instance, name, armed, due)
            select n.id, n.saga, n.instance, n.name, n.armed, coalesce(n.due, o_recorded + n.after * us)
            from unnest(t_batch, t_op, t_id, t_saga, t_instance, t_name, t_armed, t_due, t_after)
                 n(batch, op, id, saga, instance, name, armed, due, after)
            where n.op = 0 and not n.batch = any(l_batch)
            on conflict (id) do update set saga = excluded.saga, instance = excluded.instance, name = excluded.name,
                armed = excluded.armed, due = excluded.due;
        end if;
    end if;
    if a_batch is not null then
        insert into askers (command, instance, cause, correlation_id, state)
        select n.command, n.instance, n.cause, n.correlation, n.state
        from unnest(a_batch, a_command, a_instance, a_cause, a_correlation, a_state)
             n(batch, command, instance, cause, correlation, state)
        where not n.batch = any(l_batch)
        on conflict (command, instance, cause) do update set state = excluded.state;
    end if;
    if x_batch is not null then
        insert into sagas (saga, watermark, fence, epoch)
        select n.saga,
               coalesce(k_position[array_position(k_ord, n.ord::bigint)],
                        o_base + case when v_dropping then v_place[n.ord] else n.ord end, o_base),
               0, (select h.epoch from head h order by h.position desc limit 1)
        from (select x.saga, array_position(e_batch, x.batch) as ord
              from unnest(x_batch, x_saga) x(batch, saga) where not x.batch = any(l_batch)) n
        on conflict (saga) do nothing;
    end if;
end $$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
do $$
begin
    execute 'drop function ' || 'hooksaga_commit'::regproc::oid::regprocedure;
end $$;
-- +goose StatementEnd
