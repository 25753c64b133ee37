# Everything that is typed to run, check and test the Emporium.
.DEFAULT_GOAL := help
.PHONY: help setup run check test unit integration long e2e faults gpu bench soak clean

IN_VENV = PATH="$(CURDIR)/.venv/bin:$$PATH"
WITH_CHROMIUM = CHROMIUM="$$(sh tests/e2e/chromium.sh)" && export CHROMIUM
WITH_COTURN = sh tests/integration/coturn.sh
# Playwright brings the one that it runs on, so JavaScript is tested everywhere.
NODE = .venv/lib/python3*/site-packages/playwright/driver/node

help: ## List what can be typed
	@awk -F ':.*## ' '/^[a-z0-9 ]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv with everything for development in it
	@sh requirements/install.sh dev

run: ## Open the Emporium; PORT=8001 chooses a port, TORCH=cpu leaves CUDA out
	@sh requirements/install.sh base
	@$(IN_VENV) python -m emporium.prepare
	@exec env $(IN_VENV) python -m emporium.start

check: export DJANGO_SETTINGS_MODULE = tests.settings
check: setup ## Format, lint, imports, types, migrations, JavaScript syntax
	$(IN_VENV) ruff format --check .
	$(IN_VENV) ruff check .
	$(IN_VENV) lint-imports --no-logo
	$(IN_VENV) mypy
	$(IN_VENV) python manage.py check
	$(IN_VENV) python manage.py makemigrations --check --dry-run
	@for file in $$(find static tests/js -name '*js'); do \
		$(NODE) --input-type=module --check - <$$file || { echo "in $$file"; exit 1; }; \
	done

test: setup ## All tests but the long ones, with real Redis, PostgreSQL, Celery, coturn, Chromium
	@$(IN_VENV) pytest -n auto tests/unit
	@$(WITH_COTURN) && $(WITH_CHROMIUM) && \
		$(IN_VENV) pytest tests/integration tests/faults tests/e2e -m "not long"
	@$(NODE) --test $$(find tests/js -name '*.test.mjs')

unit: setup ## Only the tests that need nothing which runs
	@$(IN_VENV) pytest -n auto tests/unit

integration: setup ## Only the tests with real neighbours, without a browser
	@$(WITH_COTURN) && $(IN_VENV) pytest tests/integration -m "not long"

e2e: setup ## Only the tests in a browser
	@$(WITH_COTURN) && $(WITH_CHROMIUM) && $(IN_VENV) pytest tests/e2e

long: setup ## A quarter of an hour: activations, trials, queues and jobs with several workers
	@$(IN_VENV) pytest -m long

faults: setup ## Only the tests in which parts of the product die and come back
	@$(IN_VENV) pytest tests/faults

gpu: setup ## Only the tests that need an NVIDIA GPU, which `make test` leaves out
	@$(IN_VENV) pytest tests/gpu

bench: setup ## Measure rate, age and cost, or what README names alone: AGE=1, ADMIN=1, …
	@$(if $(AGE)$(RECEIVE)$(NETWORK),$(WITH_CHROMIUM) &&) $(IN_VENV) python -m bench

soak: setup ## Four sessions for ten minutes (SECONDS=600), then every fault
	@$(IN_VENV) python -m bench.soak $(or $(SECONDS),600)

clean: ## Remove .venv and caches; what .env and var/ hold stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
