# One contract, four frameworks. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# Everything made lands in the checkout: packages in the environment, downloads and results in build/.
export UV_CACHE_DIR ?= $(CURDIR)/build/uv-cache
export UV_PYTHON_DOWNLOADS ?= never
# As pip does: a company's certificate authority is in the system's store only.
export UV_SYSTEM_CERTS ?= 1
export PLAYWRIGHT_BROWSERS_PATH ?= $(CURDIR)/build/browsers
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/build/pycache
export API_KEY HOST PORT PROFILE NAME SERVER STORE CONNECT_SERVER CONNECT_API_KEY RSCONNECT_FLAGS

# PYTHON=3.13 chooses another interpreter, with an environment of its own beside the default one.
VENV := $(if $(PYTHON),build/venv-$(subst /,_,$(PYTHON)),.venv)
BIN := $(VENV)/bin
LOCKS := tests/requirements.txt $(wildcard *_app/requirements.txt)
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-strip-extras \
	--custom-compile-command "make lock" $(LOCK_FLAGS)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/%/<name>/' \
		| awk -F':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'
	@echo "  <name> is one of: $(patsubst %_app/,%,$(sort $(wildcard *_app/)))"

.PHONY: setup
setup: $(VENV)/.ready ## create .venv with everything that the other targets need

$(VENV)/.ready: $(LOCKS)
	@python=""; \
	for candidate in $(if $(PYTHON),"$(PYTHON)" "python$(PYTHON)",python3.11 python3 python3.14 python3.13 python3.12); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "make: no $(if $(PYTHON),Python $(PYTHON),Python 3.11 or newer) on PATH: install one, or name it with PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	if [ ! -x $(BIN)/uv ]; then \
		echo "Creating $(VENV) with $$("$$python" --version)"; \
		if command -v uv >/dev/null; then uv venv --quiet --clear --python "$$(command -v "$$python")" $(VENV); bootstrap=uv; \
		elif "$$python" -m venv --clear $(VENV); then $(BIN)/python -m pip install --quiet --no-cache-dir --disable-pip-version-check uv; bootstrap=$(BIN)/uv; \
		else echo "make: $$python has no working venv module: install it (Debian: apt install python3-venv), or install uv" >&2; exit 1; fi; \
	else bootstrap=$(BIN)/uv; fi; \
	cp "$$(command -v $$bootstrap)" $(VENV)/uv-bootstrap; \
	echo "Installing $(LOCKS)"; \
	$(VENV)/uv-bootstrap pip sync --quiet --python $(BIN)/python $(LOCKS); \
	rm $(VENV)/uv-bootstrap; touch $@

.PHONY: run
run: setup ## deploy all four to a stand-in for Connect on http://127.0.0.1:3939/ (PORT=, HOST=, PROFILE=)
	@exec $(BIN)/python -m rehearsal

run-%: setup %_app/app.py ## start one app with auto-reload on http://127.0.0.1:8000/ (PORT=)
	@exec $(BIN)/python -m uvicorn $*_app.app:app --reload --reload-dir $*_app --reload-dir shared \
		--reload-include '*.json' --reload-include '*.html' --reload-include '*.yaml' \
		--host 127.0.0.1 --port $(or $(PORT),8000)

# A name without a folder gets the list of those that have one.
%_app/app.py:
	@echo "make: there is no $*_app/ here; there are: $(patsubst %_app/,%,$(sort $(wildcard *_app/)))" >&2; exit 1

.PHONY: test-all
test-all: setup chromium ## every check: format, lint, types, contract, machinery, browser (PYTHON=3.13 for another one)
	@$(BIN)/ruff format --check --quiet . || { echo "make: format with '$(BIN)/ruff format'" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python -m pytest -q -n 4 --dist loadscope --no-loadscope-reorder

test-%: setup %_app/app.py ## the contract for one framework, the in-process half first
	@$(BIN)/python -m pytest -q -x tests/contract/test_contract.py --app $* --server "in process"
	@$(BIN)/python -m pytest -q tests/contract --app $*

.PHONY: test-in-process
test-in-process: setup ## the contract for all, without servers and browser
	@$(BIN)/python -m pytest -q tests/contract/test_contract.py tests/contract/test_breakages.py --server "in process"

.PHONY: test-url
test-url: setup ## the contract for a deployed app: URL=https://... [API_KEY=...]
	@test -n "$(URL)" || { echo "make: which app? make test-url URL=https://connect.example.org/content/.../ [API_KEY=...]" >&2; exit 1; }
	@$(BIN)/python -m pytest -q -rs tests/contract/test_contract.py --url "$(URL)"

.PHONY: chromium
chromium: setup
	@$(BIN)/python -m tests.chromium

.PHONY: db
db: setup ## prepare the database that GREETINGS_URL names: the table, and the greetings that it lacks
	@$(BIN)/python -m shared.database

.PHONY: rehearse
rehearse: setup ## the stand-in for Connect as it was left, with URL and API keys (PROFILE=, PORT=)
	@exec $(BIN)/python -m rehearsal rehearse

.PHONY: rehearse-logs
rehearse-logs: setup ## what deployed content printed: NAME=<name, vanity path or GUID>
	@$(BIN)/python -m rehearsal logs "$(NAME)"

.PHONY: test-rehearsal
test-rehearsal: setup ## deploy all with rsconnect, the whole contract through the proxy under every profile (PROFILE=)
	@$(BIN)/python -m tests.rehearsal.through_proxy $(PROFILE)

bundle-%: setup %_app/app.py ## stage build/bundles/<name>/, ready for rsconnect, and try it (STORE=postgres)
	@$(BIN)/python -m rehearsal.bundle $*

deploy-%: setup %_app/app.py ## bundle, then rsconnect to SERVER=<saved name> or CONNECT_SERVER + CONNECT_API_KEY (STORE=postgres)
	@$(BIN)/python -m rehearsal.deploy $*

.PHONY: lock
lock: $(VENV)/.ready ## recompile every requirements.txt (LOCK_FLAGS=--upgrade raises the versions)
	@$(LOCK) --group dev --all-extras $(wildcard *_app/pyproject.toml) -o tests/requirements.txt
	@for app in *_app; do \
		$(LOCK) -c tests/requirements.txt $$app/pyproject.toml -o $$app/requirements.txt; \
		$(LOCK) -c tests/requirements.txt --extra postgres $$app/pyproject.toml -o $$app/requirements-postgres.txt; \
	done
	@echo "Recompiled:" tests/requirements.txt *_app/requirements*.txt

.PHONY: clean
clean: ## remove all that was made
	rm -rf .venv build
