// Package access is the vocabulary of granting and cancelling what a customer paid for.
package access
