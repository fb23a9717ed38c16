# Everything a newcomer types. `make debate` and `make test` set up what is missing, then run; both can be interrupted
# and repeated.
VENV ?= .venv
PYTHON := $(VENV)/bin/python
LOCALTABLE := $(VENV)/bin/localtable
QUESTION ?= examples/questions/open-models.yaml
PANEL ?= examples/panels/demo.yaml

.PHONY: help setup debate test check format pin clean

help:  ## say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup:  ## install what is missing into .venv
	@VENV=$(VENV) bash scripts/setup.sh

debate: setup  ## hold the example debate: three models, one question
	@$(LOCALTABLE) debate $(QUESTION) --panel $(PANEL) --fetch

test: setup  ## run all tests
	@bash scripts/get_browser.sh
	@$(LOCALTABLE) models fetch smollm2-135m-instruct qwen2.5-coder-0.5b-instruct
	@$(PYTHON) -m pytest

check: setup  ## lint and types
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy

format: setup  ## put the code into its form
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

pin: setup  ## resolve requirements/*.txt anew from pyproject.toml
	@$(PYTHON) scripts/pin_requirements.py

clean:  ## remove the environment; weights and caches stay in LOCALTABLE_HOME
	rm -rf $(VENV) .uv .mypy_cache .pytest_cache .ruff_cache
