# Each target starts from a bare clone: Python 3.11 or newer and make are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# halves of the tests by time, which run side by side
TEXTS := tests/hold tests/notebook tests/prompt tests/protocol tests/render tests/results tests/test_house.py
SCREENS := tests/browser tests/cli tests/sources tests/widgets

# make check runs neither what needs torch nor what takes long
QUICK := -q --no-torch -m 'not heavy and not families and not slow'

SOAK := $(CURDIR)/build/soak.json

JSDOM := tests/widgets/js/node_modules/.package-lock.json

.PHONY: release-check howto movie soak audit torture docs help setup demo check ray quick quick-texts quick-rest test heavy families fuzz judge bench lab lint types notebooks traces pictures looks labextension chromium node clean screens rest

help:
	@echo "make demo       run the quickstart notebook and watch it stream"
	@echo "make check      lint, types, and the tests that need no torch: before each commit"
	@echo "make test       run the tests"
	@echo "make heavy      the longer tests: Notebook 7, the older kernel, long texts, contrast and widths, int8 on held texts, cells of the docs"
	@echo "make ray        install Ray (370 MB), and run the tests on a cluster of this machine"
	@echo "make families   every model type of transformers, tiny, against transformers: writes docs/supported-models.md"
	@echo "make soak       hold the promises of docs/promises.md at large counts, and write its figures"
	@echo "make audit      compare the pinned versions with the known vulnerabilities"
	@echo "make fuzz       200,000 fuzzed cells and lines: a completion or one sentence each"
	@echo "make torture    200 random acts on a panel, ten times: nothing that was typed is lost"
	@echo "make bench      measure the figures of docs/performance.md again, beside llama.cpp and transformers"
	@echo "make release-check  build the wheel, install it into an environment of its own, and run a first cell there"
	@echo "make docs       build the site of docs/ in docs/_build/html; a warning is an error"
	@echo "make judge      judge the tasks with the embedded model again, for the scores of docs/tasks.md"
	@echo "make setup      make .venv and fetch the embedded model, no more"
	@echo "make lab        open the notebooks in JupyterLab"
	@echo "make lint       ruff, and mypy with: make types"
	@echo "make notebooks  execute the notebooks again, in place"
	@echo "make traces     record the traces of notebooks/traces again"
	@echo "make pictures   take the pictures in docs/images again"
	@echo "make movie      record the moving picture of README again"
	@echo "make howto      run the cells of docs/howto and write their outputs again"
	@echo "make labextension  build the JupyterLab extension from its TypeScript; needs Node.js"
	@echo "make looks      measure contrast, drawing and scrolling of the panels in Chromium again"

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(INSTALLED)
	@$(BIN)/jupyter-complete fetch smollm2

demo: setup
	@$(BIN)/jupyter-complete demo

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) -j2 quick-texts quick-rest types

quick: quick-texts quick-rest

quick-texts: $(INSTALLED)
	$(BIN)/python -m pytest $(QUICK) $(TEXTS)

quick-rest: $(INSTALLED)
	$(BIN)/python -m pytest $(QUICK) -p no:cacheprovider $(TEXTS:%=--ignore=%)

test: setup chromium node
	$(MAKE) -k -j2 screens rest

heavy: setup chromium node
	$(MAKE) -k -j2 screens rest MARK='-m heavy'

screens: $(INSTALLED)
	$(BIN)/python -m pytest -q $(MARK) $(SCREENS)

rest: $(INSTALLED)
	$(BIN)/python -m pytest -q $(MARK) $(SCREENS:%=--ignore=%)

ray: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -c constraints-ray.txt -e '.[ray]'
	$(BIN)/python -m pytest tests/frames/test_on_ray.py -m 'heavy or not heavy'

families: $(INSTALLED)
	$(BIN)/python -m pytest tests/families -m 'families or not families' --families-page

torture: setup chromium
	PYTHONPATH=tests:tests/browser $(BIN)/python tests/browser/torture.py

soak: setup chromium
	@mkdir -p $(dir $(SOAK))
	rm -f $(SOAK)
	JUPYTER_COMPLETE_SOAK=$(SOAK) $(BIN)/python -m pytest tests/hold tests/engine/text/test_tokenizer.py tests/browser/test_hostile_page.py -m soak -o timeout=1500
	$(BIN)/python tests/hold/page.py $(SOAK)

audit:
	$(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	build/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

fuzz: setup
	$(BIN)/python tests/fuzz.py

chromium: $(INSTALLED)
	@$(BIN)/python tests/browser/chromium.py

node: $(JSDOM)

$(JSDOM): tests/widgets/js/package-lock.json
	@if command -v npm > /dev/null; then cd $(<D) && npm ci --silent && touch ../../../$@; \
	else echo "npm is not there, so the widgets' modules are not tested: install Node.js 20 or newer."; fi

labextension:
	cd labextension && npm ci --silent && npm run build

pictures: setup chromium
	$(BIN)/python tests/browser/pictures.py

movie: setup chromium
	PYTHONPATH=tests $(BIN)/python tests/browser/movie.py

howto: setup
	$(BIN)/python tests/howto.py

looks: setup chromium
	PYTHONPATH=tests $(BIN)/python tests/browser/looks.py

bench: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python tests/bench

docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/python -m sphinx --builder html --quiet --fail-on-warning --keep-going docs docs/_build/html
	@echo "the site is in docs/_build/html"

release-check:
	rm -rf dist build/release
	$(PYTHON) -m venv build/release
	build/release/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt build twine
	build/release/bin/python -m build --outdir dist
	build/release/bin/python -m twine check --strict dist/*
	build/release/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl nbclient nbformat
	cd build/release && bin/python -P ../../tests/first_cell.py

judge: setup
	$(BIN)/python tests/judged

lab: setup
	$(BIN)/jupyter lab --notebook-dir=notebooks

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

notebooks: setup
	$(BIN)/jupyter execute --inplace notebooks/*.ipynb
	$(BIN)/jupyter nbconvert --to notebook --coalesce-streams --inplace notebooks/*.ipynb \
	  --ClearMetadataPreprocessor.enabled=True --ClearMetadataPreprocessor.clear_notebook_metadata=False \
	  --ClearMetadataPreprocessor.preserve_cell_metadata_mask='("jupyter", "source_hidden")'

traces: setup
	$(BIN)/python notebooks/traces/record.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
