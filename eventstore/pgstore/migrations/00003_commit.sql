-- +goose Up

-- hooksaga_commit stores the batches of one call. Every argument is the column of one kind of row; *_batch says which
-- batch, from 1, a row belongs to; a kind without rows is null. The long columns come last: the client's buffer grows
-- with each, and is copied when it does. It is called as one statement of its own, so the lock is held for as long as
-- the database works and commits, and never while a client thinks.
--
--   1. the append lock, before any row lock (a batch that held a row and waited for the lock would deadlock with the
--      one that holds the lock and wants the row), then the settings that make the commit durable;
--   2. store, as if nothing stood against it: the rows' keys and revisions tell if something does, and then everything
--      since 1 is undone. Most calls end here, and are spared a seventh of the work and more. A caller that expects a
--      version, queues or fires, or has just lost something, sets p_judge, and begins with 3;
--   3. judge: every statement sees what the lock's last holder committed, because each takes its own snapshot; then
--      number the events of the batches that are left, and store those;
--   4. one small text back: an array of the head, the time in microseconds, and the version of each stream, after this call;
--      where something is known or lost, a line for each. Places follow from it: the last event stored lies at the head. It
--      is not a row of columns: to find out their types costs 12 to 24 µs a call.
--
-- Codes in l_code are driver.Code. Plans are pinned: made while the tables are empty, they must stay good when these
-- are large (measured: half the throughput is lost otherwise). Rows of many columns are read from the arrays by
-- subscript, which costs a tenth to a fifth less than an unnest of all columns (measured; plpgsql keeps arrays apart).
-- +goose StatementBegin
create function hooksaga_commit(
    e_batch int4[], e_key bytea[], e_hash bytea[], e_known int2[], e_expect int8[], e_stream int4[], e_nth int4[],
    e_id text[], e_source text[], e_type text[], e_subject text[], e_time timestamptz[], e_correlation text[],
    e_causation text[], e_to text[], e_from int4[], e_till int4[],
    s_name text[], s_count int4[],
    i_batch int4[], i_revision int8[], i_id text[], i_saga text[], i_key text[], i_status text[], i_terminal bool[],
    i_definition int4[], i_phase text[], i_queued int4[], i_correlation text[],
    i_stuck int8[],
    q_batch int4[], q_op int2[], q_guard text[], q_key bytea[], q_saga text[], q_instance text[], q_position int8[],
    q_reason text[], q_error text[], q_attempts int4[], q_redriven bool[],
    t_batch int4[], t_op int2[], t_id text[], t_saga text[], t_instance text[], t_name text[], t_armed text[],
    t_due timestamptz[], t_after int8[],
    c_batch int4[], c_revision int8[], c_id text[], c_name text[], c_money bool[], c_args_hash bytea[],
    c_status text[], c_outcome text[], c_fence int8[], c_attempts int4[], c_askers int4[],
    c_error text[], c_correlation text[], c_causation text[], c_subject text[], c_due int8[], c_lease int8[],
    c_abandon bool[], c_rescue bool[],
    a_batch int4[], a_command text[], a_instance text[], a_cause text[], a_correlation text[], a_state text[],
    x_batch int4[], x_saga text[],
    p_judge bool,
    c_args bytea[], c_request bytea[], c_result bytea[], i_progress bytea[], i_state bytea[], e_body bytea[])
returns text language plpgsql volatile
set plan_cache_mode = force_generic_plan set jit = off set enable_seqscan = off set enable_hashjoin = off
set enable_mergejoin = off set enable_bitmapscan = off
as $$
declare
    us         constant interval := interval '1 microsecond';
    v_base     bigint;     -- head before
    v_recorded timestamptz;
    v_versions bigint[];   -- of each stream: before, while judging; after, once they are stored
    v_void     text;
    v_room     bigint;     -- partitions exist below
    v_spare    bigint;     -- with less room than that, the next one is tried for,
    v_step     bigint;     -- once in so many events
    v_judge    bool := p_judge;
    v_events   int := coalesce(cardinality(e_key), 0);   -- how many are stored
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
    -- Expressions cost a fraction of what statements do.
    v_void := pg_advisory_xact_lock(1751347043, 'head'::regclass::oid::int4)::text;
    v_void := hooksaga_durable()::text;

    loop
        if v_judge then
            -- Known ids first.
            if e_key is not null then
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
                select array_agg(coalesce(s.version, 0) order by n.ord) into v_versions
                    from unnest(s_name) with ordinality n(name, ord) left join streams s on s.stream = n.name;
                if e_expect is not null then
                    select l_batch || array_agg(j.batch order by j.ord), l_code || array_agg(3::int2),
                           l_subject || array_agg(s_name[j.stream] order by j.ord),
                           l_actual || array_agg(v_versions[j.stream] order by j.ord)
                        into l_batch, l_code, l_subject, l_actual
                        from unnest(e_batch, e_expect, e_stream) with ordinality j(batch, expect, stream, ord)
                        where j.expect >= 0 and j.expect <> v_versions[j.stream]
                          and (k_ord is null or not j.ord = any(k_ord));
                end if;
            end if;
            if q_batch is not null then
                select l_batch || array_agg(j.batch order by j.code, j.ord), l_code || array_agg(j.code order by j.code, j.ord),
                       l_subject || array_agg(j.guard order by j.code, j.ord), l_actual || array_agg(0::bigint)
                    into l_batch, l_code, l_subject, l_actual
                    from (select n.batch, n.guard, n.ord,
                                 (case when n.op in (0, 1) and (q.guard is not null or d.key is not null) then 1
                                       when n.op in (2, 3) and q.guard is null then 4
                                       when n.op = 3 and n.instance = '' and q.instance <> '' then 4 end)::int2 as code
                          from unnest(q_batch, q_op, q_guard, q_key, q_instance) with ordinality n(batch, op, guard, key, instance, ord)
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
        end if;

        -- Store. What is in the way of what was not judged is found by keys and revisions.
        begin
            if v_events > 0 then
                update head h set position = h.position + v_events, recorded = greatest(h.recorded, clock_timestamp())
                    where h.position = (select n.position from head n order by n.position desc limit 1)
                    returning h.position - v_events, h.recorded, h.partitioned, h.partition_size / 10, greatest(h.partition_size / 1000, 1)
                    into v_base, v_recorded, v_room, v_spare, v_step;
            else
                select h.position, greatest(h.recorded, clock_timestamp()) into v_base, v_recorded
                    from head h order by h.position desc limit 1;
            end if;
            if v_base is null then
                raise exception 'the head row is missing' using errcode = 'XX001';
            end if;
            if v_events > 0 then
                while v_base + v_events >= v_room loop
                    v_room := hooksaga_add_partition();
                end loop;
                if v_base + v_events + v_spare >= v_room and v_base / v_step < (v_base + v_events) / v_step then
                    begin
                        perform set_config('lock_timeout', '100ms', true);
                        perform hooksaga_add_partition();
                    exception when others then -- there is room left; a later commit tries again
                        raise warning 'hooksaga could not add a partition of events ahead: %', sqlerrm;
                    end;
                end if;
                if v_judge then
                    insert into streams as s (stream, version)
                    select n.name, n.events from unnest(s_name, s_count) n(name, events) where n.events > 0
                    on conflict (stream) do update set version = s.version + excluded.version;
                    select array_agg(n.version + n.events order by n.ord) into v_versions
                        from unnest(v_versions, s_count) with ordinality n(version, events, ord);
                else
                    with moved as (
                        insert into streams as s (stream, version)
                        select s_name[n.ord], s_count[n.ord] from generate_series(1, cardinality(s_name)) n(ord)
                        on conflict (stream) do update set version = s.version + excluded.version
                        returning s.version
                    )
                    select array_agg(m.version) into v_versions from moved m;
                end if;
                insert into events (position, recorded, time, version, typed_from, typed_to, type, subject, stream, source, id,
                                    correlation_id, causation_id, to_instance, body)
                select v_base + case when v_dropping then v_place[e.ord] else e.ord end, v_recorded, e_time[e.ord],
                       v_versions[e_stream[e.ord]] - s_count[e_stream[e.ord]] + e_nth[e.ord], e_from[e.ord], e_till[e.ord], e_type[e.ord], e_subject[e.ord],
                       s_name[e_stream[e.ord]], e_source[e.ord], e_id[e.ord], e_correlation[e.ord], e_causation[e.ord],
                       e_to[e.ord], e_body[e.ord]
                from generate_series(1, cardinality(e_key)) e(ord)
                where not v_dropping or v_place[e.ord] is not null;
                insert into dedupe (key, body_hash, position, version)
                select e_key[e.ord], e_hash[e.ord], v_base + case when v_dropping then v_place[e.ord] else e.ord end,
                       v_versions[e_stream[e.ord]] - s_count[e_stream[e.ord]] + e_nth[e.ord]
                from generate_series(1, cardinality(e_key)) e(ord)
                where not v_dropping or v_place[e.ord] is not null;
            end if;
            if i_batch is not null then
                v_added := 0;
                v_changed := 0;
                if 0 = any(i_revision) then
                    insert into instances (id, saga, key, revision, status, terminal, definition, phase, queued, created,
                                           updated, phase_since, stuck_at, correlation_id, state, progress)
                    select i_id[n.ord], i_saga[n.ord], i_key[n.ord], 1, i_status[n.ord], i_terminal[n.ord], i_definition[n.ord],
                           i_phase[n.ord], i_queued[n.ord], v_recorded, v_recorded, v_recorded,
                           case when i_stuck[n.ord] > 0 then v_recorded + i_stuck[n.ord] * us end, i_correlation[n.ord],
                           i_state[n.ord], i_progress[n.ord]
                    from generate_series(1, cardinality(i_batch)) n(ord)
                    where i_revision[n.ord] = 0 and not i_batch[n.ord] = any(l_batch);
                    get diagnostics v_added = row_count;
                end if;
                if 0 < any(i_revision) then
                    update instances i
                    set revision = i_revision[n.ord] + 1, saga = i_saga[n.ord], key = i_key[n.ord], status = i_status[n.ord],
                        terminal = i_terminal[n.ord], definition = i_definition[n.ord], phase = i_phase[n.ord],
                        queued = i_queued[n.ord], updated = v_recorded,
                        phase_since = case when i.phase = i_phase[n.ord] then i.phase_since else v_recorded end,
                        stuck_at = case when i_stuck[n.ord] > 0
                                        then case when i.phase = i_phase[n.ord] then i.phase_since else v_recorded end
                                             + i_stuck[n.ord] * us end,
                        correlation_id = i_correlation[n.ord], state = i_state[n.ord], progress = i_progress[n.ord]
                    from generate_series(1, cardinality(i_batch)) n(ord)
                    where i.id = i_id[n.ord] and i_revision[n.ord] > 0 and i.revision = i_revision[n.ord]
                      and not i_batch[n.ord] = any(l_batch);
                    get diagnostics v_changed = row_count;
                end if;
                if not v_judge and v_added + v_changed < cardinality(i_batch) then
                    raise exception using errcode = 'HS001';
                end if;
            end if;
            if c_batch is not null then
                insert into commands (id, name, money, status, outcome, revision, fence, attempts, askers, created, updated, due,
                                      lease_until, first_claimed_at, abandoned_at, subject, correlation_id, causation_id, last_error,
                                      args_hash, args, request, result)
                select c_id[n.ord], c_name[n.ord], c_money[n.ord], c_status[n.ord], c_outcome[n.ord], 1, c_fence[n.ord],
                       c_attempts[n.ord], c_askers[n.ord], v_recorded, v_recorded,
                       v_recorded + case when c_lease[n.ord] > 0 then c_lease[n.ord] else c_due[n.ord] end * us,
                       case when c_lease[n.ord] > 0 then v_recorded + c_lease[n.ord] * us end,
                       case when c_lease[n.ord] > 0 then v_recorded end,
                       case when c_abandon[n.ord] and not c_rescue[n.ord] then v_recorded end, c_subject[n.ord],
                       c_correlation[n.ord], c_causation[n.ord], c_error[n.ord], c_args_hash[n.ord], c_args[n.ord],
                       c_request[n.ord], c_result[n.ord]
                from generate_series(1, cardinality(c_batch)) n(ord)
                where c_revision[n.ord] = 0 and not c_batch[n.ord] = any(l_batch);
                get diagnostics v_added = row_count;
                if v_added < cardinality(c_batch) then
                    update commands c
                    set name = c_name[n.ord], money = c_money[n.ord], status = c_status[n.ord], outcome = c_outcome[n.ord],
                        revision = c_revision[n.ord] + 1, fence = c_fence[n.ord], attempts = c_attempts[n.ord],
                        askers = c_askers[n.ord], updated = v_recorded,
                        due = case when c_lease[n.ord] > 0 then v_recorded + c_lease[n.ord] * us
                                   when c_due[n.ord] > 0 then v_recorded + c_due[n.ord] * us else c.due end,
                        lease_until = case when c_lease[n.ord] > 0 then v_recorded + c_lease[n.ord] * us
                                           when c_due[n.ord] > 0 then null else c.lease_until end,
                        first_claimed_at = case when c_lease[n.ord] > 0 then coalesce(c.first_claimed_at, v_recorded)
                                                else c.first_claimed_at end,
                        abandoned_at = case when c_rescue[n.ord] then null
                                            when c_abandon[n.ord] then coalesce(c.abandoned_at, v_recorded)
                                            else c.abandoned_at end,
                        subject = c_subject[n.ord], correlation_id = c_correlation[n.ord], causation_id = c_causation[n.ord],
                        last_error = c_error[n.ord], args_hash = c_args_hash[n.ord], args = c_args[n.ord], request = c_request[n.ord],
                        result = c_result[n.ord]
                    from generate_series(1, cardinality(c_batch)) n(ord)
                    where c.id = c_id[n.ord] and c.revision = c_revision[n.ord] and c_revision[n.ord] > 0
                      and not c_batch[n.ord] = any(l_batch);
                    -- A claim takes no append lock: one that came after the judgement leaves a row unchanged here.
                    get diagnostics v_changed = row_count;
                    if not v_judge and v_added + v_changed < cardinality(c_batch) then
                        raise exception using errcode = 'HS001';
                    end if;
                    if v_judge and v_added + v_changed < (select count(*) from unnest(c_batch) n(batch) where not n.batch = any(l_batch)) then
                        raise exception 'a command was claimed meanwhile' using errcode = '40001';
                    end if;
                end if;
            end if;
            if q_batch is not null and not v_judge then
                perform 1 from unnest(q_guard) n(guard) join queue q on q.guard = n.guard limit 1;
                if found then
                    raise exception using errcode = 'HS001';
                end if;
            elsif q_batch is not null then
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
                    select q_guard[n.ord], q_saga[n.ord], q_instance[n.ord], q_position[n.ord], q_reason[n.ord], q_error[n.ord],
                           q_attempts[n.ord], q_redriven[n.ord], v_recorded
                    from generate_series(1, cardinality(q_batch)) n(ord)
                    where q_op[n.ord] = 1 and not q_batch[n.ord] = any(l_batch);
                end if;
            end if;
            if t_batch is not null then
                if 1 = any(t_op) or 2 = any(t_op) then
                    delete from timers t using unnest(t_batch, t_op, t_id) n(batch, op, id)
                    where t.id = n.id and n.op in (1, 2) and not n.batch = any(l_batch);
                end if;
                if 0 = any(t_op) then
                    insert into timers (id, saga, instance, name, armed, due)
                    select t_id[n.ord], t_saga[n.ord], t_instance[n.ord], t_name[n.ord], t_armed[n.ord],
                           coalesce(t_due[n.ord], v_recorded + t_after[n.ord] * us)
                    from generate_series(1, cardinality(t_batch)) n(ord)
                    where t_op[n.ord] = 0 and not t_batch[n.ord] = any(l_batch)
                    on conflict (id) do update set saga = excluded.saga, instance = excluded.instance, name = excluded.name,
                        armed = excluded.armed, due = excluded.due;
                end if;
            end if;
            if a_batch is not null then
                insert into askers (command, instance, cause, correlation_id, state)
                select a_command[n.ord], a_instance[n.ord], a_cause[n.ord], a_correlation[n.ord], a_state[n.ord]
                from generate_series(1, cardinality(a_batch)) n(ord)
                where not a_batch[n.ord] = any(l_batch)
                on conflict (command, instance, cause) do update set state = excluded.state;
            end if;
            if x_batch is not null then
                insert into sagas (saga, watermark, fence, epoch)
                select n.saga,
                       coalesce(k_position[array_position(k_ord, n.ord::bigint)],
                                v_base + case when v_dropping then v_place[n.ord] else n.ord end, v_base),
                       0, (select h.epoch from head h order by h.position desc limit 1)
                from (select x.saga, array_position(e_batch, x.batch) as ord
                      from unnest(x_batch, x_saga) x(batch, saga) where not x.batch = any(l_batch)) n
                on conflict (saga) do nothing;
            end if;
            exit;
        exception when unique_violation or sqlstate 'HS001' then
            if v_judge then
                raise;
            end if;
            v_judge := true;
        end;
    end loop;
    v_versions := array[v_base + v_events, (extract(epoch from v_recorded) * 1000000)::bigint] || v_versions;
    if v_dropping then
        return concat_ws(e'\n', v_versions,
                         case when k_ord is null then '' else json_build_array(k_ord, k_position, k_version)::text end,
                         case when l_batch = '{}' then '' else json_build_array(l_batch, l_code, l_subject, l_actual)::text end);
    end if;
    return v_versions;
end $$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
do $$
begin
    execute 'drop function ' || 'hooksaga_commit'::regproc::oid::regprocedure;
end $$;
-- +goose StatementEnd
