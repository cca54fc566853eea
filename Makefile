# make train    install into .venv, train the chapter's GRU, print perplexities and a sample, plot the curves
# make test     install with the test tools, run the whole test suite on all cores
# make test-quick  run the tests that are not marked slow
# make test-avx2  run the tests of the kernels and models with AVX2 instead of AVX-512, and with two threads each
# make test-sanitizers  run the kernels under address, undefined-behaviour and thread sanitizers
# make docs     build the site into docs/_build/html
# make bench    run the benchmarks, each of the other libraries in its own environment
# make clean    remove everything that the other targets create, except runs

SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip --disable-pip-version-check --quiet

# MXNet 1.9.1 and gluonnlp 0.10.0 work with NumPy 2 and Python 3.13 and 3.14, which their own requirements exclude.
MXNET   := $(PIP) install --no-deps mxnet==1.9.1 gluonnlp==0.10.0
INSTALL := $(PIP) install --no-warn-conflicts --editable

# A worker for each core that may be used (tests/conftest.py).  Each begins with a contiguous part of the tests, so that
# it makes few fixtures of modules and sessions again, and takes tests from the others when it has none left.
PYTEST := $(BIN)/python -m pytest -n auto --dist worksteal

SOURCES := setup.cfg setup.py pyproject.toml $(wildcard gluon_deeprnn/kernels/*.cc gluon_deeprnn/kernels/*.h \
           gluon_deeprnn/kernels/cells/*.h)

.PHONY: train test test-quick test-avx2 test-sanitizers docs bench clean

train: $(VENV)/installed
	$(BIN)/gluon-deeprnn train --recipe chapter-gru

test: $(VENV)/installed-test
	$(PYTEST)

test-quick: $(VENV)/installed-test
	$(PYTEST) -m "not slow"

test-avx2: $(VENV)/installed-test
	GLUON_DEEPRNN_KERNELS=avx2 DNNL_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell OMP_NUM_THREADS=2 \
		$(PYTEST) -m "not slow" tests/kernels tests/models

# A program of its own: it needs g++ and no package.
test-sanitizers:
	python3 tests/kernels/sanitizers.py

docs: $(VENV)/installed-docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "site: docs/_build/html/index.html; executed notebooks: docs/_build/jupyter_execute"

bench: $(VENV)/installed
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) docs/_build docs/api build *.egg-info gluon_deeprnn/kernels/*.so

$(VENV)/python-ready:
	@bash .ci/make-venv $(VENV) $(PYTHON)
	@touch $@

$(VENV)/installed: $(VENV)/python-ready $(SOURCES)
	@echo "installing into $(VENV)"
	@$(INSTALL) .
	@$(MXNET)
	@touch $@

$(VENV)/installed-%: $(VENV)/python-ready $(SOURCES)
	@echo "installing into $(VENV), with the tools for $*"
	@$(INSTALL) '.[$*]'
	@$(MXNET)
	@touch $@ $(VENV)/installed
