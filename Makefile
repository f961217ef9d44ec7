# Two commands are enough on a fresh machine: `make run` and `make test`.

.DEFAULT_GOAL := help
.PHONY: help docs run test test-postgres prove release build format lint bench assets sample clean bootstrap

SOURCES := $(wildcard Sources Tests Prove Examples Benchmarks Package.swift)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

run: release ## Build, start the server on 127.0.0.1:8080, load the sample and export it before your eyes
	@Scripts/run-sample

test: ## Run every test, the browser's too
	@Scripts/test

test-postgres: ## The same, and the suites of every door once more on PostgreSQL
	@WAYBILL_TEST_POSTGRES=1 Scripts/test

release: bootstrap ## Build for use: one binary, which needs no Swift where it runs
	swift build -c release --static-swift-stdlib --product waybill

build: bootstrap ## Build for debugging
	swift build

format: ## Format the Swift sources in place
	swift format --in-place --parallel --recursive $(SOURCES)

lint: ## Check format and style, changing nothing
	swift format lint --strict --parallel --recursive $(SOURCES)

prove: ## Kill, starve and cut off the real server, and see that nothing is lost ([PART=kills] [STACK=postgres] [SEED=n] [QUICK=1])
	@Scripts/bootstrap --prove --servers
	swift build
	@Scripts/prove $(foreach part,$(PART),--part $(part)) $(foreach stack,$(STACK),--stack $(stack)) \
		$(if $(SEED),--seed $(SEED)) $(if $(QUICK),--quick)

bench: release ## Measure speed and memory beside sqlite3 and others
	@Scripts/bench

docs: ## Write the page of settings again
	swift build --product waybill
	.build/debug/waybill config reference > Documentation/configuration.md.new
	mv Documentation/configuration.md.new Documentation/configuration.md

assets: ## Embed the dashboard's files again
	@Scripts/embed-assets

sample: ## Make the sample content again
	@Scripts/make-sample.py

clean: ## Remove what was built
	swift package clean

bootstrap: ## Install the system packages that are missing
	@Scripts/bootstrap
