# Everything a person or CI types. Each target sets up what it needs; the second time that costs nothing.
#   make demo        three questions to a drawn picture; prints where the answer lies
#   make test        the tests, without the slow ones
#   make test-slow   the slow ones
#   make check       ruff, mypy, import-linter
#   make format      ruff's fixes and format, in place
#   make clean       removes what these targets made, the virtual environment too

PYTHON      ?= python3
CONSTRAINTS ?= -c constraints.txt
VENV        := .venv
PY          := $(VENV)/bin/python
READY       := $(VENV)/.ready
OUT         ?= out

SCENE       := docs/examples/scene.png

.PHONY: demo test test-slow check format clean venv
.DEFAULT_GOAL := test

# uv where there is one; else uv from the registry, put into the new environment itself
$(READY): pyproject.toml constraints.txt
	@if [ ! -x $(PY) ]; then \
	  if command -v uv >/dev/null 2>&1; then uv venv --quiet --python $(PYTHON) $(VENV); \
	  else $(PYTHON) -m venv $(VENV); fi; \
	fi
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --compile-bytecode --python $(PY) -e '.[dev]' $(CONSTRAINTS); \
	else \
	  $(PY) -m pip install --quiet --disable-pip-version-check uv && \
	  $(VENV)/bin/uv pip install --compile-bytecode --python $(PY) -e '.[dev]' $(CONSTRAINTS); \
	fi
	@touch $@

venv: $(READY)

demo: $(READY)
	@mkdir -p $(OUT)
	@$(PY) -m grounding ground $(SCENE) "the red star" "the star left of the mushroom" "a purple whale" --out $(OUT)/demo.png
	@echo "the picture lies at $(abspath $(OUT)/demo.png)"

test: $(READY)
	$(PY) -m pytest -m "not slow"

test-slow: $(READY)
	$(PY) -m pytest -m slow

check: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

format: $(READY)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
