# `make` lists what can be made. PYTHON=... names the Python to make .venv from, else one is looked for.
export PYTHON

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

VENV_PYTHON := .venv/bin/python
RUNTIME := .venv/.installed-requirements.txt
DEVELOPMENT := .venv/.installed-requirements-dev.txt
SMALLTALK := model/smalltalk
# Each worker needs up to 3 GB. Its files share models and traced graphs, so that a file is not divided.
PYTEST := -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile --durations=10

# A .venv whose Python has gone, as after an upgrade of the system, is made again.
GONE := $(shell test -x $(VENV_PYTHON) || echo FORCE)

.PHONY: help chat serve train gpu lint test test-without-bfloat16 test-reliability test-web clean FORCE

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-23s%s\n", $$1, $$2 }' Makefile

# The marker is tested here because train.py, which says the same, needs seconds to load TensorFlow. Standard output and
# input are the chat's alone.
chat: $(RUNTIME) ## talk to the small talk bot; trains it first (four to twelve minutes) if need be
	@test -e $(SMALLTALK)/finished.json || \
		$(VENV_PYTHON) train.py </dev/null >&2
	@$(VENV_PYTHON) predict.py

serve: .venv/.installed-requirements-serve.txt ## serve the small talk bot to browsers and programs; trains it first if need be
	@test -e $(SMALLTALK)/finished.json || \
		$(VENV_PYTHON) train.py </dev/null >&2
	@$(VENV_PYTHON) serve.py

train: $(RUNTIME) ## train the small talk bot, or go on where its training stopped
	@$(VENV_PYTHON) train.py

gpu: .venv/.installed-requirements-gpu.txt ## install what an NVIDIA GPU needs

# To mypy a Python is the oldest with the same packages: NumPy's types on 3.12 are in the language of 3.12.
lint: $(DEVELOPMENT) ## check style, format, types and which module imports which
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m mypy --python-version=$$($(VENV_PYTHON) -c 'import sys; print("3.12" if sys.version_info >= (3, 12) else "3.10")')
	@$(VENV_PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

test: lint ## run lint, then the whole test suite with branch coverage
	@$(VENV_PYTHON) $(PYTEST) --cov

# What a processor without bfloat16 instructions computes; the variable is TensorFlow's, read when it is loaded.
test-without-bfloat16: $(DEVELOPMENT) ## run the tests of training and search as on a processor without bfloat16
	@ONEDNN_MAX_CPU_ISA=AVX2 $(VENV_PYTHON) $(PYTEST) tests/network/test_device.py tests/network/test_seq2seq.py \
		tests/network/test_constant_product.py tests/search/test_search.py tests/test_bot.py \
		tests/training/test_averages.py tests/training/test_trainer.py

test-reliability: $(DEVELOPMENT) ## kill, damage, starve and insult it, and count what survives
	@$(VENV_PYTHON) $(PYTEST) --no-loadscope-reorder tests/reliability

# Without a Chromium (apt-get install chromium) its tests are skipped.
test-web: $(DEVELOPMENT) ## open the page in a real browser, chat, click, and check that everyone can use it
	@$(VENV_PYTHON) $(PYTEST) tests/web

clean: ## remove .venv, caches and coverage data; model/ and data/ stay
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis htmlcov .coverage .coverage.*
	@find chatbot tests -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -rf __pycache__

.venv/.installed-%: % requirements.txt constraints.txt $(GONE)
	@tools/venv.sh $<

FORCE:
