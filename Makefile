# Two commands do everything: `make run` serves on http://127.0.0.1:8011, `make test` runs the whole suite. `make help`
# lists the others: what stands behind the two # of each.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= test
PORT ?= 8011
INSPECT ?= 8012
BIN = $(VENV)/bin
COPY = build/compiled
# Half of the suite waits for real processes, so there are more workers than processors; each file whole, in the order of
# tests/conftest.py.
JOBS ?= auto
PYTEST = -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

.PHONY: help run check test test-lowest test-pythons coverage lint site install build wheel sbom deb release compiled \
	test-compiled compiler clean

run: $(VENV)/.installed ## serve examples/hello.py on port 8011, with the inspector on 8012
	@echo
	@echo "Try, in another terminal:"
	@echo "  curl -H 'X-Lambda-Function: hello' 'http://127.0.0.1:$(PORT)/add?test=true' -d '{\"test\":1}'"
	@echo
	$(BIN)/twistd -n --pidfile= lambdaproxy --port $(PORT) --local hello=examples/hello.py:handler --inspect $(INSPECT)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

check: $(VENV)/.installed-$(EXTRAS) lint ## lint, and the half of the tests that starts no process: for while you work
	$(BIN)/python -m tests.quick

test: $(VENV)/.installed-$(EXTRAS) lint ## lint, then all tests; JOBS=1 runs them one after the other
	$(BIN)/python $(PYTEST)

# The lowest versions that setup.cfg permits, in an environment of its own.
test-lowest: $(VENV)/.installed-$(EXTRAS) ## all tests with the lowest versions of all dependencies
	mkdir -p build
	$(BIN)/python -m tools.bounds test >build/lowest.txt
	$(PYTHON) -m venv build/lowest
	build/lowest/bin/pip install --quiet --disable-pip-version-check --editable '.[test]' --constraint build/lowest.txt
	build/lowest/bin/python $(PYTEST)

test-pythons: ## all tests with each Python from 3.11 to 3.14 that is on the PATH
	@for each in 3.11 3.12 3.13 3.14; do \
		if command -v python$$each >/dev/null; then \
			echo "Python $$each"; \
			$(MAKE) install VENV=build/python$$each PYTHON=python$$each && build/python$$each/bin/python $(PYTEST) || exit 1; \
		else echo "Python $$each is not here"; fi \
	done

coverage: $(VENV)/.installed-$(EXTRAS) ## lines and branches of the modules on a request's way that tests take
	$(BIN)/python -m coverage run -m pytest --quick -q
	$(BIN)/python -m coverage run --append -m pytest -q $$($(BIN)/python -m tools.coverage tests)
	$(BIN)/python -m tools.coverage

lint: $(VENV)/.installed-$(EXTRAS) ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	@# What mypy's plugin for interfaces keeps can be wrong after they have changed: what fails is asked without it.
	$(BIN)/mypy || { rm -rf .mypy_cache; $(BIN)/mypy; }

# The pages of docs/ as a site, in build/site.
site: $(VENV)/.installed-$(EXTRAS) ## the pages as a site, in build/site
	$(BIN)/python -m sphinx -q -W --keep-going -d build/trees docs build/site
	@echo "Open build/site/index.html"

install: $(VENV)/.installed-$(EXTRAS) ## the environment that the other targets need; EXTRAS=test,ci for all tests

build: $(VENV)/.installed-$(EXTRAS) ## the wheel, and an example's zip for Lambda, in dist/
	rm -f dist/lambdaproxy-*.whl
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .
	$(MAKE) -C examples build PYTHON=$(abspath $(BIN)/python)

# The compiled wheel, for this machine's kind and this version of Python; apart from the other, for pip takes one of a name.
wheel: $(BIN)/python compiler ## the compiled wheel, in dist/compiled/; needs a C compiler
	rm -f dist/compiled/lambdaproxy-*.whl
	LAMBDAPROXY_COMPILE=1 $(BIN)/pip wheel --quiet --no-deps --wheel-dir dist/compiled .

sbom: ## the bill of materials (CycloneDX) and the licences of all that is installed, in dist/
	$(MAKE) install EXTRAS=release
	$(BIN)/python -m tools.sbom dist

deb: $(VENV)/.installed-$(EXTRAS) ## the Debian package, in dist/; on Debian
	$(BIN)/python -m tools.deb dist

release: ## the checklist of a release: builds everything into dist/, publishes nothing
	$(MAKE) install EXTRAS=test,release
	$(BIN)/python -m tools.release check

# The compiled form in a copy with an environment of its own: compiled in place, it would hide the sources.
compiled: compiler ## the compiled form, in build/compiled
	rm -rf $(COPY)
	git clone --quiet . $(COPY)
	git ls-files -z --cached --others --exclude-standard | tar --null -T - --ignore-failed-read -cf - | tar -xf - -C $(COPY)
	[ ! -e ../shared ] || ln -sfn "$(abspath ../shared)" build/shared
	LAMBDAPROXY_COMPILE=1 $(MAKE) -C $(COPY) install VENV=.venv EXTRAS=$(EXTRAS) PYTHON=$(PYTHON)

test-compiled: compiled ## all tests on the compiled form
	cd $(COPY) && .venv/bin/python $(PYTEST)

compiler: ## say whether there is a C compiler
	@command -v cc >/dev/null && $(PYTHON) -c \
		'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
		|| { echo "A C compiler and Python's headers are needed; on Debian: apt-get install gcc python3-dev"; exit 1; }

clean: ## remove what was made, the environment included
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or later is needed; try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "No virtual environment could be made; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: $(BIN)/python setup.cfg pyproject.toml
	@echo "Installing into $(VENV), which downloads 25 packages the first time ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-$(EXTRAS): $(BIN)/python setup.cfg pyproject.toml
	@echo "Installing into $(VENV) what the tests want ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@ $(VENV)/.installed
