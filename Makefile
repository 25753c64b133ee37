# Everything that is typed to run, check and test the Emporium.
.DEFAULT_GOAL := help
.PHONY: help setup run check test unit integration e2e javascript bench clean

IN_VENV = PATH="$(CURDIR)/.venv/bin:$$PATH"
# Checks need a settings module that loads, not a secret.
CHECKED = SECRET_KEY=checks-only $(IN_VENV)

help: ## List what can be typed
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## Make .venv with everything for development in it
	@sh requirements/install.sh dev

run: ## Open the Emporium; PORT=8001 chooses a port, TORCH=cpu leaves CUDA out
	@sh requirements/install.sh base
	@$(IN_VENV) python -m emporium.prepare
	@exec env $(IN_VENV) python -m emporium.start

check: setup ## Format, lint, types, imports, migrations, JavaScript syntax
	$(CHECKED) ruff format --check .
	$(CHECKED) ruff check .
	$(CHECKED) lint-imports
	$(CHECKED) mypy
	$(CHECKED) python manage.py check
	$(CHECKED) python manage.py makemigrations --check --dry-run
	@sh tests/js/check_syntax.sh

test: setup ## All tests, in a real Chromium too
	@CHROMIUM="$$(sh tests/e2e/chromium.sh)" && export CHROMIUM && $(IN_VENV) pytest
	@$(MAKE) --no-print-directory javascript

unit integration: setup ## Only these tests
	$(IN_VENV) pytest tests/$@

e2e: setup ## Only the tests in a browser
	@CHROMIUM="$$(sh tests/e2e/chromium.sh)" && export CHROMIUM && $(IN_VENV) pytest tests/e2e

bench: setup ## Measure rate, age and cost; JSON=- prints the JSON alone
	@$(IN_VENV) python -m bench

clean: ## Remove .venv and caches; settings and data in .env and var/ stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
