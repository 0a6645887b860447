# Every target sets up what it needs; all share one virtual environment in the checkout.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TORCH_VENV ?= .venv-torch
COQUI_VENV ?= .venv-coqui
TORCH_EXTRAS := transformers,whisper,faster-whisper,neural,onnx,openvino
PORT ?= 3009
# the first of four for the services; 0: their usual ones
BASE_PORT ?= 0
PIP_FLAGS := --disable-pip-version-check
# pip tells of its progress where somebody watches, and otherwise only of what goes wrong
PIP_INSTALL = install $(PIP_FLAGS) $$(test -t 1 || echo --quiet)
READY := $(VENV)/.ready
TEST_READY := $(VENV)/.test-ready
TORCH_READY := $(TORCH_VENV)/.test-ready
# The tests come in an order in which both end at about the same time (tests/conftest.py).
TWO_AT_A_TIME := --numprocesses 2 --dist loadfile --no-loadscope-reorder
# Libraries that start a thread for each core wait for each other in two processes.
ONE_THREAD_EACH := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 OPENCV_FOR_THREADS_NUM=1

.PHONY: help install demo up test check bench test-torch test-coqui clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

install: $(READY) ## the command `avatarchatbot` in .venv

$(READY): pyproject.toml constraints.txt
	@echo "installing into $(VENV): about 530 MB of packages, half a minute to a few minutes ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip $(PIP_INSTALL) --constraint constraints.txt --editable .
	@touch $@
	@echo "installed"

$(TEST_READY): pyproject.toml constraints.txt
	@echo "installing with what the tests need into $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip $(PIP_INSTALL) --constraint constraints.txt --editable '.[test]'
	@touch $(READY) $@

$(TORCH_READY): pyproject.toml constraints.txt
	@echo "installing torch and the engines that need it into $(TORCH_VENV) ..."
	@test -x $(TORCH_VENV)/bin/python || $(PYTHON) -m venv $(TORCH_VENV)
	@$(TORCH_VENV)/bin/pip $(PIP_INSTALL) --constraint constraints.txt torch --editable '.[test,$(TORCH_EXTRAS)]'
	@touch $@

demo: $(READY) ## answer the shipped spoken question as out/answer.mp4
	@mkdir -p out
	@$(BIN)/avatarchatbot ask examples/question.wav --avatar ada -o out/answer.mp4
	@echo "the answer is in $(CURDIR)/out/answer.mp4"

up: $(READY) ## start everything and serve the page on http://localhost:3009 (others: make up PORT=8080 BASE_PORT=8081)
	@$(BIN)/avatarchatbot up --port $(PORT) --base-port $(BASE_PORT)

check: $(TEST_READY) ## lint, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

test: check ## every test, with a real browser
	@BIN=$(BIN) scripts/browser
	@$(ONE_THREAD_EACH) $(BIN)/pytest $(TWO_AT_A_TIME)

bench: $(TEST_READY) ## every benchmark, as tables
	@$(BIN)/python -m benchmarks

# Only files with such tests are read: the others take as long as running these.
test-torch: $(TORCH_READY) ## engines that need torch, in an environment of their own
	@$(ONE_THREAD_EACH) $(TORCH_VENV)/bin/pytest -m torch $(TWO_AT_A_TIME) $$(grep -rl --include='test_*.py' 'mark\.torch' tests | sort)

test-coqui: ## the engine coqui, whose library needs an environment of its own (7 GB)
	@echo "installing coqui-tts into $(COQUI_VENV) ..."
	@test -x $(COQUI_VENV)/bin/python || $(PYTHON) -m venv $(COQUI_VENV)
	@$(COQUI_VENV)/bin/pip $(PIP_INSTALL) torch==2.8.0 torchaudio==2.8.0 coqui-tts==0.27.5 --editable '.[test,coqui]'
	@$(COQUI_VENV)/bin/pytest -m coqui tests/tts

clean: ## remove what the targets made
	rm -rf $(VENV) $(TORCH_VENV) $(COQUI_VENV) out build dist
