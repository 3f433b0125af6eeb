# The project's commands. Each sets up what it needs. `make help` lists them.
SHELL := /bin/bash
bin := .venv/bin

.PHONY: help environment demo alert test test-core test-system e2e check format generated docs bench soak-record soak-neighbour image chart lock clean
help:  ## List the commands
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

environment:
	@scripts/environment .venv requirements/dev.txt

demo: environment  ## From tables to a served decision, on synthetic tables or on TABLES=FOLDER MAPPING=FILE; results are in build/demo
	@scripts/demo

alert: environment  ## Break a server of the demo and show its alert arrive and end; FAULT=NAME chooses server, bundle, rules or traffic
	@scripts/alert-demo

test: environment  ## Run the Python tests with coverage, and the compiled parts once more without compilation
	@scripts/test

test-core: environment  ## Run the tests that another version of Python or of a library could break: features, trees, training, serving
	@scripts/test-core

test-system: environment  ## Run the tests with real processes and environments: servers over HTTP, the demo, an install for serving
	@$(bin)/python -m pytest tests/system -m "system and not alone" -n 2 --dist loadfile --durations 20
	@$(bin)/python -m pytest tests/system -m "system and alone" --durations 10

e2e: environment  ## Test a release from its images to its removal, in the cluster of KUBECONFIG (scripts/e2e lists the variables)
	@scripts/e2e

check: environment  ## Run all checks of .pre-commit-config.yaml: lint, formatting, types, layers, generated files
	@$(bin)/pre-commit run --all-files

format: environment  ## Format the code and fix what the linter can fix
	$(bin)/ruff check --fix-only --quiet .
	$(bin)/ruff format --quiet .

generated: environment  ## Write the files that are made from the code: references, schemas, licences
	@scripts/generated

docs: environment  ## Build the documentation: build/docs/index.html. A broken link is an error
	@$(bin)/sphinx-build -W --keep-going --fresh-env --quiet --doctree-dir build/doctrees --builder html docs build/docs
	@echo "open build/docs/index.html"

bench: environment  ## Measure features, patterns, reasons, training and serving, and print the tables of docs/benchmarks.md
	@scripts/bench

soak-record: environment  ## Kill server and shipper 100 times under load, and count records that are lost or stored twice
	@scripts/soak-record

soak-neighbour: environment  ## Run clients beside each kind of attack, and print which of their calls fail and how long they take
	@scripts/soak-neighbour

image:  ## Build customer-risk:TAG with Docker, and print its sizes (scripts/image/build -h lists variants)
	@scripts/image/build

chart:  ## Package the Helm chart into build/, and print its path
	@scripts/chart/package

lock: environment  ## Resolve the dependencies and write the lock files
	@scripts/lock

clean:  ## Remove what these commands made
	rm -rf .venv* build .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis
