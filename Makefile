# Everything a person types. `make help` lists it.

PYTHON ?= python3
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# One virtual environment for each set of requirements, so that `make run` installs no training package.
RUN_ENV := .venv-run
TRAIN_ENV := .venv-train
TEST_ENV := .venv-test
BENCH_ENV := .venv-bench
FUZZ_ENV := .venv-fuzz
AUDIT_ENV := .venv-audit

# MLflow tells its makers of its use unless it is told not to.
export MLFLOW_DISABLE_TELEMETRY := true
# So does onnxruntime.
export ORT_DISABLE_TELEMETRY := 1

.PHONY: help
help: ## List these commands; NAME= is what they take
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(RUN_ENV)/installed: requirements/run.txt
$(TRAIN_ENV)/installed: requirements/train.txt
$(TEST_ENV)/installed: requirements/test.txt
$(BENCH_ENV)/installed: requirements/bench.txt
$(FUZZ_ENV)/installed: requirements/fuzz.txt
$(AUDIT_ENV)/installed: requirements/audit.txt
$(RUN_ENV)/installed-parquet: requirements/parquet.txt | $(RUN_ENV)/installed

.venv-%/installed:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; $(PYTHON) is " + sys.version.split()[0] + " (make PYTHON=... names another)")'
	@echo "Installing $< into $(@D) ..."
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/pip install --quiet --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(RUN_ENV)/installed-parquet:
	@echo "Installing $< into $(@D) ..."
	@$(@D)/bin/pip install --quiet --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.PHONY: run
run: $(RUN_ENV)/installed $(if $(DATA),$(RUN_ENV)/installed-parquet) ## The whole pipeline on this machine: RIDES= RATE= DATA=<month.parquet> SHARDS= SEED= POISON= FUNCTION_URL= ON_FAILURE=
	@$(RUN_ENV)/bin/python -m demo \
	    $(if $(RIDES),--rides "$(RIDES)") $(if $(RATE),--rate "$(RATE)") \
	    $(if $(DATA),--data "$(DATA)") $(if $(SHARDS),--shards "$(SHARDS)") \
	    $(if $(SEED),--seed "$(SEED)") $(if $(POISON),--poison "$(POISON)") \
	    $(if $(FUNCTION_URL),--function-url "$(FUNCTION_URL)") \
	    $(if $(ON_FAILURE),--on-failure "$(ON_FAILURE)")

.PHONY: test
test: lint typecheck ## Lint, types and every test
	@$(TEST_ENV)/bin/python -m pytest --cov --cov-report=term

.PHONY: image
image: ## The function's container image: BASE_IMAGE= PLATFORM=linux/arm64
	@$(PYTHON) scripts/image.py $(if $(BASE_IMAGE),--base "$(BASE_IMAGE)") \
	    $(if $(PLATFORM),--platform "$(PLATFORM)")

.PHONY: integration-test
integration-test: image $(TEST_ENV)/installed ## A stream through the image, with LocalStack: BASE_IMAGE= LOCALSTACK_IMAGE=
	@$(TEST_ENV)/bin/python -m pytest integration-test

.PHONY: soak
soak: $(RUN_ENV)/installed ## The whole pipeline under faults, 60 s: MINUTES= RIDES= RATE= SEED= SHARDS= OUTPUT_SHARDS= RIDES_PER_RECORD=
	@$(RUN_ENV)/bin/python -m tests.soak \
	    $(if $(MINUTES),--minutes "$(MINUTES)") $(if $(RIDES),--rides "$(RIDES)") \
	    $(if $(RATE),--rate "$(RATE)") $(if $(SEED),--seed "$(SEED)") \
	    $(if $(SHARDS),--shards "$(SHARDS)") $(if $(OUTPUT_SHARDS),--output-shards "$(OUTPUT_SHARDS)") \
	    $(if $(RIDES_PER_RECORD),--rides-per-record "$(RIDES_PER_RECORD)")

.PHONY: reshard
reshard: $(RUN_ENV)/installed ## Split and merge both streams' shards while rides flow (needs node): RIDES= RATE= SEED=
	@$(RUN_ENV)/bin/python -m tests.soak.reshard \
	    $(if $(RIDES),--rides "$(RIDES)") $(if $(RATE),--rate "$(RATE)") $(if $(SEED),--seed "$(SEED)")

.PHONY: soak-compare
soak-compare: $(RUN_ENV)/installed ## The same soak with a tutorial's handler beside this project's: MINUTES= RATE= SEED=
	@$(RUN_ENV)/bin/python -m tests.soak.compare \
	    $(if $(MINUTES),--minutes "$(MINUTES)") $(if $(RATE),--rate "$(RATE)") $(if $(SEED),--seed "$(SEED)")

.PHONY: fuzz
fuzz: $(FUZZ_ENV)/installed ## Fuzz every reader of foreign bytes, guided by coverage: SECONDS=60 TARGET= SEED=
	@$(FUZZ_ENV)/bin/python -m tests.fuzz \
	    $(if $(SECONDS),--seconds "$(SECONDS)") $(if $(TARGET),--target "$(TARGET)") $(if $(SEED),--seed "$(SEED)")

.PHONY: audit
audit: $(AUDIT_ENV)/installed ## Look the locked requirements up in a database of known vulnerabilities
	@$(AUDIT_ENV)/bin/python scripts/audit.py

.PHONY: bench
bench: $(BENCH_ENV)/installed ## Measure speed, memory, start and cost beside others; QUICK=1 within two minutes
	@$(BENCH_ENV)/bin/python -m benchmarks $(if $(QUICK),--quick)

.PHONY: plots
plots: $(BENCH_ENV)/installed ## Draw the plots of docs/performance.md from the last `make bench`
	@$(BENCH_ENV)/bin/python -m benchmarks.performance_plots

.PHONY: lint
lint: $(TEST_ENV)/installed ## Only ruff's rules and format
	@$(TEST_ENV)/bin/ruff check .
	@$(TEST_ENV)/bin/ruff format --check .

.PHONY: typecheck
typecheck: $(TEST_ENV)/installed ## Only the types
	@$(TEST_ENV)/bin/mypy

.PHONY: format
format: $(TEST_ENV)/installed ## Let ruff format and mend what it can
	@$(TEST_ENV)/bin/ruff check --fix .
	@$(TEST_ENV)/bin/ruff format .

.PHONY: train
train: $(TRAIN_ENV)/installed ## Train a bundle: MONTHS=2023-01,2023-02 or DATA="<files>"; VALIDATE= TEST= OUTPUT=models
	@$(TRAIN_ENV)/bin/python scripts/train.py \
	    $(if $(MONTHS),--months "$(MONTHS)") $(if $(DATA),--data $(DATA)) \
	    $(if $(VALIDATE),--validate $(VALIDATE)) $(if $(TEST),--test $(TEST)) \
	    $(if $(OUTPUT),--output "$(OUTPUT)")

.PHONY: evaluate
evaluate: $(TRAIN_ENV)/installed ## Judge a bundle beside two baselines: DATA="<files>"; BUNDLE=models TRAIN_DATA="<files>"
	@$(TRAIN_ENV)/bin/python scripts/evaluate.py \
	    $(if $(DATA),--data $(DATA)) $(if $(BUNDLE),--bundle "$(BUNDLE)") \
	    $(if $(TRAIN_DATA),--train $(TRAIN_DATA))

.PHONY: lock
lock: ## Lock requirements/*.in again (needs uv)
	@requirements/lock
	@integration-test/lock

.PHONY: clean
clean: ## Remove what was built and installed
	@rm -rf build .venv-* .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
