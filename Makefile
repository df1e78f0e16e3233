# Each target sets up what it needs, from python3 and pip alone; an up-to-date set-up costs a tenth of a second.
PYTHON ?= python3
SCENARIO ?= chat
UPGRADE ?=

.DEFAULT_GOAL := help
.PHONY: help report test check lab bench lock clean runtime dev

help: ## Print this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

report: runtime ## Render the report of a scenario (SCENARIO=chat) and print where it is
	.venv/bin/workbench report $(SCENARIO)

test: dev ## Lint, types, tests and notebooks, in that order, up to the first failure
	$(PYTHON) scripts/test

check: runtime ## Validate the datasets
	.venv/bin/workbench check

lab: runtime ## Open the notebooks in JupyterLab
	.venv/bin/workbench lab

bench: dev ## Measure the speed ratios that the project promises
	.venv/bin/python tests/benchmarks/run.py

# Dependencies are named in pyproject.toml; the locks hold versions and hashes for every system, and no address.
LOCK = .venv/bin/uv pip compile pyproject.toml --group setup --override requirements-overrides.txt --quiet \
	--universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' \
	$(if $(UPGRADE),--upgrade)

lock: dev ## Lock the dependencies again after a change (UPGRADE=1: to their newest versions)
	$(LOCK) --output-file requirements.lock
	$(LOCK) --extra dev --constraint requirements.lock --output-file requirements-dev.lock
	@! grep -n '://' requirements*

clean: ## Remove what can be made again: the environment, reports and caches
	rm -rf .venv reports/out build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find workbench tests notebooks reports -name __pycache__ -prune -exec rm -rf {} +

runtime:
	@$(PYTHON) scripts/setup

dev:
	@$(PYTHON) scripts/setup dev
