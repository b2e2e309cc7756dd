# make demo   build the flights project from nothing and look at it
# make test   everything that CI runs
# Both make .venv on the first call; nothing but Python 3.11+ and make is needed.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(shell find fsbuild project_template -type f -not -path '*/__pycache__/*') pyproject.toml README.md

READERS := $(basename $(notdir $(wildcard tests/readers/*.txt)))

.PHONY: demo test check lint types contracts tests readers wheel site dbt bench clean

demo: .venv/.installed
	@test -d demo || $(BIN)/fsbuild init demo
	@$(BIN)/fsbuild run --project-dir demo
	@echo
	@echo "The tables are Delta tables in demo/lake/main/, their lineage is in demo/target/lineage.md. Next:"
	@echo "  cd demo && source ../$(BIN)/activate"
	@echo "  fsbuild show carrier_delay_7d        some rows of a feature"
	@echo "  fsbuild history carrier_delay_7d     the versions of its table"
	@echo "  fsbuild plan                         what a run would do now, and why"
	@echo "Then change a model in demo/models/ and run 'fsbuild run' again; demo/README.md tells about the data."

test: check

check: lint types contracts tests wheel site

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev
	$(BIN)/mypy

contracts: .venv/.installed-dev
	$(BIN)/lint-imports

tests: .venv/.installed-dev
	$(BIN)/pytest -n 2

# The programs that read dbt's artifacts, unchanged and each in an environment of its own, read those of a made-up project.
readers: .venv/.installed-dev $(READERS:%=.venv/readers-%/.installed)
	rm -rf build/readers && mkdir -p build/readers && cp -r tests/readers/shop build/readers/shop
	$(BIN)/fsbuild build --quiet --project-dir build/readers/shop
	$(BIN)/fsbuild source freshness --project-dir build/readers/shop
	$(BIN)/fsbuild docs generate --project-dir build/readers/shop
	set -e; for reader in $(READERS); do .venv/readers-$$reader/bin/python tests/readers/$$reader.py build/readers/shop; done

.venv/readers-%/.installed: tests/readers/%.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

wheel: .venv/.wheel-checked

# The pages of the documentation: they are what their source makes, and work in a real browser, over a made-up project and
# over what `fsbuild docs generate` writes. Pictures of them are in site/test/shots/ then.
site: .venv/.installed-dev site/node_modules/.installed
	@command -v chromium > /dev/null || { apt-get update -qq && apt-get install -y -qq chromium > /dev/null; }
	cd site && npm run build
	git diff --exit-code --stat -- fsbuild/site/assets
	rm -rf build/documented
	$(BIN)/fsbuild init build/documented/flights
	$(BIN)/fsbuild build --quiet --project-dir build/documented/flights
	$(BIN)/fsbuild docs generate --project-dir build/documented/flights
	$(BIN)/python -m benchmarks.generate layers build/documented/layers --models 1000
	$(BIN)/fsbuild docs generate --project-dir build/documented/layers
	cd site && FSBUILD_SITE_1000=../build/documented/layers/target/docs npm test
	cd site && FSBUILD_SITE=../build/documented/flights/target/docs node --test test/site.test.js

site/node_modules/.installed: site/package-lock.json
	@command -v npm > /dev/null || { echo "the pages are built with Node 20.19 or newer: install nodejs and npm"; exit 1; }
	cd site && npm ci --no-audit --no-fund
	@touch $@

# The judge of dbt compatibility: the projects of tests/dbt/projects run through dbt itself, in an environment of its own,
# and through fsbuild. Both have the same engine, so that what differs is theirs.
dbt: .venv/.installed-dev .venv/dbt/.installed
	$(BIN)/pytest -m dbt tests/dbt -n 2 --dist loadgroup

.venv/dbt/.installed: .venv/.installed-dev tests/dbt/requirements.txt
	$(PYTHON) -m venv .venv/dbt
	.venv/dbt/bin/pip install --quiet --disable-pip-version-check --requirement tests/dbt/requirements.txt
	@touch $@

bench: .venv/.installed-dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "fsbuild needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.installed-dev: .venv/.installed pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# The wheel, installed into an empty environment, must be able to make a project and run it.
.venv/.wheel-checked: .venv/.installed-dev $(SOURCES)
	rm -rf dist .venv/wheel
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	$(PYTHON) -m venv .venv/wheel
	.venv/wheel/bin/pip install --quiet --disable-pip-version-check dist/fsbuild-*.whl
	cd .venv/wheel && bin/fsbuild init project && bin/fsbuild run --project-dir project && bin/fsbuild test -q --project-dir project
	@touch $@
