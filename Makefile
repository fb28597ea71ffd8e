# Two commands are the whole set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
CORES ?= all
BIN = $(VENV)/bin
# The GPU build of TensorFlow where a driver answers, the CPU build elsewhere.
DEVICE ?= $(shell { test -e $(VENV)/installed-gpu || nvidia-smi; } >/dev/null 2>&1 && echo gpu || echo cpu)
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES)
# Workers get the tests file by file, in the order of tests/conftest.py: long files first. They often wait for Snakemake.
WORKERS ?= 3
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup formats engines bench demo leakage test test-containers test-slurm lint manual lock licences contestant containers leftovers clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(VENV)/installed-$(DEVICE)  ## install what the workflow needs into .venv

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13)' 2>/dev/null \
	  || { echo "brightcell needs Python 3.11, 3.12 or 3.13; $$($(PYTHON) --version 2>&1) was found: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "No virtual environment could be made: install the package python3-venv and try again."; exit 1; }

$(VENV)/installed-$(DEVICE): requirements/$(DEVICE).txt | $(VENV)/bin/python
	@echo "Installing the pinned packages into $(VENV) (once, a minute or two) ..."
	@$(PIP) -r requirements/$(DEVICE).txt
	@rm -f $(VENV)/installed-cpu $(VENV)/installed-gpu
	@touch $@

$(VENV)/installed-dev: requirements/dev.txt $(VENV)/installed-$(DEVICE)
	@echo "Installing the tests' packages into $(VENV) ..."
	@$(PIP) -r requirements/dev.txt
	@touch $@

formats: $(VENV)/installed-formats  ## install the readers of CZI, ND2, LIF and OME-Zarr

$(VENV)/installed-formats: requirements/formats.txt $(VENV)/installed-$(DEVICE)
	@echo "Installing the readers of microscopes' formats into $(VENV) ..."
	@$(PIP) -r requirements/formats.txt
	@touch $@

engines: $(VENV)/installed-engines  ## install OpenVINO, which predicts fast on CPUs, and the export to ONNX

$(VENV)/installed-engines: requirements/engines.txt $(VENV)/installed-$(DEVICE)
	@echo "Installing OpenVINO and the export to ONNX into $(VENV) ..."
	@$(PIP) -r requirements/engines.txt
	@touch $@

# A list for the device where a tool has one, else its only list. The environment remembers from which list it was made.
CONTESTANT = $(firstword $(wildcard requirements/contestants/$(NAME)-$(DEVICE).txt requirements/contestants/$(NAME).txt))
contestant: $(VENV)/bin/python  ## install a tool of the comparison into .venv-contestants, for example NAME=stardist
	@[ -n "$(CONTESTANT)" ] || { echo "There is no requirements/contestants/$(NAME).txt. Tools: $(filter-out runner,$(basename $(notdir $(filter-out %-gpu.txt,$(wildcard requirements/contestants/*.txt)))))"; exit 1; }
	@folder=.venv-contestants/$(NAME); wanted="$(notdir $(CONTESTANT)) $$(sha256sum <$(CONTESTANT) | cut -d' ' -f1)"; \
	if [ "$$(cat $$folder/installed 2>/dev/null)" = "$$wanted" ]; then echo "$$folder: up to date"; else \
	  echo "Installing $(NAME) into $$folder ..."; \
	  $(BIN)/python -m venv --clear $$folder && $$folder/bin/python -m pip --disable-pip-version-check install --quiet \
	    --require-hashes -r $(CONTESTANT) && echo "$$wanted" >$$folder/installed; fi

$(VENV)-licences/installed: requirements/licences.txt
	@echo "Installing the tools for lists of licences into $(VENV)-licences ..."
	@$(PYTHON) -m venv $(VENV)-licences
	@$(VENV)-licences/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/licences.txt
	@touch $@

# What may be used: pyproject.toml, [tool.pip-licenses]. GPU packages are looked at where they are installed.
licences: $(VENV)-licences/installed $(VENV)/installed-$(DEVICE)  ## check the licences of all packages, those of installed contestants too; write licences/NOTICE.txt and licences/sbom.json (CycloneDX)
	@mkdir -p licences
	@for python in $(BIN)/python $(wildcard .venv-contestants/*/bin/python .venv-backends/bin/python); do \
	  $(VENV)-licences/bin/pip-licenses --python $$python >/dev/null || { echo "$$python: see above"; exit 1; }; done
	@cd licences && $(abspath $(VENV))-licences/bin/pip-licenses --python $(abspath $(BIN))/python --from mixed \
	  --format plain-vertical --with-urls --with-license-file --with-notice-file --no-license-path --output-file NOTICE.txt >/dev/null
	@PYTHONWARNINGS=ignore $(VENV)-licences/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	  --gather-license-texts -o licences/sbom.json $(BIN)/python
	@echo "Written: licences/NOTICE.txt, licences/sbom.json"

lock:  ## pin what requirements/*.in name, and keep the other pins (needs uv); UPGRADE=yes pins all anew
	cd requirements && for name in cpu gpu dev image report train-cpu train-gpu formats engines backends licences \
	  $(patsubst requirements/%.in,%,$(filter-out %/runner.in,$(wildcard requirements/contestants/*.in))); do uv pip compile --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --quiet $(if $(filter yes,$(UPGRADE)),--upgrade) $$name.in -o $$name.txt; done

# The demo's networks are so small that two of them train faster side by side than one after the other.
demo: setup  ## run the whole workflow on simulated time-lapses; at most ten minutes
	@$(SNAKEMAKE) --set-threads train_network=1 predict_frames=1
	@echo
	@echo "The report: $(CURDIR)/results/demo/report.html (open it in a browser)"

leakage: setup  ## run the demo on grouped and on random folds: by how much leakage overrates; ten minutes or so
	@$(SNAKEMAKE) --set-threads train_network=1 predict_frames=1 --configfile config/config.yaml config/leakage.yaml
	@echo
	@echo "The report: $(CURDIR)/results/demo_leakage/report.html; the figures: comparison/leakage.tsv beside it"

test: $(VENV)/installed-dev  ## run all tests but those of containers and SLURM, a quarter of an hour; TESTS=tests/unit: these
	@$(BIN)/python -m pytest $(PARALLEL) $(if $(CI),--durations=40) $(if $(filter yes,$(COVERAGE)),--cov) $(TESTS)

test-containers: $(VENV)/installed-dev  ## run the workflow in the images of `make containers`; some minutes
	@$(BIN)/python -m pytest $(PARALLEL) tests/containers

test-slurm: $(VENV)/installed-dev  ## run a small study on the SLURM that answers here, and break it; ten minutes
	@$(BIN)/python -m pytest $(if $(CI),--durations=20) tests/slurm

lint: $(VENV)/installed-dev  ## check format, style, spelling, types, the workflow and the examples in docstrings
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	@$(BIN)/codespell . .ci .github
	@$(BIN)/mypy
	@$(BIN)/snakemake --lint
	@$(BIN)/python workflow/scripts/manual.py --check
	@cd workflow/scripts && PYTHONPATH=. $(CURDIR)/$(BIN)/python -m pytest -q -c /dev/null --rootdir=. --doctest-modules brightcell

# The base that images are built on; without an image registry: CONTAINER_BOOTSTRAP=localimage CONTAINER_BASE=/path/to/base
containers: setup  ## build the Apptainer images for --sdm apptainer; NAME=stardist: that of a tool of the comparison
	@CONTAINER_BOOTSTRAP="$(CONTAINER_BOOTSTRAP)" CONTAINER_BASE="$(CONTAINER_BASE)" \
	  $(BIN)/python containers/build.py build --device $(DEVICE) $(if $(NAME),--tool $(NAME))

bench: $(VENV)/installed-dev  ## run the short benchmarks, some minutes; FULL=yes: all of docs/performance.md, hours
	@$(BIN)/python benchmarks/run.py $(if $(filter yes,$(FULL)),--full)

manual: setup  ## write config/README.md and docs/results-files.md anew from the schemas
	@$(BIN)/python workflow/scripts/manual.py

leftovers: setup  ## list the SLURM jobs that an ended run left behind; CANCEL=yes cancels them
	@$(BIN)/python workflow/scripts/leftovers.py $(if $(filter yes,$(CANCEL)),--cancel)

clean:  ## remove the demo's results and images; all else stays
	rm -rf results/demo results/demo_leakage results/simulate resources/demo
