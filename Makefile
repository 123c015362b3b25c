# Runs, tests and checks Mailroom on this machine. Needs make and Python 3.11 or newer; neither root nor Docker.
# `make PYTHON=python3.12 setup` chooses another interpreter.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
RUN := $(VENV)/installed-local
# Each worker has its own servers. Tests in one group (pytest.mark.xdist_group) share a worker.
TESTS_AT_ONCE ?= 2
PYTEST = $(BIN)/python -m pytest --numprocesses $(TESTS_AT_ONCE) --dist loadgroup
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.DEFAULT_GOAL := help
.PHONY: help setup demo local test test-all bench bench-quick bench-api bench-mail lint audit screenshots clean lock images pin-images check-release up down logs verify doctor

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

setup: $(STAMP) ## Install the pinned Python packages into .venv (once for each requirements.lock)

demo: $(RUN) ## Start everything on a throw-away folder, import invoices, send a mail, show the results
	@exec $(BIN)/python -m local.demo

local: $(RUN) ## Run everything until Ctrl-C; data is kept in .mailroom/
	@exec $(BIN)/python -m local up --parent $$PPID

test: $(STAMP) ## Run the tests against real servers, without the slow ones: about 11 minutes on two cores
	@$(BIN)/python -m local tools
	@echo "Running the tests that are not marked slow, $(TESTS_AT_ONCE) at once. make test-all runs all."
	@$(PYTEST) -m "not slow"

test-all: $(STAMP) ## Run all tests: also random kills, many seeds, large files, fuzzing, an upgrade, deployments
	@$(BIN)/python -m local tools
	@echo "Running all tests, $(TESTS_AT_ONCE) at once: about 32 minutes on two cores, with Docker and a cluster."
	@$(PYTEST)

bench: $(STAMP) ## Measure the importer, the sender and the API; writes the table of the importer in docs/lab/performance.md
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.mail
	@exec $(BIN)/python -m bench.api

bench-quick: $(STAMP) ## Measure the importer itself, in two minutes once its server is built
	@exec $(BIN)/python -m bench --quick

bench-api: $(STAMP) ## Measure every list, the totals and the exports of 1,000,000 invoices; without a mongod, of 10,000 (Linux)
	@exec $(BIN)/python -m bench.api

bench-mail: $(STAMP) ## Measure the sender beside django-post-office and nodemailer; needs postfix's smtp-sink
	@exec $(BIN)/python -m bench.mail

lint: $(STAMP) ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# `pragma: allowlist secret` marks a line with the name of a secret, not its value. If the package index lists no
# vulnerabilities, as some mirrors, pip-audit prints that it skipped the packages and succeeds.
audit: $(STAMP) ## Look for known vulnerabilities of the packages, insecure code and secrets in the repository
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml mailroom local template functions
	@git ls-files -z | grep -zvE '(\.lock|requirements[^/]*\.txt|go-requirements.*|package-lock\.json)$$|/golden/' \
	  | xargs -0 $(BIN)/detect-secrets-hook && echo "No secrets in what git keeps."
	@$(BIN)/pip-audit --disable-pip --require-hashes --progress-spinner off \
	  $(addprefix --requirement ,requirements.lock $(wildcard functions/*/requirements.txt))

screenshots: $(STAMP) ## Make the pictures of docs/ from the console anew; needs a Chromium
	@exec $(BIN)/python -m local.screenshots

images: $(RUN) ## Build the functions' images with Docker alone (faas-cli build makes the same)
	@. compose/dotenv; $(BIN)/python -m local.images

pin-images: $(RUN) ## Ask the registries for the digests of the images in images.env, write them there and into all copies
	@$(BIN)/python -m local.pins digests

check-release: $(RUN) ## Fail if an image has no digest, or if a copy differs from images.env
	@$(BIN)/python -m local.pins check

up: $(RUN) ## Build and run everything with Docker Compose
	@PYTHON=$(BIN)/python compose/up

down: ## Stop all services, also those of profiles; their data stays in volumes (see docs/deploy-compose.md)
	docker compose --profile '*' down

logs: ## Follow the logs of what `make up` started
	@docker compose logs --follow --tail 20

doctor: $(RUN) ## Find what is wrong with a deployment and how to fix it: WAY=compose (default), kubernetes, openfaas
	@. compose/dotenv; $(BIN)/python -m local.doctor $(WAY)

verify: $(RUN) ## Send a file and a notification through a deployment: GATEWAY=http://..., SECRETS_DIR=... (default: `make up`)
	@[ '$(GATEWAY)' ] || . compose/dotenv; $(BIN)/python -m local.verify

clean: ## Remove the data of `make local`; what was installed or built stays
	rm -rf .mailroom

# For maintainers: needs uv. The functions' locks stay within the versions of requirements.lock.
lock: ## Pin all dependencies anew
	$(LOCK) pyproject.toml --group dev --output-file requirements.lock
	$(LOCK) pyproject.toml --group local --constraints requirements.lock --output-file requirements-local.lock
	$(LOCK) local/requirements-uv.in --output-file local/requirements-uv.txt
	@set -e; for in in functions/*/requirements.in template/*/requirements.in; do \
	  [ -e "$$in" ] || continue; echo "$$in"; \
	  $(LOCK) "$$in" --constraints requirements.lock --output-file "$${in%.in}.txt"; done
	$(LOCK) local/minio/go-requirements.in --output-file local/minio/go-requirements.txt
	$(LOCK) bench/mail/requirements-post-office.in --output-file bench/mail/requirements-post-office.txt

# Two locks: `make demo` and `make local` need fewer packages than the tests.
$(RUN): requirements-local.lock
	@$(PYTHON) local/bootstrap.py $< $@ --servers

$(STAMP): requirements.lock
	@$(PYTHON) local/bootstrap.py $< $@
