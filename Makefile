# The commands of this project. `make run` and `make test` do all the set-up themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
READY := $(VENV)/.ready
DEMO :=
ARCH ?= arm64
ZIP ?= dist/login-bot$(if $(filter-out arm64,$(ARCH)),-$(ARCH)).zip
ROUTES_FILE ?=
INCLUDE ?=
STORM := 20
SEED :=
# Where Python is told not to write what it compiled, each worker would compile all tests anew, each time.
COMPILED := PYTHONDONTWRITEBYTECODE=
PAGES := web/built/preview.js
QUIETLY := --quiet --disable-pip-version-check
PIP := $(BIN)/python -m pip install $(QUIETLY)
BENCH := .venv-bench

.PHONY: help run test storms browser pictures web check lint bench package clean
help:  ## what there is
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/'

$(RUNS): requirements.txt requirements-cli.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name one with make PYTHON=…")'
	@echo "setting up $(VENV) (once, half a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements-cli.txt
	@touch $@

$(READY): $(RUNS) requirements-dev.txt
	@echo "setting up the tests and checks in $(VENV) (once, a minute)"
	@$(PIP) -r requirements-dev.txt
	@touch $@

node_modules/.ready: package.json package-lock.json .npmrc
	@node -e 'process.exit(Number(process.versions.node.split(".")[0] < 20))' || { echo "Node 20 or newer and npm are needed"; exit 1; }
	@echo "setting up node_modules (once, a minute)"
	@npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(PAGES): node_modules/.ready $(shell find web -name built -prune -o -type f -print)
	@npm run --silent build

web: $(PAGES)  ## the pages and the cards' renderers, bundled

run: $(RUNS)  ## the sample logins, as cards in this terminal and in the browser
	@if command -v npm >/dev/null && $(MAKE) -s $(PAGES); then $(BIN)/python -m bot demo $(DEMO); \
	else echo "no page for the browser, so no inbox there: it takes Node 20 or newer, npm and its registry"; \
	$(BIN)/python -m bot demo --no-serve $(DEMO); fi

test: $(READY)  ## the tests, in a good minute; the slow ones are make storms
	@$(COMPILED) $(BIN)/python -m pytest -n auto -m "not slow and not browser and not node and not e2e"

storms: $(READY)  ## the slow tests: storms, signals, hung servers, the table at every failing call; thousands of random examples
	@$(COMPILED) $(BIN)/python -m pytest -n auto -m "slow and not hypothesis"
	@seed=$(or $(SEED),$$($(BIN)/python -c 'import random; print(random.getrandbits(32))')); \
	echo "$(STORM) times as many random examples, seed $$seed (the same again: make storms SEED=$$seed)"; \
	STORM=$(STORM) $(COMPILED) $(BIN)/python -m pytest -n auto -m hypothesis --hypothesis-seed=$$seed

browser: $(READY) $(PAGES)  ## the tests in a real browser
	@$(BIN)/python -m pytest -n auto -m browser tests/browser

pictures: $(READY) $(PAGES)  ## docs/pictures, drawn anew from the golden cards
	@$(BIN)/python -m tests.browser.pictures

check: lint test storms browser template e2e  ## format, lint, types and all tests

lint: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

package: $(RUNS)  ## the zip that Lambda gets: ROUTES_FILE=routes.yml INCLUDE= ARCH=arm64
	@$(BIN)/python -m deploy.package --arch $(ARCH) --out $(ZIP) $(if $(ROUTES_FILE),--routes $(ROUTES_FILE)) --include $(INCLUDE)

# Lambda's Python and what it brings, and what the peers bring: apart from what they are measured with.
$(BENCH)/.ready: $(READY) requirements-bench.txt deploy/target.py
	@echo "setting up $(BENCH) (once, a minute)"
	@rm -rf $(BENCH)
	@$$($(BIN)/python -c 'from deploy.target import Target; print(Target().interpreter() or "$(PYTHON)")') -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install $(QUIETLY) -c requirements-bench.txt awslambdaric boto3
	@for each in apprise requests; do \
	$(BENCH)/bin/python -m pip install $(QUIETLY) -c requirements-bench.txt --target $(BENCH)/libraries/$$each $$each; done
	@touch $@

bench: $(BENCH)/.ready $(PAGES)  ## the measurements, and docs/benchmarks.md from them
	@$(BIN)/python -m bench

.PHONY: template deploy remove
template: $(READY) node_modules/.ready  ## the tests of what AWS gets, by osls and cfn-lint
	@$(BIN)/python -m pytest -m node

deploy: $(RUNS) node_modules/.ready  ## a stage on AWS, checked first: STAGE=dev
	@test -n "$(STAGE)" || { echo "error: name the stage: make deploy STAGE=dev"; exit 1; }
	@$(MAKE) --no-print-directory package ROUTES_FILE=$(or $(ROUTES_FILE),routes.yml)
	@LOGIN_BOT_ZIP="$(ZIP)" $(BIN)/python -m bot deploy --stage "$(STAGE)" --routes $(or $(ROUTES_FILE),routes.yml)

remove: $(RUNS) node_modules/.ready  ## take a stage away from AWS: STAGE=dev
	@test -f "$(ZIP)" || $(MAKE) --no-print-directory package  # osls removes nothing without one
	@LOGIN_BOT_ZIP="$(ZIP)" $(BIN)/python -m bot remove --stage "$(STAGE)"

# The emulated account and Lambda's own runtime, each alone in its virtual environment, on Lambda's Python where it is here.
.PHONY: e2e
e2e: $(READY) .venv-e2e/.ready .venv-lambda/.ready node_modules/.ready  ## the deployed stage in an emulated account, in three minutes
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m e2e tests/e2e

.venv-%/.ready: requirements-%.txt $(RUNS)
	@echo "setting up .venv-$* (once, half a minute)"
	@"$$($(BIN)/python -m deploy.target)" -m venv --clear .venv-$*
	@.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-$*.txt
	@touch $@

clean:  ## forget the set-up and what was said
	@rm -rf $(VENV) $(BENCH) .venv-e2e .venv-lambda node_modules web/built .local .mypy_cache .ruff_cache .pytest_cache .hypothesis
