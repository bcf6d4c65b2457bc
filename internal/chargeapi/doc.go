// Package chargeapi serves POST /charge: taking the payment of an order over HTTP.
//
// It asks for the same command as a saga does. The command is known by the order event's source and id, so the same order
// is charged once, whoever asks, however often, at the same time or later: who comes second waits for the same
// answer.
//
//	200  {"status":"succeeded","command_id":…,"payment_intent":…,"amount":…,"currency":…}
//	202  {"status":"pending"|"unknown",…}   no outcome yet: ask again with the same body
//	202  {"status":"unresolved",…}          nobody can tell whether it was charged; people have to say. Do not charge anew
//	402  {"status":"rejected","code":…,…}   declined
//	409  {"status":"cancelled",…}           it was called off before its first attempt; a new try needs a new event_id
//	502  {"status":"failed",…}              the gateway refuses the request as it is; nothing was charged
//
// Everything else is a problem (RFC 9457): 400 with the fields that are wrong, 401, 405, 409 for an event_id that was used
// with other parameters, 413, 415, 503 with Retry-After while the store is away. After a 503, or no answer at all, the
// request may be repeated as it is.
package chargeapi
