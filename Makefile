# make run    the app on the sample scene; without a display the same work headless, into out/
# make test   the tests
# make lint   format, lint, types, architecture
# All of them first create .venv and install what is missing.

SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SCENE := resources/sample_scene.tif

.PHONY: run test lint format venv clean help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

venv: $(STAMP)

# The stamp holds a checksum besides its time, so that a fresh checkout of the same files installs nothing.
$(STAMP): pyproject.toml constraints.txt
	@if [ -f $@ ] && [ "$$(cat $^ | cksum)" = "$$(cat $@)" ]; then touch $@; else bash scripts/make_venv.sh $(VENV); fi

run: venv
	@bash scripts/install_system_libraries.sh
	@if [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ] || [ "$$(uname -s)" != Linux ]; then \
	  exec $(BIN)/fdegc-gui $(SCENE); \
	else \
	  echo "No display was found (neither DISPLAY nor WAYLAND_DISPLAY is set), so the app cannot open a window."; \
	  echo "Doing the same work headless: compress, decode, measure, compare."; \
	  exec $(BIN)/python -m fdegc.headless $(SCENE) out; \
	fi

test: venv
	@bash scripts/install_system_libraries.sh --tests
	@# A process that crashed is not replaced: the others go on, where a new one would wait for ever.
	@# What is compiled is kept, whatever the environment says: dozens of tests start Python.
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(PYTEST_ARGS)

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: venv
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf build dist out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
