# make demo    sets up, then trains DCGAN on handwritten digits; nothing is downloaded but packages
# make test    sets up, then runs the quick tests under TensorFlow and JAX: about twelve minutes
# make test-all  runs the slow ones too
# make torch   installs PyTorch as well, so that both run under it too
# make test-faults  injects faults, each as often as the tests say: about half an hour
# make docs    builds the pages in site/; open site/index.html
# make clean   removes the environment and what the tests compiled
# make lint    checks format and style

PYTHON ?= python3
VENV ?= .venv
RUN = $(VENV)/bin/python
BACKENDS = tensorflow jax torch
# Tests that run at once; each takes up to 6 GB of memory by the end.
JOBS = 2

.PHONY: demo test test-all test-faults torch lint docs clean

demo: $(VENV)/base
	$(RUN) train.py --model=dcgan --dataset=digits --name=demo --overwrite --epochs=1000 --max_minutes=1.5

# The chosen tests under the first installed backend, then those of them that depend on the backend
# under the others.
test: CHOSEN = not slow
test-all: CHOSEN = slow or not slow
test test-all: $(VENV)/test
	@which="$(CHOSEN)"; for backend in $(BACKENDS); do \
	  if $(RUN) -c "import importlib.util as u, sys; sys.exit(not u.find_spec('$$backend'))"; then \
	    echo "== tests under $$backend"; \
	    KERAS_BACKEND=$$backend $(RUN) -m pytest --numprocesses=$(JOBS) --dist=loadfile --no-loadscope-reorder -m "$$which" || exit 1; \
	    which="backend and ($(CHOSEN))"; \
	  fi; \
	done

# Kills, full disks, bad numbers, bad files, random flags; tests/faults and what bears their mark.
test-faults: $(VENV)/test
	@for backend in $(BACKENDS); do \
	  if $(RUN) -c "import importlib.util as u, sys; sys.exit(not u.find_spec('$$backend'))"; then \
	    echo "== faults under $$backend"; \
	    ZOO_FAULTS=all KERAS_BACKEND=$$backend $(RUN) -m pytest -m "faults$$which" || exit 1; \
	    which=" and backend"; \
	  fi; \
	done

torch: $(VENV)/torch

lint: $(VENV)/test
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

# Strict: a link to nowhere is an error.
docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --quiet

$(VENV)/python:
	@$(PYTHON) -c "import sys; (3, 10) <= sys.version_info < (3, 14) or sys.exit('error: Python 3.10 to 3.13 is needed; choose one with make PYTHON=python3.12. Received: ' + sys.version.split()[0])"
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Python compiles what is imported; pip would compile every file, which nearly doubles the time.
$(VENV)/base: requirements.txt | $(VENV)/python
	@echo "installing requirements.txt: about 800 MB, two minutes or three"
	@$(RUN) -m pip install --quiet --no-compile --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/test: requirements-test.txt requirements-onnx.txt requirements-jax.txt requirements-app.txt requirements-dev.txt $(VENV)/base
	@echo "installing requirements-test.txt"
	@$(RUN) -m pip install --quiet --no-compile --disable-pip-version-check -r requirements-test.txt
	@touch $@

$(VENV)/torch: requirements-torch.txt $(VENV)/base
	@echo "installing requirements-torch.txt"
	@$(RUN) -m pip install --quiet --no-compile --disable-pip-version-check -r requirements-torch.txt
	@touch $@

$(VENV)/docs: requirements-docs.txt | $(VENV)/python
	@echo "installing requirements-docs.txt"
	@$(RUN) -m pip install --quiet --no-compile --disable-pip-version-check -r requirements-docs.txt
	@touch $@

clean:
	rm -rf $(VENV) tests/.jax_cache site
