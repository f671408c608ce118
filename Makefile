# Set-up needs python3 (3.11 or newer) and make; scripts/setup.sh does the rest.

PYTHON ?= python3
BIN = .venv/bin
# Set up again after a move, and for another Python.
READY := .venv/ready-$(shell echo '$(CURDIR) $(PYTHON)' | cksum | cut -d' ' -f1)
PYTEST_FLAGS = --numprocesses auto --maxprocesses 4
LOCK = $$uv pip compile --quiet --universal --generate-hashes \
	--no-header --no-annotate --no-emit-index-url $(LOCK_FLAGS)

.PHONY: help run test torture bench lock clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile
	@echo "Another Python: make PYTHON=python3.12 ..."

run: $(READY) ## Simulate the paper's economy: 1,000 runs into out/paper
	$(BIN)/coopera simulate paper --runs 1000 --out out/paper

test: $(READY) ## Run every check: style, types, layers, tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(PYTEST_FLAGS)

torture: $(READY) ## Kill what keeps the books hundreds of times, and look at what is left
	KILLS=200 $(BIN)/pytest -rP tests/faults/test_kills.py tests/faults/test_market_kills.py \
		tests/faults/test_network_kills.py

bench: $(READY) ## Measure speed
	$(BIN)/python -m benchmarks

lock: ## Lock the requirements again (newer ones: LOCK_FLAGS=--upgrade)
	uv=$$(PYTHON='$(PYTHON)' sh scripts/setup.sh uv) && \
	$(LOCK) --all-extras --group dev pyproject.toml -o requirements.lock && \
	echo uv | $(LOCK) --python-version 3.11 - -o requirements-uv.lock

clean: ## Remove everything that make has made
	rm -rf .venv .venv-radcad .venv-pydvl .venv-beancount .tools out dist .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	find src tests benchmarks scripts -name __pycache__ -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements.lock requirements-uv.lock scripts/setup.sh
	@PYTHON='$(PYTHON)' sh scripts/setup.sh
	@touch $@
