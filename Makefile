# One contract, four frameworks. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash

# The shell's settings for other Pythons must not apply here: PYTHONPATH, PYTHONHOME, PYTHONWARNINGS ...
unexport $(filter-out PYTHONUNBUFFERED,$(filter PYTHON%,$(.VARIABLES)))
# All files are created in the checkout: packages in the environment, downloads, results and compiled modules in build/.
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache
export UV_CACHE_DIR ?= $(CURDIR)/build/uv-cache
export UV_PYTHON_DOWNLOADS ?= never
# As pip: a company's certificate authority is only in the system's store.
export UV_SYSTEM_CERTS ?= 1
export PLAYWRIGHT_BROWSERS_PATH ?= $(CURDIR)/build/browsers

# The value of a variable on the command line of make, quoted for the shell. A variable that only the environment
# has is ignored: conda exports HOST, and other programs NAME. The programs themselves read PORT from the environment.
given = $(if $(filter command override,$(origin $(1))),$(if $(value $(1)),'$(subst ','\'',$(value $(1)))'))
# make expands what it exports, so that $(shell ...) in one of these would run.
unexport DEST NAME REHEARSAL URL SERVER STORE PROFILE APP APPS ONLY BENCH
# The same as an option of a command: $(call option,PORT,--port).
option = $(if $(call given,$(1)),$(2) $(call given,$(1)))

# The tests mostly wait, so that six processes pay off even on two cores. A group of tests that shares a server stays in
# one process.
PARALLEL := -n 6 --dist loadscope --no-loadscope-reorder

# PYTHON=3.13 selects another interpreter, which has an environment of its own.
CHOSEN := $(if $(call given,PYTHON),$(PYTHON))
VENV := $(if $(CHOSEN),build/venv-$(subst /,_,$(CHOSEN)),.venv)
BIN := $(VENV)/bin
LOCK := $(BIN)/python -m tooling.uv pip compile --quiet --universal --python-version 3.11 \
	--no-strip-extras --custom-compile-command "make lock" $(LOCK_FLAGS)

# Candidates for the Python that creates the environment. They are tried in a loop, because some may not work. 3.11 is
# the first, because the locks are compiled for it.
PYENV := "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions
PYTHONS := $(if $(CHOSEN),"$(CHOSEN)" "python$(CHOSEN)" $(PYENV)/$(CHOSEN)/bin/python $(PYENV)/$(CHOSEN).*/bin/python,python3.11 python3 python3.14 python3.13 python3.12)
# The program that creates the environment must not depend on compiled modules in build/.
SETUP := env -u PYTHONPYCACHEPREFIX PYTHONDONTWRITEBYTECODE=1

.PHONY: help
help: ## list the targets
	@grep -hE '^##@ |^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/%/<name>/' \
		| awk -F':.*## ' '/^##@ / {print substr($$0, 5); next} {printf "  make %-18s %s\n", $$1, $$2}'
	@echo "<name> is one of: $(NAMES)"

##@ Look and choose

.PHONY: run
run: setup ## the comparison, with all apps deployed to a stand-in for Connect on http://127.0.0.1:3939/ (PORT=, HOST=, PROFILE=, ALLOWED_HOSTS=)
	@site="--site build/landing"; \
	$(BIN)/python -m comparison.site --if-changed --output build/landing --apps ./ --dashboard dashboard/ \
		|| { [ $$? = 1 ] && site="" || exit 130; }; \
	exec $(BIN)/python -m rehearsal $$site $(call option,PORT,--port) $(call option,HOST,--host) $(call option,PROFILE,--profile) $(call option,ALLOWED_HOSTS,--allowed-hosts)

run-%: %_app/app.py setup ## start one app with auto-reload on http://127.0.0.1:8000/ (PORT=)
	@exec $(BIN)/python -m tooling.development $* $(call option,PORT,--port)

# For a name without a folder, and for no name, the message lists the names.
NAMES := $(patsubst %_app/,%,$(sort $(wildcard *_app/)))
%_app/app.py:
	@echo "make: there is no $*_app/ here; there are: $(NAMES)" >&2; exit 1
NAMED := run- test- bundle- deploy- new- test bundle deploy new
.PHONY: $(NAMED)
$(NAMED):
	@echo "make: which app? make $(@:-=)-<name>, and <name> is one of: $(NAMES)" >&2; exit 1
# Without a rule, make succeeds for the name of a folder, and does nothing.
FOLDERS := comparison rehearsal tests
.PHONY: $(FOLDERS)
$(FOLDERS):
	@echo "make: $@/ is a folder, not a target: make alone lists the targets" >&2; exit 1

.PHONY: site
site: setup ## build the comparison site from the sources and the committed results: build/site/
	@$(BIN)/python -m comparison.site

##@ Deploy

new-%: %_app/app.py setup ## a project of your own from one app: DEST=../our-service NAME=our_service (REHEARSAL=1 keeps the stand-in for Connect)
	@$(BIN)/python -m deploy.new_project $* --dest=$(call given,DEST) --name=$(call given,NAME) --rehearsal=$(call given,REHEARSAL)

.PHONY: rehearse
rehearse: setup ## start the stand-in for Connect with its existing content; prints URL and API keys (PROFILE=, PORT=, ALLOWED_HOSTS=)
	@exec $(BIN)/python -m rehearsal rehearse $(call option,PORT,--port) $(call option,HOST,--host) $(call option,PROFILE,--profile) $(call option,ALLOWED_HOSTS,--allowed-hosts)

.PHONY: rehearse-logs
rehearse-logs: setup ## print the log of deployed content: NAME=<name, vanity path or GUID>
	@$(BIN)/python -m rehearsal logs $(call given,NAME)

deploy-%: %_app/app.py setup ## bundle, then rsconnect to SERVER=<saved name> or CONNECT_SERVER + CONNECT_API_KEY (STORE=postgres)
	@$(BIN)/python -m deploy deploy $* $(call option,SERVER,--server) $(call option,STORE,--store)

bundle-%: %_app/app.py setup ## stage build/bundles/<name>/, ready for rsconnect, and start it once (STORE=postgres)
	@$(BIN)/python -m deploy bundle $* $(call option,STORE,--store)

.PHONY: test-url
test-url: setup ## the contract for a deployed app: URL=https://... (with API_KEY in the environment)
	@$(if $(call given,URL),,echo "make: which app? make test-url URL=https://connect.example.org/content/.../ (and export API_KEY=...)" >&2; exit 1)
	@$(BIN)/python -m pytest -q -rs tests/contract/test_contract.py $(call option,URL,--url)

.PHONY: db
db: setup ## prepare the database in GREETINGS_URL: create the table, and add missing greetings
	@$(BIN)/python -m deploy.prepare_database

.PHONY: deploy-site
deploy-site: site ## the comparison site, as static content, to SERVER=<saved name> or CONNECT_SERVER + CONNECT_API_KEY
	@$(BIN)/python -m deploy site $(call option,SERVER,--server)

.PHONY: deploy-branch
deploy-branch: setup ## commit the bundles to the branch connect, from which a Connect server can deploy them
	@$(BIN)/python -m deploy.branch

.PHONY: check-connect
check-connect: site ## try our statements about Connect on a server, with drafts that are removed again: build/check-connect.json
	@$(BIN)/python -m deploy.check_connect $(call option,SERVER,--server)

##@ Test

.PHONY: test-all
test-all: setup ## every check: format, lint, types, contract, tools, browser (PYTHON=3.13 for another Python)
	@$(BIN)/ruff format --check --quiet . || { echo "make: format with '$(BIN)/ruff format'" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m tests.chromium || true # Without it, the browser tests are reported as not run.
	@$(BIN)/python -m pytest -q $(PARALLEL)

test-%: %_app/app.py setup ## the contract for one framework, the in-process half first
	@$(BIN)/python -m pytest -q tests/contract/test_contract.py --app $* --server "in process"
	@$(BIN)/python -m pytest -q $(PARALLEL) tests/contract --app $* \
		--server uvicorn --server hypercorn --server gateway --ignore tests/contract/test_browser.py

.PHONY: test-in-process
test-in-process: setup ## the contract for all, without servers and browser
	@$(BIN)/python -m pytest -q $(PARALLEL) tests/contract/test_contract.py tests/contract/test_breakages.py --server "in process"

# What tests of samples do for every framework, mount and command.
EVERYTHING := tests/deploy/test_new_project_used.py tests/deploy/test_publisher.py tests/rehearsal/test_subcommands.py \
	tests/rehearsal/test_profiles.py
.PHONY: soak
soak: setup ## attacks, restarts, kills and generated requests: a table, and build/soak.json (SOAK=short for less)
	@$(BIN)/python -m pytest -q $(PARALLEL) --soak=$(or $(call given,SOAK),full) \
		-k "LIFE-1 or STORE-6 or kill or generated or memory or differential or schemathesis or new_project_used \
			or subcommand or selected_files or every_profile" \
		tests/contract/test_contract.py tests/rehearsal/test_kill.py tests/rehearsal/test_hostile.py \
		tests/differential tests/test_memory.py tests/rehearsal/proxy/test_memory.py tests/test_schemathesis.py \
		$(if $(filter short,$(SOAK)),,$(EVERYTHING))

.PHONY: soak-record
soak-record: setup ## copy the figures of the last soak to comparison/results/soak.json
	@$(BIN)/python -m tests.record_soak

.PHONY: mutation mutation-record
mutation: setup ## change the apps and shared/ in small ways: does the suite fail? build/mutation.json (APP=)
	@$(BIN)/python -m tests.mutation $(call option,APP,--app)
mutation-record: setup ## the same, and copy the counts to comparison/results/mutation.json
	@$(BIN)/python -m tests.mutation --record

.PHONY: contract-check
contract-check: setup ## run the contract for all, and compare its result with comparison/results/contract.json
	@$(BIN)/python -m pytest -q $(PARALLEL) tests/contract/test_contract.py

.PHONY: contract-record
contract-record: setup ## run the contract for all, and record its result in comparison/results/contract.json
	@$(BIN)/python -m pytest -q $(PARALLEL) tests/contract/test_contract.py --record

.PHONY: test-rehearsal
test-rehearsal: setup ## deploy all with rsconnect, and run the contract through the proxy under every profile (PROFILE=)
	@$(BIN)/python -m tests.rehearsal.through_proxy $(call given,PROFILE)

.PHONY: test-front-door
test-front-door: setup ## README's first command in a fresh clone: start, pages, Ctrl-C (needs port 3939)
	@$(BIN)/python -m pytest -q tests/front_door

.PHONY: chromium
chromium: setup ## install Chromium for the browser tests, if there is none
	@$(BIN)/python -m tests.chromium --system

.PHONY: upgrade-matrix
upgrade-matrix: setup ## the contract on the releases of the last twelve months; continues an interrupted run (takes half an hour)
	@$(BIN)/python -m comparison.upgrades

##@ Measure

.PHONY: bench
bench: setup ## measure all (under an hour; BENCH=quick: under 3 minutes; APPS=quart,sanic; ONLY=B6); writes build/bench/results.json
	@exec $(BIN)/python -m comparison.bench run $(call option,BENCH,--effort) $(call option,APPS,--apps) $(call option,ONLY,--only)

.PHONY: bench-report
bench-report: setup ## the tables of the last run, and what may be concluded from them
	@$(BIN)/python -m comparison.bench report

.PHONY: bench-record
bench-record: setup ## copy a full run whose gates hold to comparison/results/bench.json
	@$(BIN)/python -m comparison.bench record

.PHONY: bench-readme
bench-readme: setup ## fill README's measured rows from comparison/results/bench.json
	@$(BIN)/python -m comparison.bench readme

##@ Maintain

.PHONY: setup
setup: ## create .venv with everything that the other targets need
	@set -e; found=""; \
	if $(SETUP) $(BIN)/python -s -m tooling.setup --check "$(VENV)" 2>/dev/null; then exit 0; fi; \
	for python in $(PYTHONS); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "make: no $(if $(CHOSEN),Python $(CHOSEN),Python 3.11 or newer) on PATH: install it, or name it with PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	exec $(SETUP) "$$found" -s -m tooling.setup "$(VENV)"

.PHONY: lock
lock: setup ## recompile every requirements.txt, and the files for Posit Publisher (LOCK_FLAGS=--upgrade raises the versions)
	@$(LOCK) --group dev --all-extras $(wildcard *_app/pyproject.toml) -o tests/requirements.txt
	@set -e; for app in *_app; do \
		$(LOCK) -c tests/requirements.txt $$app/pyproject.toml -o $$app/requirements.txt; \
		$(LOCK) -c tests/requirements.txt --extra postgres $$app/pyproject.toml -o $$app/requirements-postgres.txt; \
	done
	@$(BIN)/python -m deploy.publisher
	@echo "Recompiled:" tests/requirements.txt *_app/requirements*.txt .posit/publish/*.toml

.PHONY: releases
releases: setup ## record the releases of the frameworks and their companions, from the package index
	@$(BIN)/python -m comparison.releases

.PHONY: clean
clean: ## remove all generated files
	rm -rf .venv build
