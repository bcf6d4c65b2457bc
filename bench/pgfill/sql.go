package pgfill

const (
	prepareSession = `set synchronous_commit = off; set work_mem = '64MB'; set maintenance_work_mem = '256MB'; set jit = off;
		set statement_timeout = 0`
	restoreSession = `reset all`

	refuseUsed = `do $$ begin
		if (select position from head) > 0 then raise exception 'the store has events'; end if;
	end $$`

	selectRoom   = `select partitioned from head` // positions below have a partition
	addPartition = `select hooksaga_add_partition()`

	// Indexes that no constraint needs are made at the end, which takes a quarter of the time.
	dropIndexes = `create temp table dropped as
		select replace(i.indexdef, ' ON ONLY ', ' ON ') as indexdef, format('%I.%I', i.schemaname, i.indexname) as name from pg_indexes i
		where i.tablename in ('events', 'instances', 'commands', 'timers', 'queue')
			and not exists (select from pg_constraint c where c.conindid = format('%I.%I', i.schemaname, i.indexname)::regclass);
		do $$ declare d record; begin for d in select * from dropped loop execute 'drop index ' || d.name; end loop; end $$`
	makeIndexes = `do $$ declare d record; begin for d in select * from dropped loop execute d.indexdef; end loop; end $$;
		drop table dropped`

	// insertEvents makes the events of orders %[1]d to %[2]d of %[3]d, with %[4]d customers, and their dedupe rows. r counts an
	// order's events, from 0.
	insertEvents = `with made as materialized (
			select o, r, o::bigint * 8 + r + 1 as position, 'o_' || o as ord, 'cus_' || o %% %[4]d as cus,
				(o / %[4]d) * 3 as before, clock.start + (o::bigint * 8 + r) * interval '10 ms' as at
			from (select now() - %[3]d * interval '90 ms' as start) clock,
				generate_series(%[1]d, %[2]d) o, generate_series(0, 7) r
		), named as materialized (
			select position, at, o, ord, cus,
				case r when 0 then 1 when 1 then 1 when 2 then before + 1 when 3 then before + 2 when 4 then 1
					when 5 then 2 when 6 then 3 else before + 3 end as version,
				case when r = 0 then 'order.placed' when r in (1, 6) then 'saga.decided' when r = 2 then 'payment_intent.created'
					when r = 3 then 'payment_intent.succeeded' when r in (4, 5) then 'charge.create.succeeded'
					when o %% 1000 = 0 then 'charge.dispute.created'
					when o < %[3]d / 2 and o %% 100 = 1 then 'customer.subscription.deleted'
					when o < %[3]d / 2 and o %% 2 = 0 then 'customer.subscription.updated' else 'invoice.paid' end as type,
				case when r = 0 then ord when r in (2, 3, 7) then cus else '' end as subject,
				case when r = 0 then 'orders/' || ord when r in (1, 5, 6) then 'saga/order-payment/' || ord
					when r = 4 then 'command/c_' || o else 'stripe/' || cus end as stream,
				case when r = 0 and o < %[3]d / 2 and o %% 2 = 0 then 'legacy/eu' when r = 0 then 'orders' when r in (1, 4, 5, 6) then 'hooksaga'
					when r = 7 and o < %[3]d / 2 and o %% 60 = 7 then 'bank' else 'stripe/acct_' || o %% 3 || '/test' end as source,
				'evt_' || o || '_' || r as id, 'evt_' || o || '_0' as correlation,
				case when r in (1, 4, 5, 6) then 'evt_' || o || '_' || r - 1 else '' end as causation,
				case when r = 5 then 'order-payment/' || ord else '' end as addressee,
				('{"id":"evt_' || o || '_' || r || '","object":"event","livemode":false,"data":{"object":{"id":"pi_' || md5(ord)
					|| '","amount":' || 100 + o %% 9000 || ',"currency":"usd","customer":"' || cus || '","metadata":{"order_id":"' || ord
					|| '","correlation_id":"evt_' || o || '_0"}}}}')::bytea as body
			from made
		), stored as (
			insert into events (position, recorded, time, version, typed_from, typed_to, type, subject, stream, source, id,
				correlation_id, causation_id, to_instance, body)
			select position, at, at, version, 0, 0, type, subject, stream, source, id, correlation, causation, addressee, body from named
		)
		insert into dedupe (key, body_hash, position, version)
		select substring(convert_to(id, 'UTF8') || decode(repeat('00', 12), 'hex') for 12)
			|| substring(sha256(convert_to(length(source) || ':' || source || length(id) || ':' || id, 'UTF8')) for 16),
			substring(sha256(body) for 16), position, version
		from named`

	// insertSagas makes what the same orders left beside events. The newest hundredth is not done yet.
	insertSagas = `with o as (select o, o >= %[3]d - %[3]d / 100 as open, now() as at from generate_series(%[1]d, %[2]d) o),
		i as (
			insert into instances (id, saga, key, revision, status, terminal, definition, phase, queued, created, updated, phase_since,
				stuck_at, correlation_id, state, progress)
			select 'order-payment/o_' || o, 'order-payment', 'o_' || o, 3, case when open then 'running' else 'completed' end, not open, 1,
				case when open then 'charging' else 'paid' end, case when open and o %% 10 = 0 then 1 else 0 end, at, at, at,
				case when open then at + interval '1 hour' end, 'evt_' || o || '_0', '{"order":"o"}', '{}' from o
		), c as (
			insert into commands (id, name, money, status, outcome, revision, fence, attempts, askers, created, updated, due, subject,
				correlation_id, causation_id, last_error, args_hash, args)
			select 'c_' || o, 'charge.create', true, case when open then 'pending' else 'done' end,
				case when open then '' else 'charge.create.succeeded' end, 2, 1, 1, 1, at, at, at + (o - %[3]d) * interval '1 second', 'o_' || o,
				'evt_' || o || '_0', 'evt_' || o || '_0', '', substring(sha256(convert_to('c_' || o, 'UTF8')) for 16), '{"amount":100}' from o
		), a as (
			insert into askers (command, instance, cause, correlation_id, state)
			select 'c_' || o, 'order-payment/o_' || o, 'evt_' || o || '_1', 'evt_' || o || '_0',
				case when open then 'open' else 'answered' end from o
		), q as (
			insert into queue (guard, saga, instance, position, reason, error, attempts, redriven, since)
			select 'g_' || o, 'order-payment', 'order-payment/o_' || o, o * 8 + 4, 'waiting', '', 0, o %% 100 = 0, at
			from o where open and o %% 10 = 0
		)
		insert into timers (id, saga, instance, name, armed, due)
		select 't_' || o, 'order-payment', 'order-payment/o_' || o, 'no-answer', 'evt_' || o || '_1',
			at + (o - %[3]d + %[3]d / 200) * interval '1 second' from o where open`

	insertStreams = `insert into streams (stream, version) select stream, max(version) from events group by stream`

	moveHead = `update head set position = (select max(position) from events), recorded = (select recorded from events order by position desc limit 1)`

	// vacuum also marks pages as visible to everybody, as they would be by now.
	vacuum = `vacuum (analyze) events, dedupe, streams, instances, commands, askers, queue, timers`
)
