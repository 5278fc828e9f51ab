# Two commands do everything: `make run` serves on http://127.0.0.1:8011, `make test` runs the whole suite.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test
PORT ?= 8011
INSPECT ?= 8012
BIN = $(VENV)/bin

.PHONY: run test lint install build clean

run: $(VENV)/.installed
	@echo
	@echo "Try, in another terminal:"
	@echo "  curl -H 'X-Lambda-Function: hello' 'http://127.0.0.1:$(PORT)/add?test=true' -d '{\"test\":1}'"
	@echo
	$(BIN)/twistd -n --pidfile= lambdaproxy --port $(PORT) --local hello=examples/hello.py:handler --inspect $(INSPECT)

test: $(VENV)/.installed-$(EXTRAS) lint
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

install: $(VENV)/.installed-$(EXTRAS)

build: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .
	$(MAKE) -C examples build PYTHON=$(abspath $(BIN)/python)

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed; try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "No virtual environment could be made; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: $(BIN)/python setup.cfg pyproject.toml
	@echo "Installing into $(VENV), which takes some seconds the first time ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-$(EXTRAS): $(BIN)/python setup.cfg pyproject.toml
	@echo "Installing into $(VENV) what the tests want ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@ $(VENV)/.installed
