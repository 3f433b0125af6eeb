# The commands of this project; each sets up what it needs. `make help` lists them.
SHELL := /bin/bash
bin := .venv/bin

.PHONY: help environment demo test test-core test-system e2e check format bench soak-record soak-neighbour image lock clean
help:  ## Show these lines
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

environment:
	@scripts/environment .venv requirements/dev.txt

demo: environment  ## Tables (synthetic, or TABLES=FOLDER MAPPING=FILE), train, report, serve, score over HTTP; shows where everything is
	@scripts/demo

test: environment  ## Python tests with coverage, and the kernels once more without compilation
	@scripts/test

test-core: environment  ## The Python tests that another version of Python or of a library could break: features, trees, training, serving
	@scripts/test-core

test-system: environment  ## Real processes and environments: serving-only install, servers over HTTP, the demo
	@$(bin)/python -m pytest tests/system -m "system and not alone" -n 2 --dist loadfile --durations 20
	@$(bin)/python -m pytest tests/system -m "system and alone" --durations 10

e2e: environment  ## A release's life in the cluster that KUBECONFIG names, from images to uninstall (scripts/e2e says what to set)
	@scripts/e2e

check: environment  ## Lint with all rules, formatting, types, layers
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports --no-cache --no-logo

format: environment  ## Format the code and mend what the linter can
	$(bin)/ruff check --fix-only --quiet .
	$(bin)/ruff format --quiet .

bench: environment  ## Measure features, patterns, reasons, training and serving beside their peers; prints the tables of docs/benchmarks.md
	@scripts/bench

soak-record: environment  ## Kill server and shipper 100 times under load; what every sink has in the end, lost or twice
	@scripts/soak-record

soak-neighbour: environment  ## Run honest callers beside each kind of hostile caller; prints which honest calls fail and how long they take
	@scripts/soak-neighbour

image:  ## Build customer-risk:TAG with this machine's Docker engine; prints its sizes (scripts/image/build -h: variants)
	@scripts/image/build

lock: environment  ## Resolve the lock files anew
	@scripts/lock

clean:  ## Remove what the commands above made
	rm -rf .venv* build .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
