# Needs make, Python 3.11 or newer, and for the tests Java 17 and Maven (and apt-get, or an Alertmanager on the PATH). The rest is
# fetched by `make setup`.
#
#   make demo                  a year of responses on the embedded broker, live; ARGS=--once prints the tables and ends
#   make test                  everything that continuous integration checks
#   make lint unit             parts of it
#   make compiled              the hot path compiled into .compiled, optional, and the unit tests on it; needs a C compiler
#   make bench                 npstream beside its peers, into docs/performance.md; ARGS=--quick only shows whether it works
#   make bench-quick           whether a response costs what it did, in seconds; part of continuous integration
#   make chaos                 faults, overload, hostile records and long runs, as in docs/reliability.md: hours; SEEDS=20
#   make lock                  refresh the locked dependencies; ARGS=--upgrade takes newer versions
#   make clean                 remove all that make made

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := setup
MAKEFLAGS += --no-print-directory

# The first that is new enough; a machine's python3 may be older than the python3.11 beside it.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
  "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$python" && exit; done; echo python3)
JAVA_AT_LEAST := 17
BIN := .venv/bin
PACKAGES := streams agents schemas npstream
ARGS ?=

# Stamps: a file is newer than what it was made from, or the step is done again.
INSTALLED := .venv/.installed
JARS := .kafka/.installed

.PHONY: setup demo test lint unit compiled peers bench bench-quick chaos lock clean

setup: $(INSTALLED) $(JARS)

$(INSTALLED): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is missing: install Python 3.11 or newer, or give PYTHON=path" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: $$($(PYTHON) --version) is too old: install Python 3.11 or newer, or give PYTHON=path" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "make: $(PYTHON) cannot make virtual environments: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv --clear .venv
	@echo "installing the locked dependencies into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(JARS): tests/kafka/pom.xml
	@command -v java >/dev/null || { echo "make: java is missing: install Java $(JAVA_AT_LEAST) or newer (the tests run on a real Kafka)" >&2; exit 1; }
	@version=$$(java -version 2>&1 | sed -nE 's/.*version "(1\.)?([0-9]+).*/\2/p' | head -n 1); \
	  [ "$${version:-0}" -ge $(JAVA_AT_LEAST) ] \
	  || { echo "make: Java $${version:-of unknown version} is too old for Kafka: install Java $(JAVA_AT_LEAST) or newer" >&2; exit 1; }
	@command -v mvn >/dev/null || { echo "make: mvn is missing: install Maven (it fetches Kafka for the tests)" >&2; exit 1; }
	@echo "fetching Apache Kafka into .kafka"
	@rm -rf .kafka
	@mvn -Dstyle.color=never --quiet --batch-mode --no-transfer-progress --file tests/kafka/pom.xml \
	  dependency:copy-dependencies -DoutputDirectory="$(CURDIR)/.kafka/libs"
	@touch $@

demo: $(INSTALLED)
	@$(BIN)/npstream demo $(ARGS)

# In as many processes as the smallest machine has cores, each with brokers of its own: half of the time is waiting for groups.
test: setup lint .alertmanager/.installed
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

# Tests deliver to a real Alertmanager: Debian's package, unpacked and not installed.
.alertmanager/.installed:
	@mkdir -p .alertmanager
	@if command -v prometheus-alertmanager >/dev/null; then :; \
	elif ! command -v apt-get >/dev/null; then \
	  echo "make: the tests deliver to an Alertmanager: install prometheus-alertmanager, so that it is on the PATH" >&2; exit 1; \
	else \
	  echo "fetching Alertmanager into .alertmanager"; cd .alertmanager; \
	  apt-get -qq download prometheus-alertmanager 2>/dev/null || { apt-get -qq update >/dev/null 2>&1; \
	    apt-get -qq download prometheus-alertmanager 2>/dev/null; } || { \
	    echo "make: apt-get cannot download prometheus-alertmanager: run apt-get update, or install it" >&2; exit 1; }; \
	  for package in *.deb; do dpkg -x "$$package" . && rm "$$package"; done; \
	fi
	@touch $@

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(INSTALLED)
	@$(BIN)/python -m pytest tests/unit $(ARGS)

# The tests' own folder comes last, or they would find the sources.
compiled: .compiled/.installed
	@NPSTREAM_COMPILED=1 PYTHONPATH="$(CURDIR)/.compiled" $(BIN)/pytest --import-mode append tests/unit $(ARGS)

.compiled/.installed: deploy/compile.py $(INSTALLED) $(shell find $(PACKAGES) -name '*.py')
	@rm -rf .compiled
	@$(BIN)/python deploy/compile.py .compiled
	@touch $@

# What npstream is compared with: those in Python want other versions than ours beside them.
PYTHON_PEERS := $(addprefix .peers/,quix bytewax)

peers: $(PYTHON_PEERS:=/.installed) .peers/kstreams/.installed

$(PYTHON_PEERS:=/.installed): .peers/%/.installed: bench/peers/%/requirements.lock | $(INSTALLED)
	@echo "installing the peer $* into .peers/$*"
	@$(BIN)/python -m venv --clear .peers/$*
	@.peers/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

.peers/kstreams/.installed: bench/peers/kstreams/pom.xml $(shell find bench/peers/kstreams/src -name "*.java") | $(JARS)
	@echo "building the peer kstreams into .peers/kstreams"
	@rm -rf .peers/kstreams
	@mvn -Dstyle.color=never --quiet --batch-mode --no-transfer-progress --file $< package -Dpeer.folder="$(CURDIR)/.peers/kstreams"
	@touch $@

bench: setup peers .compiled/.installed
	@$(BIN)/python -m bench $(or $(ARGS),--markdown docs/performance.md --plot docs/performance.png)

bench-quick: $(INSTALLED)
	@$(BIN)/python -m bench.quick $(ARGS)

SEEDS ?= 20

chaos: setup
	@$(BIN)/python -m tests.chaos --seeds $(SEEDS) $(ARGS)
	@$(BIN)/python -m tests.simulation --schedules 100000 --seed 1
	@$(BIN)/python -m tests.hostile --records 1000000 --processes 2
	@$(BIN)/python -m tests.endurance overload --seconds 10 --times 10 --calibrate 50000 --set batch_max_bytes=16384
	@$(BIN)/python -m tests.endurance poison --responses 100000 --calibrate 100000
	@$(BIN)/python -m tests.endurance slow-consumer --calibrate 100000
	@$(BIN)/python -m tests.endurance long --minutes 3 --calibrate 100000
	@$(BIN)/python -m tests.closing kills
	@$(BIN)/python -m tests.closing kills --grouped
	@$(BIN)/python -m tests.closing outage

# One resolution: what users run, and what builds the image's wheel, are parts of what developers run. Peers are apart.
LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --universal --fork-strategy fewest --python-version 3.11 --custom-compile-command "make lock"

lock: $(INSTALLED)
	@$(LOCK) --all-extras $(ARGS) pyproject.toml --output-file requirements.lock
	@$(LOCK) --extra care --extra disk --extra embedded --extra fetch --extra files --extra gateway --extra notify --extra sentiment --constraint requirements.lock pyproject.toml --output-file requirements-runtime.lock
	@$(LOCK) --constraint requirements.lock deploy/build.in --output-file deploy/build.lock
	@for peer in quix bytewax; do \
	  $(LOCK) $(ARGS) bench/peers/$$peer/requirements.in --output-file bench/peers/$$peer/requirements.lock; done

clean:
	rm -rf .venv .kafka .alertmanager .compiled .peers build dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find $(PACKAGES) tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
