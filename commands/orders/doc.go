// Package orders is the vocabulary of the shop's order service: the order it places and the cancellation it is asked for.
package orders
