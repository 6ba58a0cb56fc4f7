# make report | test | reproduce | pdf | attack | serve | clean    (make help says more)
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help env report test reproduce pdf attack serve clean

PYTHON ?= python3
BUDGET ?= smoke
PAPER ?= all
SEEDS ?= 0
PORT ?= 8000

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# CUDA=tensorflow or CUDA=jax (or both, in quotes) adds that one's CUDA libraries to the environment, from then on each
# time that it is made.
CUDA ?= $(patsubst $(VENV)/.cuda-%,%,$(wildcard $(VENV)/.cuda-*))
LIBRARIES := $(CUDA:%=$(VENV)/.cuda-%)
EXTRA_tensorflow := and-cuda
EXTRA_jax := cuda12

export TF_CPP_MIN_LOG_LEVEL ?= 2
# Settings of the user that would send packages elsewhere, or reach figures and pages.
export PIP_USER := 0
export MATPLOTLIBRC := /dev/null
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PYTHONPATH PYTHONHOME

# $(call or-else,what to do): the end of a recipe's line, printed where the line fails.
or-else = || { echo "make: $(1)" >&2; exit 1; }

help:
	@echo "make report      create the environment, execute the notebooks, build the book"
	@echo "make test        lint, types, tests, and every notebook's output against the committed one"
	@echo "make reproduce   train what is missing, then report: BUDGET=smoke|short|double|paper PAPER=all|tseng2020|... SEEDS='0 1 2'"
	@echo "make pdf         the whole book as one PDF, printed by a Chromium, Chrome or Edge of yours"
	@echo "make attack      kill, damage and forge what is written and read, and count what held, into book/attacks.csv"
	@echo "make serve       show the book at http://127.0.0.1:$(PORT)"
	@echo "make env         only create the environment ($(VENV), from requirements.txt); with CUDA=tensorflow|jax for a GPU"
	@echo "make clean       remove the built book and caches; the environment and results stay"

env: $(INSTALLED) $(LIBRARIES)

$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	  $(call or-else,expected Python 3.11$(comma) 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make $(MAKECMDGOALS) PYTHON=python3.12)
	@echo "Creating $(VENV) from requirements.txt; the first time this takes some minutes."
	@$(PYTHON) -m venv --clear $(VENV) \
	  $(call or-else,$(PYTHON) cannot create environments; on Debian and Ubuntu install python3-venv)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt \
	  $(call or-else,the packages of requirements.txt were not installed; pip says why above. Look at the connection$(comma) then run make again)
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . \
	  $(call or-else,the package was not installed; pip says why above)
	@touch $@

$(VENV)/.cuda-%: $(INSTALLED)
	@version=$$($(BIN)/python -c 'from importlib.metadata import version; print(version("$*"))') && \
	  $(BIN)/pip install --quiet --disable-pip-version-check "$*[$(EXTRA_$*)]==$$version" \
	  $(call or-else,the CUDA libraries of $* were not installed; pip says why above)
	@touch $@

report: $(INSTALLED) $(LIBRARIES)
	@$(BIN)/sepconv report $(call or-else,the report was not made; the lines above name the notebook or page)
	@echo "The book is at book/_build/html/index.html; make serve shows it."

# Without the images, which only sepconv data downloads here, the tests on them are skipped. No test runs on a GPU, whose
# products round where tolerances are those of float32.
test: export CUDA_VISIBLE_DEVICES := -1
test: $(INSTALLED)
	@$(BIN)/sepconv data --offline >/dev/null || echo "make: the tests on real images are skipped" >&2
	@$(BIN)/ruff check $(call or-else,$(BIN)/ruff check --fix repairs most of these)
	@$(BIN)/ruff format --check $(call or-else,$(BIN)/ruff format repairs these)
	@$(BIN)/mypy $(call or-else,the types above do not fit)
	@$(BIN)/lint-imports $(call or-else,pyproject.toml says which room imports which)
	@$(BIN)/pytest --nbval --nbval-current-env --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --durations 10 \
	  tests book/papers \
	  $(call or-else,the tests above fail. Where only a notebook's output differs: make report$(comma) look at the difference in git$(comma) commit it)

reproduce: $(INSTALLED) $(LIBRARIES)
	@$(BIN)/sepconv run $(PAPER) --budget $(BUDGET) $(addprefix --seed ,$(SEEDS)) $(call or-else,not everything was trained; run the same command again to continue)
	@$(MAKE) --no-print-directory report

pdf: book/_build/html/index.html
	@$(BIN)/sepconv pdf $(call or-else,the book was not printed; the line above says why)

attack: $(INSTALLED)
	@$(BIN)/python tests/attack.py $(call or-else,not everything held; the lines above say what did not)

serve: book/_build/html/index.html
	@echo "http://127.0.0.1:$(PORT) (Ctrl-C ends)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory book/_build/html >/dev/null 2>&1 \
	  $(call or-else,port $(PORT) is taken? make serve PORT=8001)

book/_build/html/index.html:
	@$(MAKE) --no-print-directory report

clean:
	rm -rf book/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

comma := ,
