# make demo   segment the embedded clip
# make test   lint, types, tests, notebooks
# Both create .venv first, with the versions that binder/constraints.txt pins. PYTHON=python3.12 picks another Python.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint types pytest notebooks clean

demo: .venv/package
	$(BIN)/ikebook demo

test: lint types pytest notebooks

lint: .venv/tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/tests
	$(BIN)/mypy

pytest: .venv/tests
	$(BIN)/pytest

notebooks: .venv/tests
	$(BIN)/pytest --nbval-lax --nbval-cell-timeout=600 notebooks

.venv/package: pyproject.toml binder/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ikebook needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(PIP) 'pip>=25.1'
	$(PIP) -c binder/constraints.txt -e .
	@touch $@

# torchvision by itself first: it asks for the very PyTorch that is there already, of whatever build, and must not replace it.
.venv/tests: .venv/package
	$(PIP) -c binder/constraints.txt --no-deps torchvision
	$(PIP) -c binder/constraints.txt -e '.[cues]' --group test
	@touch $@

clean:
	rm -rf .venv build dist ikebook-demo ikebook-bench
