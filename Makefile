# Two commands do everything: `make run` serves on http://127.0.0.1:8011, `make test` runs the whole suite.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test
PORT ?= 8011
INSPECT ?= 8012
BIN = $(VENV)/bin
COPY = build/compiled
# Half of the suite waits for real processes: as many at once as there are processors, each file whole.
JOBS ?= auto
PYTEST = -m pytest -n $(JOBS) --dist loadfile

.PHONY: run test lint site install build wheel compiled test-compiled compiler clean

run: $(VENV)/.installed
	@echo
	@echo "Try, in another terminal:"
	@echo "  curl -H 'X-Lambda-Function: hello' 'http://127.0.0.1:$(PORT)/add?test=true' -d '{\"test\":1}'"
	@echo
	$(BIN)/twistd -n --pidfile= lambdaproxy --port $(PORT) --local hello=examples/hello.py:handler --inspect $(INSPECT)

test: $(VENV)/.installed-$(EXTRAS) lint
	$(BIN)/python $(PYTEST)

lint: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The pages of docs/ as a site, in build/site.
site: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/python -m sphinx -q -W --keep-going -d build/trees docs build/site
	@echo "Open build/site/index.html"

install: $(VENV)/.installed-$(EXTRAS)

build: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .
	$(MAKE) -C examples build PYTHON=$(abspath $(BIN)/python)

# The compiled wheel, for this machine's kind and this version of Python.
wheel: $(BIN)/python compiler
	LAMBDAPROXY_COMPILE=1 $(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

# The compiled form in a copy with an environment of its own: compiled in place, it would hide the sources.
compiled: compiler
	rm -rf $(COPY)
	git clone --quiet . $(COPY)
	git ls-files -z --cached --others --exclude-standard | tar --null -T - --ignore-failed-read -cf - | tar -xf - -C $(COPY)
	[ ! -e ../shared ] || ln -sfn "$(abspath ../shared)" build/shared
	LAMBDAPROXY_COMPILE=1 $(MAKE) -C $(COPY) install VENV=.venv EXTRAS=$(EXTRAS) PYTHON=$(PYTHON)

test-compiled: compiled
	cd $(COPY) && .venv/bin/python $(PYTEST)

compiler:
	@command -v cc >/dev/null && $(PYTHON) -c \
		'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
		|| { echo "A C compiler and Python's headers are needed; on Debian: apt-get install gcc python3-dev"; exit 1; }

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
