-- +goose Up

-- hooksaga_text shows bytes as text where they are text, and escaped where they are not.
-- +goose StatementBegin
create function hooksaga_text(p_bytes bytea) returns text language plpgsql immutable as $$
begin
    return convert_from(p_bytes, 'UTF8');
exception when others then
    return encode(p_bytes, 'escape');
end $$;
-- +goose StatementEnd

-- hooksaga_json shows bytes as the JSON that they are; null, should they not be.
-- +goose StatementBegin
create function hooksaga_json(p_bytes bytea) returns json language plpgsql immutable as $$
begin
    return convert_from(p_bytes, 'UTF8')::json;
exception when others then
    return null;
end $$;
-- +goose StatementEnd

-- Every webhook that was accepted, once.
create view webhook_events_processed (id, received_at) as
select id, recorded from events where source <> 'hooksaga';

create view hooksaga_events as
select position, recorded, type, source, id, subject, stream, version, time, correlation_id, causation_id, to_instance,
       hooksaga_text(case when typed_from = 0 and typed_to = 0 then body
                          else substring(body from typed_from + 1 for typed_to - typed_from) end) as payload,
       hooksaga_text(body) as body
from events;

create view hooksaga_decisions as
select position, recorded, stream, version, id, causation_id, correlation_id, hooksaga_text(body) as body
from events where type = 'saga.decided' and source = 'hooksaga';

create view hooksaga_instances as
select id, saga, key, status, phase, terminal, phase_since, stuck_at, queued, created, updated, revision, definition,
       correlation_id, hooksaga_json(state) as state, hooksaga_json(progress) as progress
from instances;

create view hooksaga_commands as
select c.id, c.name, c.status, c.outcome, c.subject, c.attempts, c.due, c.first_claimed_at, c.lease_until, c.abandoned_at,
       c.created, c.updated, c.last_error, c.correlation_id, c.causation_id, c.money, hooksaga_json(c.args) as args,
       (select count(*) from askers a where a.command = c.id) as asked
from commands c;

-- +goose Down
drop view hooksaga_commands, hooksaga_instances, hooksaga_decisions, hooksaga_events, webhook_events_processed;
drop function hooksaga_json(bytea);
drop function hooksaga_text(bytea);
