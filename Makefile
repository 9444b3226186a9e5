# Everything starts here: `make help`. A verb installs what it needs, into this folder only, from locked requirements.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3.13
UV := .tools/uv/bin/uv
VENV := .venv
BIN := $(VENV)/bin
SAM := .tools/sam/bin/sam
export UV_PYTHON_DOWNLOADS := never
export SAM_CLI_TELEMETRY := 0
export AWS_DEFAULT_REGION ?= eu-west-1
# Programs start hundreds of times here, and compile what they import only once; images of containers forbid that.
unexport PYTHONDONTWRITEBYTECODE
# Whatever is none of the edges decides: every line and branch of it is run by the unit tests alone.
EDGES := cli runtime kube aws
comma := ,
empty :=
space := $(empty) $(empty)
INSTALL := $(UV) pip sync --quiet --require-hashes

.PHONY: help
help: ## Show the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: tools ## Rotate a secret on a local cloud and watch it reach two clusters (KEEP=1 leaves it running)
	@$(BIN)/keyferry local demo $(if $(KEEP),--keep)

.PHONY: test
test: tools ## Run the unit and integration tests, with coverage (ARGS='-k name tests/unit' for some of them)
ifdef ARGS
	@$(BIN)/pytest $(ARGS)
else
	@$(MAKE) --no-print-directory --jobs=3 test-unit test-stack test-clusters
endif

# All at once: tests with a cloud wait for it half of the time. There are two clouds, and a stack in one of them. What the
# unit tests and those without a stack say comes in one piece. Coverage is that of the unit tests: to watch makes Python two
# to three times slower.
.PHONY: test-unit test-stack test-clusters
test-unit:
	@said=$$($(BIN)/pytest tests/unit --cov --cov-report= 2>&1) || { echo; echo "$$said"; exit 1; }; echo; echo "$$said"
	@$(BIN)/coverage report --omit='$(subst $(space),$(comma),$(EDGES:%=*/keyferry/%/*))' --fail-under=100
	@$(BIN)/coverage report --fail-under=95

test-stack:
	@$(BIN)/pytest tests/integration tests/e2e -m stack

test-clusters:
	@said=$$($(BIN)/pytest tests/integration --ignore tests/integration/migrate -m 'not stack' 2>&1) || { echo; echo "$$said"; exit 1; }; echo; echo "$$said"

# The newest Kubernetes runs in all other tests, the oldest one that is promised in these.
.PHONY: test-oldest
test-oldest: tools ## Run the tests of what is asked of clusters on the oldest Kubernetes that is promised, built the first time
	@KUBEBUILDER_ASSETS=$$($(BIN)/python -m keyferry_local oldest) $(BIN)/pytest tests/integration -m 'not stack' $(ARGS)

.PHONY: test-migrate
test-migrate: tools ## Hand Secrets over from stand-ins of External Secrets and the CSI driver, and back, killed at each write (ARGS='-k name' for some)
	@$(BIN)/pytest tests/integration/migrate $(ARGS)

.PHONY: test-install
test-install: tools ## Run the tests of building, deploying, changing and deleting stacks (ARGS='-k name' for some of them)
	@$(BIN)/pytest tests/install $(ARGS)

.PHONY: test-local
test-local: tools ## Run the local cloud's own tests (ARGS='-k name' for some of them)
	@$(BIN)/pytest tests/local $(ARGS)

.PHONY: test-bounds
test-bounds: tools ## Render what would compute without end, in a process of little memory and time (ARGS='-k name' for some)
	@$(BIN)/pytest tests/bounds $(ARGS)

.PHONY: test-go
test-go: tools ## Ask programs of Go: Go and kubectl of certificates, actionlint of the workflow that init writes (ARGS='-k name' for some)
	@$(BIN)/pytest tests/certificates tests/workflows $(ARGS)

# The program that answers takes 2 GB of memory at most, and five seconds for an answer.
.PHONY: oracle
oracle: tools ## Compare with the libraries of Go that External Secrets and the AWS provider are built of, on random values (ARGS='--examples 5000')
	@$(BIN)/pytest tests/oracle $(ARGS)

# Playwright brings 45 MB and no browser: it has an environment of its own, and Chromium is the system's. Of Debian's there is
# only ever the newest version, so none can be pinned.
.PHONY: test-page
test-page: tools docs .tools/page/.installed ## Test the page of `keyferry status --output html`, and the site, in headless Chromium (ARGS='-k name' for some)
	@PYTHONPATH=$$(echo .tools/page/lib/python3.*/site-packages) $(BIN)/pytest tests/page $(ARGS)

.PHONY: test-site
test-site: tools docs ## Test the built site: every link of it leads somewhere, and nothing asks elsewhere (ARGS='-k name' for some)
	@$(BIN)/pytest tests/site $(ARGS)

# What a strict build of the site says of a link is enough: not the way there through the builder's own code.
SITE := .tools/site/bin/zensical build --clean --strict 2>&1 >/dev/null | sed -e '/^Traceback/,$$d' -e '/^No issues found/d' -e 's/\x1b\[[0-9;]*m//g' >&2

.PHONY: check
check: tools .tools/site/.installed ## Check format, lint, types, layers, the template, what is generated, and the links of the site
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@for app in functions/*/app.py; do $(BIN)/mypy $$app; done
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/cfn-lint template.yaml
	@$(SAM) validate --lint
	@$(BIN)/keyferry generate --check
	@$(SITE)

.PHONY: bench
bench: tools ## Measure: 5,000 mappings, time from change to Secret, 1,000 namespaces, a sweep, a frozen cluster, memory, import time
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: release
release: tools ## Make the release VERSION of what is committed: wheels, bill of materials, checksums in dist/, and the tag
	@$(BIN)/python -m release '$(VERSION)'

.PHONY: docs
docs: .tools/site/.installed ## Build the site from docs/ into site/, strict about links
	@$(SITE)

.PHONY: reference
reference: tools ## Write anew what is made of the code: schemas, the references of mappings and commands
	@$(BIN)/keyferry schema > docs/mappings.schema.json
	@$(BIN)/keyferry schema --output markdown > docs/map/reference.md
	@$(BIN)/python -c 'from keyferry.cli.reference.commands import render; print(render())' > docs/operate/cli.md
	@mkdir -p docs/output
	@for verb in $$($(BIN)/python -c 'from keyferry.cli import VERBS; print(*VERBS)'); do \
		file=docs/output/$$verb.schema.json; $(BIN)/keyferry schema --of $$verb > $$file 2>/dev/null || rm $$file; \
	done
	@$(BIN)/python -c 'from keyferry.cli.reference.schemas import write_event_schemas; write_event_schemas()'

.PHONY: golden
golden: tools ## Write anew what commands show on a terminal, and all that doctor says, tests/unit/golden; look at the difference
	@RENEW_GOLDEN=1 $(BIN)/pytest tests/unit/test_golden.py tests/unit/test_doctor_stack.py

.PHONY: format
format: tools ## Format the code
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

.PHONY: stop
stop: tools ## Stop a local cloud that `make demo KEEP=1` left running
	@$(BIN)/keyferry local down

.PHONY: tools
tools: $(VENV)/.installed .tools/.linked

# Those of the local cloud are kept among the caches of the user: a release of keyferry-local has no folder of its own.
.tools/.linked: requirements/sam.txt requirements/ministack.txt requirements/awscli.txt | $(VENV)/.installed
	@$(BIN)/python -m keyferry_local tools .tools
	@touch $@

$(UV): requirements/uv.txt
	@echo "Installing uv into .tools" >&2
	@$(PYTHON) -m venv --clear .tools/uv
	@.tools/uv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

$(VENV)/.installed: requirements/dev.txt layers/keyferry/pyproject.toml layers/keyferry/src/keyferry/__init__.py local/pyproject.toml | $(UV)
	@echo "Installing the development environment into $(VENV)" >&2
	@$(UV) venv --quiet --clear --python $(PYTHON) $(VENV)
	@$(INSTALL) --python $(VENV) requirements/dev.txt
	@$(UV) pip install --quiet --python $(VENV) --no-deps --no-build-isolation --editable layers/keyferry --editable local
	@touch $@

# Tools whose dependencies are pinned too tightly to share an environment.
.tools/%/.installed: requirements/%.txt | $(UV)
	@echo "Installing $* into .tools" >&2
	@$(UV) venv --quiet --clear --python $(PYTHON) .tools/$*
	@$(INSTALL) --python .tools/$* $<
	@touch $@

LOCK := $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.13 \
	--no-emit-index-url --no-emit-find-links --no-emit-package keyferry --no-header --no-annotate
.PHONY: lock
lock: $(UV) ## Resolve requirements/*.txt anew (ARGS=--upgrade for newer versions)
	@for name in uv dev sam ministack awscli go page site; do $(LOCK) $(ARGS) requirements/$$name.in -o requirements/$$name.txt; done
	@$(LOCK) $(ARGS) layers/keyferry/pyproject.toml -o requirements/layer.txt
	@$(LOCK) $(ARGS) layers/keyferry/pyproject.toml --extra cli -o requirements/cli.txt
