# `make reports` and `make test` are each enough on a fresh clone; `make help` lists the rest.
# Runs on GNU make 3.81 and later. On Windows and in conda use `python -m segmentation`.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
# The lock is complete, and one of its packages asks for an older pandas than it needs: no resolving.
LOCKED := $(PIP) --require-hashes --no-deps --requirement
WORKERS ?= 2
# Further arguments: make reports ARGS="--data ../bank --out /tmp/reports"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install spark reports test notebooks lab peers bench calibrate lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (a few minutes the first time)"
	@$(LOCKED) requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

install: $(STAMP) ## .venv with the package and all that reports and tests need

spark: $(STAMP) ## PySpark into .venv; it needs Java
	@$(LOCKED) requirements-spark.lock

reports: $(STAMP) ## build reports/ in both languages (ARGS="--data PATH" for your own bank)
	$(BIN)/python -m segmentation reports --language all $(ARGS)

test: $(STAMP) ## style, types, doctests, tests and notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(BIN)/python -c "import segmentation; segmentation.open_bank()"
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope --doctest-modules \
		--nbval --nbval-current-env --nbval-cell-timeout=300 segmentation tests notebooks $(ARGS)

notebooks: $(STAMP) ## run the notebooks and write their outputs in canonical form
	$(BIN)/python -m segmentation notebooks $(ARGS)

lab: $(STAMP) ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

peers: benchmarks/.peers/.installed ## what the campaign functions are measured against

benchmarks/.peers/.installed: benchmarks/peers.lock
	@test -x benchmarks/.peers/bin/python || $(PYTHON) -m venv benchmarks/.peers
	@benchmarks/.peers/bin/python -m pip install --disable-pip-version-check --quiet \
		--require-hashes --no-deps --requirement benchmarks/peers.lock
	@touch $@

bench: $(STAMP) peers ## time it against pandas, plain SQL and peers, into benchmarks/*.md
	$(BIN)/python benchmarks $(ARGS)
	$(BIN)/python benchmarks/campaigns.py $(ARGS)

CALIBRATION := $(CURDIR)/.venv/calibration.jsonl

calibrate: $(STAMP) ## the long simulations of size and coverage, into docs/calibration.md
	@rm -f "$(CALIBRATION)"
	CALIBRATION="$(CALIBRATION)" $(BIN)/python -m pytest --numprocesses $(WORKERS) -m calibrate \
		tests $(ARGS); status=$$?; \
	$(BIN)/python tests/campaigns/calibration.py "$(CALIBRATION)" docs/calibration.md && exit $$status

# Needs uv. No address of an index is written, so that each machine uses its own.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header

lock: ## renew the locks
	$(COMPILE) pyproject.toml --extra test --upgrade --output-file requirements.lock
	$(COMPILE) benchmarks/peers.in --upgrade --output-file benchmarks/peers.lock
	sed -n 's/^spark = \["\(.*\)"\]/\1/p' pyproject.toml | \
		$(COMPILE) - --constraint requirements.lock --upgrade --output-file requirements-spark.lock
