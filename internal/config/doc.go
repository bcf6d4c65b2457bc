// Package config reads what hooksaga is told from outside: flags, environment and one YAML file.
//
// # Where values come from
//
// A flag wins over the environment, the environment over the YAML file, the file over the default. The file is the one
// that --config names, else hooksaga.yaml in the working directory, if there is one. Secrets have no flags, because other
// users of a machine can read a process's arguments; each may be given as a file instead, named by the same variable with
// _FILE after it (STRIPE_KEY_FILE=/run/secrets/stripe). A key of the file is the variable's name in lower case, without
// the prefix HOOKSAGA_; it takes a scalar, or a list where the variable takes several values between commas.
//
// An empty variable counts as not set, so that a compose file may pass on what is not there. PAYMENTS_MODE is the
// exception: a role that was meant to be chosen and was not must not become all roles.
//
// A variable that begins with HOOKSAGA_ and is not known is a mistake, and so is an unknown key in the file: both are most
// likely misspelt. The variables that Kubernetes and Docker make for a service called hooksaga are let through.
//
// # Providers
//
// NAME_WEBHOOK_SECRET is what the provider NAME signs with; several, between commas, while one is being replaced. The
// provider orders needs nothing else. Further senders that sign with an HMAC are described in the file:
//
//	providers:
//	  - name: shop
//	    header: X-Shop-Signature
//	    encoding: base64
//
// # Mistakes
//
// Load reports all mistakes together, as Errors: each names its key, where the value came from and what to do. No error,
// log line or formatted Config shows a secret: a Secret formats as its fingerprint.
package config
