# What the README and CI call. `make` alone tells what there is.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo
PYTEST_ARGS ?= -n 2 --dist loadfile
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq

export PIP_PROGRESS_BAR := off
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: help setup chromium bubblewrap demo test slow lint format methods docs bench clean

help:
	@echo 'make setup    make .venv and install everything that runs and tests here'
	@echo 'make demo     train IPPO and MAPPO with 3 seeds on two games and write the comparison page'
	@echo 'make test     run the tests (make slow: the long ones)'
	@echo 'make lint     ruff, pyright, import layers'
	@echo 'make methods  write METHODS.md and the pictures of claims again'
	@echo 'make docs     build the documentation into site/'
	@echo 'make bench    measure speed; see benchmarks/README.md'

setup: $(VENV)/ready chromium bubblewrap

$(VENV)/ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'installing into $(VENV), a few minutes the first time'
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@$(PIP) install -c constraints.txt --no-deps momaland  # asks for pygame, which would lie over pygame-ce
	@$(PIP) install -c constraints.txt -e '.[reasoning]' 2>/dev/null \
		|| echo 'reasoning-gym was not installed (it needs a C compiler): its tests will be skipped'
	@touch $@

# $(call system,PROGRAMS,PACKAGE,WHAT FOR): install a package of the system where one may and none of the programs is there
define system
	@if for one in $(1); do command -v $$one && break; done | grep -q .; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo 'installing $(2) for $(3)'; \
		log=$$(mktemp); \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(2); } \
			>"$$log" 2>&1 </dev/null && rm -f "$$log" \
			|| echo '$(2) was not installed: tests of $(3) will be skipped' "($$log tells why)"; \
	else echo 'tests of $(3) will be skipped: to run them, apt-get install $(2)'; fi
endef

chromium:
	$(call system,chromium chromium-browser google-chrome,chromium,report pages in a browser)

bubblewrap: chromium  # one apt-get at a time
	$(call system,bwrap,bubblewrap,programs in a sandbox)

demo: setup
	@rm -rf $(DEMO)
	@mkdir -p $(DEMO)
	@for method in ippo mappo; do \
		$(BIN)/interplay train $$method --game spread --seeds 3 --steps 300000 \
			--out $(DEMO)/$$method-spread || exit 1; \
		$(BIN)/interplay train $$method --game jaxmarl:smax/3m --seeds 3 --steps 120000 \
			--out $(DEMO)/$$method-smax-3m || exit 1; \
	done
	@for run in $(DEMO)/*/; do $(BIN)/interplay replay $$run >/dev/null || exit 1; done
	@$(BIN)/interplay compare $(DEMO)/*/ --out $(DEMO)/comparison.html

test: setup
	@$(BIN)/python -m pytest -m "not slow" $(PYTEST_ARGS)

slow: setup
	@$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports --no-logo

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

methods: setup
	@$(BIN)/python tools/methods.py
	@$(BIN)/python tools/claim_pictures.py

docs: setup
	@$(BIN)/mkdocs build --strict --quiet
	@echo 'open site/index.html'

# PEER_PYTHON and PEER_REPO, as benchmarks/theirs_jaxmarl.py explains, add JaxMARL's side.
PEER := $(if $(PEER_PYTHON),'jaxmarl=$(PEER_PYTHON) benchmarks/theirs_jaxmarl.py train:ippo:64')
bench: setup
	@$(BIN)/python benchmarks/compare.py 'interplay=$(BIN)/python benchmarks/ours.py train:ippo:spread:64' $(PEER)
	@$(BIN)/python benchmarks/adapters.py

clean:
	rm -rf site .pytest_cache .ruff_cache .import_linter_cache .hypothesis
