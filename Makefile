# Each target is one line to a real command. The environment is made from the lock when it is missing or older than it.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE := 1
export MLFLOW_DISABLE_TELEMETRY := true
export PATH := $(CURDIR)/$(BIN):$(PATH)
.DEFAULT_GOAL := help

.PHONY: help demo test check format lab bench lock clean

help:  ## Show what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/.installed: requirements.lock pyproject.toml
	@echo "Installing into $(VENV) from requirements.lock: three to six minutes the first time."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.installed  ## Run week 1 for a made-up cohort of eight, from data to marks, and review a capstone
	$(BIN)/civicml demo

test: $(VENV)/.installed  ## Run every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.installed  ## Lint, check formatting, types and layers
	$(BIN)/pre-commit run --all-files

format: $(VENV)/.installed  ## Format code and notebooks
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

lab: $(VENV)/.installed  ## Open JupyterLab on week 1, with MLflow's pages beside it
	$(BIN)/civicml lab

bench: $(VENV)/.installed  ## Measure how fast data are made, notebooks run and labs are graded, beside what else does it
	$(BIN)/python benchmarks/recipes.py
	$(BIN)/python benchmarks/disclosure.py
	$(BIN)/python benchmarks/notebooks.py
	$(BIN)/python benchmarks/grading.py --all
	$(BIN)/python benchmarks/agreement.py --submissions 20 --honest 20 --results $(VENV)/agreement.jsonl

lock: $(VENV)/.installed  ## Write down the versions that are installed now
	$(BIN)/python -m pip freeze --exclude-editable > requirements.lock

clean:  ## Remove the environment and caches; a cohort is yours to delete
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
