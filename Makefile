# make run    a messenger on http://127.0.0.1:8081, with nothing to configure
# make test   every test
# make test-faults  the long forms: hundreds of kills, cuts and full disks (take long)
# make check  format, lint, types (server and web client)
# make        check and test
# All of them do their own set-up, in .venv; a second run only does what changed.

.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
.PHONY: all run test test-faults check web format clean

# The first Python that is new enough; PYTHON=… picks another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$python"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
# The client is built once, by the target below, and not by every installation.
PIP_INSTALL := IMTORNADO_SKIP_WEB=1 $(BIN)/python -m pip install -qq --disable-pip-version-check
PACKAGING := setup.cfg pyproject.toml imtornado/__init__.py

all: check test

run: $(VENV)/.run
	@$(BIN)/python web/build_backend/client.py build
	@echo "Open the address below in a browser. Ctrl+C stops the server; what was written stays in data/ and resource/."
	@exec $(BIN)/imtornado serve $(ARGS)

test: $(VENV)/.test
	@$(BIN)/python web/build_backend/client.py build
	@$(BIN)/python web/build_backend/client.py test
	@$(BIN)/python -m pytest $(ARGS)

test-faults: $(VENV)/.test
	@$(BIN)/python -m pytest -m long $(ARGS)

check: $(VENV)/.check
	@echo "check: format"; $(BIN)/ruff format --quiet --check . || { echo "check: 'make format' puts it right"; exit 1; }
	@echo "check: lint"; $(BIN)/ruff check --quiet .
	@echo "check: types"; $(BIN)/mypy --no-error-summary
	@echo "check: web client"; $(BIN)/python web/build_backend/client.py check >$(VENV)/web-check.log 2>&1 \
		|| { cat $(VENV)/web-check.log; exit 1; }
	@echo "check: ok"

web: $(VENV)/.run
	@$(BIN)/python web/build_backend/client.py build

format: $(VENV)/.check
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info web/node_modules static/app static/.vite
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov .coverage*
	find imtornado handlers storage tests web/build_backend -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "imtornado needs Python 3.11 or newer, and found none. Debian, Ubuntu: apt install python3 python3-venv"; \
		echo "Another one is taken with: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments. Debian, Ubuntu: apt install python3-venv"; exit 1; }
	@echo "set-up: a virtual environment in $(VENV), with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python $(PACKAGING)
	@echo "set-up: installing imtornado"
	@$(PIP_INSTALL) --editable '.[fast,web]'
	@touch $@

$(VENV)/.test: $(BIN)/python $(PACKAGING)
	@echo "set-up: installing imtornado and what its tests need"
	@$(PIP_INSTALL) --editable '.[fast,s3,web,test]'
	@touch $@ $(VENV)/.run

$(VENV)/.check: $(BIN)/python $(PACKAGING)
	@echo "set-up: installing imtornado and the tools of 'make check'"
	@$(PIP_INSTALL) --editable '.[fast,s3,web,test,dev]'
	@touch $@ $(VENV)/.test $(VENV)/.run
