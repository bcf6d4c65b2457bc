# Everything that builds, checks and tests hooksaga. `make` lists it.
#
# demo needs Go and make. test and e2e find or start the servers they need: see internal/testenv.

.POSIX:

GO = go

# What e2e drives: STORE sqlite|postgres, BUS inprocess|kafka, and the seed of its faults.
STORE = sqlite
BUS = inprocess
SEED = 1

# How long chaos lasts.
FOR = 1m

# What sim runs.
SEEDS = 1000
FROM = 1

# Packages compiled and tested at once. The slowest tests wait for servers, so two cores carry two.
JOBS = 2
TEST_TIMEOUT = 20m

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.1.4

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

build: ## compile bin/hooksaga
	$(GO) build -trimpath -o bin/hooksaga ./cmd/hooksaga

demo: ## build, and play six stories with a simulated Stripe: needs nothing else
	@$(GO) build -o bin/hooksaga ./cmd/hooksaga && ./bin/hooksaga demo

test: bin/testenv ## vet, every test with the race detector, every benchmark briefly, and e2e on each set-up
	$(GO) vet ./...
	bin/testenv -cc -postgres -kafka -- $(MAKE) test-with-servers

test-with-servers:
	$(GO) test -race -p $(JOBS) -timeout $(TEST_TIMEOUT) ./...
	$(GO) test ./internal/sim -count=1 -timeout $(TEST_TIMEOUT) -run TestSeeds
	$(GO) test -p $(JOBS) -timeout $(TEST_TIMEOUT) -short -run '^$$' -bench . -benchtime 3x \
		$$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n 1 dirname | sort -u)
	$(MAKE) e2e STORE=sqlite BUS=inprocess
	$(MAKE) e2e STORE=postgres BUS=inprocess
	$(MAKE) e2e STORE=postgres BUS=kafka
	@echo "make test: passed: vet; tests with -race; every benchmark, briefly; e2e on sqlite+inprocess, postgres+inprocess, postgres+kafka (seed $(SEED))"

test-fast: ## the tests of every package that needs no server
	@uses='{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}} .'; \
	all=$$($(GO) list -f "$$uses" ./...); \
	$(GO) test -p $(JOBS) -timeout $(TEST_TIMEOUT) \
		$$(echo "$$all" | grep -v -E '/internal/(pgtest|kafkatest|testenv) ' | cut -d ' ' -f 1)

e2e: bin/testenv ## 2,000 orders through the real binary under faults and kills: STORE= BUS= SEED=
	bin/testenv -cc $$(test $(STORE) = sqlite || echo -postgres) $$(test $(BUS) = inprocess || echo -kafka) -- \
		$(GO) run ./internal/e2e -store $(STORE) -bus $(BUS) -seed $(SEED)

sim: ## the simulation: SEEDS= how many, FROM= the first
	$(GO) test ./internal/sim -count=1 -timeout 30m -run TestSeeds -args -seeds=$(SEEDS) -from=$(FROM)

check: ## format, vet, staticcheck, the rules of the tree, paths in the docs
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w these:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) test ./internal/arch ./deploy

chaos: ## real processes, servers and networks broken for a while: SEED= FOR= STORE= BUS=
	$(GO) run ./internal/chaos -store $(STORE) -bus $(BUS) -seed $(SEED) -for $(FOR)

models: ## the Promela models: every state, and each rule taken out
	$(GO) run ./internal/models

bench: ## the store, ingest, the relay and the tail beside their baselines: one table of ratios
	$(GO) run ./bench

bench-large: ## the same of a store that holds 10,000,000 events
	$(GO) run ./bench -only large -stored 10000000

bench-peers: bin/testenv ## order to charge to payment beside River and hand-wired Watermill
	bin/testenv -postgres -kafka -- $(GO) run ./bench/loop

vuln: ## known vulnerabilities in what we depend on (asks the network)
	$(GO) run $(GOVULNCHECK) ./...

up: ## Postgres, Kafka, hooksaga and the Stripe simulator in containers
	docker compose --profile simulator up --build --detach --wait

down: ## stop them; their data stays
	docker compose --profile simulator down

clean: ## remove what was built
	rm -rf bin

# Always asked for, rebuilt by go only when its sources have changed.
bin/testenv: always
	@$(GO) build -o bin/testenv ./internal/testenv

.PHONY: help build demo test test-with-servers test-fast e2e sim chaos models check bench bench-large bench-peers vuln up down clean always
always:
