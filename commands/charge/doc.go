// Package charge is the vocabulary of moving money: what can be asked of a gateway, and what is told of it.
//
// A payment is identified by the order event that it pays for, so it is taken once, whoever asks: a saga, or a caller of
// POST /charge. An amount is in the currency's smallest unit.
package charge
