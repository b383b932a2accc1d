# make demo             segment the embedded clip
# make test             lint, types, tests, notebooks
# make notebooks        run the solutions of all notebooks on the embedded clips, and hold what they cost against their headers
# make notebooks-real   the same on the sequences in $IKEBOOK_DATA (default ../shared)
# make notebooks-build  make the notebooks from notebooks/source, and the outputs that are compared
# make rendered         run the notebooks, and write what they show into docs/rendered, with a Chromium of this machine
# make book             the course as a static site, in build/book
# make slides           the slides of one lecture, with widgets that live, in build/slides
# make front-page       the pictures of the README, with a Chromium of this machine
# make release-check    build sdist and wheel, and try them in empty environments, on each Python from 3.11 to 3.14 that is here
# make gpu              what a GPU does, measured, in docs/results/gpu-<card>.md; ROOT=folder of DAVIS 2016; with nothing installed
#                       but PyTorch, scipy, OpenCV, NumPy and pytest. DEVICE=cpu SMALL=1 rehearses it, into build/gpu
# make test-minimum     the tests with the oldest versions that pyproject.toml allows, on Python 3.11
# Both create .venv first, with the versions that binder/constraints.txt pins. PYTHON=python3.12 picks another Python.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint types pytest notebooks notebooks-real notebooks-build rendered book slides release-check test-minimum front-page gpu clean

demo: .venv/package
	$(BIN)/ikebook demo

test: lint types pytest notebooks

lint: .venv/tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/tests
	$(BIN)/mypy

pytest: .venv/tests
	$(BIN)/pytest -n logical --maxprocesses 8 --dist loadgroup

NBVAL := $(BIN)/pytest --nbval-lax --nbval-cell-timeout=600 notebooks/solutions
SIDE_BY_SIDE := -n logical --maxprocesses 8 --dist loadfile

notebooks: .venv/tests
	IKEBOOK_DATA= IKEBOOK_CACHE=$(abspath build/cache) OMP_NUM_THREADS=1 $(NBVAL) $(SIDE_BY_SIDE)

notebooks-real: .venv/tests
	@mkdir -p build/costs-real
	IKEBOOK_DATA=$(abspath $(or $(IKEBOOK_DATA),../shared)) IKEBOOK_COSTS=$(abspath build/costs-real) OMP_NUM_THREADS=1 $(NBVAL) $(SIDE_BY_SIDE)

notebooks-build: .venv/tests
	IKEBOOK_DATA= $(BIN)/python notebooks/source/build.py --execute

rendered: .venv/docs
	$(BIN)/python docs/book/rendered_pages.py

book: .venv/docs
	IKEBOOK_DATA= $(BIN)/python docs/book/build.py

slides: .venv/docs
	IKEBOOK_DATA= $(BIN)/python docs/book/slides/build.py

front-page: .venv/tests
	$(BIN)/python docs/book/front_page.py

# RELEASE="--pythons 3.12 --tests tests/test_front_door.py" and the like make it shorter.
release-check: .venv/release
	$(BIN)/repo-review .
	$(BIN)/python .ci/release_check.py --constraints binder/constraints.txt $(RELEASE)

# By the Python that is there, and no environment of ours: a machine with a GPU has its own PyTorch, and may have no network.
gpu:
	$(PYTHON) tests/experiments/gpu --device $(or $(DEVICE),cuda) $(if $(SMALL),--small) $(if $(ROOT),--root $(ROOT))

MINIMUM := build/minimum
test-minimum:
	$(PYTHON) -m venv $(MINIMUM)
	$(MINIMUM)/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(MINIMUM)/bin/python -m pip install --quiet --disable-pip-version-check -c binder/constraints-minimum.txt -e '.[lab,cluster,cues,video,remote]' \
		pytest pytest-xdist pytest-timeout pytest-rerunfailures hypothesis jupytext pyyaml hatchling hatch-fancy-pypi-readme
	OMP_NUM_THREADS=1 $(MINIMUM)/bin/python -m pytest -m 'not slow and not browser' -W default -n logical --maxprocesses 8 --dist loadgroup tests

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

.venv/release: .venv/tests
	$(PIP) -c binder/constraints.txt --group release
	@touch $@

.venv/docs: .venv/tests
	$(PIP) -c binder/constraints.txt --group docs
	@touch $@

clean:
	rm -rf .venv build dist ikebook-demo ikebook-bench
