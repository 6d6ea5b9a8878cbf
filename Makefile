# Everything a person types. `make help` lists it.

PYTHON ?= python3
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# A switch is 1 or absent: FORCE=0 forces nothing, and YES=0 deletes nothing.
switch = $(if $(filter-out 1,$($(1))),$(error $(1) is '$($(1))'; allowed: 1, or leave it out),$(if $($(1)),$(2)))

# One virtual environment for each set of requirements, so that `make run` installs no training package.
RUN_ENV := .venv-run
SERVE_ENV := .venv-serve
TRAIN_ENV := .venv-train
SCORE_ENV := .venv-score
TEST_ENV := .venv-test
BENCH_ENV := .venv-bench
BROWSER_ENV := .venv-browser
SCHEDULE_ENV := .venv-schedule
SPARK_ENV := .venv-spark
FUZZ_ENV := .venv-fuzz
AUDIT_ENV := .venv-audit
MUTANTS_ENV := .venv-mutants
INFRASTRUCTURE_ENV := .venv-infrastructure
UV_ENV := .venv-uv

# What the locks can serve; pyproject.toml says why.
OLDEST_PYTHON := 3.11
NEWEST_PYTHON := 3.14
COMMA := ,

# MLflow and onnxruntime report their use to their makers unless this is set.
export MLFLOW_DISABLE_TELEMETRY := true
export ORT_DISABLE_TELEMETRY := 1

# A misspelt variable would be ignored. A goal takes those that its help line names.
TAKEN_BY_ALL := PYTHON RUN_ENV SERVE_ENV TRAIN_ENV SCORE_ENV SCHEDULE_ENV SPARK_ENV TEST_ENV BENCH_ENV BROWSER_ENV FUZZ_ENV AUDIT_ENV MUTANTS_ENV INFRASTRUCTURE_ENV UV_ENV MAKEFLAGS SHELL
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
ifneq ($(filter-out $(TAKEN_BY_ALL),$(GIVEN)),)
TAKEN := $(sort $(foreach goal,$(or $(MAKECMDGOALS),help),$(shell sed -n 's/^$(goal):.*\#\# //p' $(firstword $(MAKEFILE_LIST)) | grep -o '[A-Z_]*=' | tr -d =)))
UNKNOWN := $(sort $(filter-out $(TAKEN_BY_ALL) $(TAKEN),$(GIVEN)))
ifneq ($(UNKNOWN),)
$(error $(UNKNOWN) is not a variable of `make $(or $(MAKECMDGOALS),help)`; allowed: $(or $(TAKEN),none))
endif
endif

.PHONY: help
help: ## List these commands and the variables that each takes
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(RUN_ENV)/installed: requirements/run.txt
$(SERVE_ENV)/installed: requirements/serve.txt
$(TRAIN_ENV)/installed: requirements/train.txt
$(SCORE_ENV)/installed: requirements/score.txt
$(TEST_ENV)/installed: requirements/test.txt
$(BENCH_ENV)/installed: requirements/bench.txt
$(BROWSER_ENV)/installed: requirements/browser.txt
$(SCHEDULE_ENV)/installed: requirements/schedule.txt
$(SPARK_ENV)/installed: requirements/spark.txt
$(FUZZ_ENV)/installed: requirements/fuzz.txt
$(AUDIT_ENV)/installed: requirements/audit.txt
$(MUTANTS_ENV)/installed: requirements/mutants.txt
$(INFRASTRUCTURE_ENV)/installed: requirements/infrastructure.txt
$(UV_ENV)/installed: requirements/uv.txt
$(RUN_ENV)/installed-parquet: requirements/parquet.txt $(RUN_ENV)/installed

PIP_INSTALL := install --quiet --quiet --disable-pip-version-check --require-hashes

# Two commands may install at once, and the second then finds it done. The lock is a file descriptor's: it ends with the
# shell and the pip that have it open, also after kill -9.
LOCK := import fcntl, signal; signal.signal(signal.SIGINT, signal.SIG_DFL); fcntl.flock(9, fcntl.LOCK_EX
define LOCKED
set -e; exec 9>$(@D).lock; \
    $(PYTHON) -c '$(LOCK) | fcntl.LOCK_NB)' 2>/dev/null || \
        { echo "Waiting for another command that installs into $(@D) ..."; $(PYTHON) -c '$(LOCK))'; }; \
    if test -e $@ && ! test $< -nt $@; then exit 0; fi; \
    echo "Installing $< into $(@D) ..."
endef

# A run that was interrupted leaves no `installed`; the next one starts from an empty environment.
.venv-%/installed:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < ($(subst .,$(COMMA),$(OLDEST_PYTHON))) and "Python $(OLDEST_PYTHON) or newer is needed; $(PYTHON) is " + sys.version.split()[0] + " (make PYTHON=... names another)")'
	@$(LOCKED); \
	$(PYTHON) -m venv --clear $(@D); \
	$(@D)/bin/pip $(PIP_INSTALL) -r $< || { $(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] > ($(subst .,$(COMMA),$(NEWEST_PYTHON))) and "The locked packages serve Python $(OLDEST_PYTHON) to $(NEWEST_PYTHON); $(PYTHON) is " + sys.version.split()[0] + " (make PYTHON=... names another)")'; exit 1; }; \
	touch $@

# What an interrupted run has left is written over.
$(RUN_ENV)/installed-parquet:
	@$(LOCKED); \
	$(@D)/bin/pip $(PIP_INSTALL) --ignore-installed -r $<; \
	touch $@

.PHONY: run
run: $(RUN_ENV)/installed $(if $(DATA)$(ARCHIVE),$(RUN_ENV)/installed-parquet) $(if $(filter @%,$(CHALLENGER)),$(TRAIN_ENV)/installed) ## The whole pipeline on this machine: RIDES= RATE= DATA=<month.parquet> SPEED= SHARDS= SEED= POISON= FUNCTION_URL= ON_FAILURE= CHALLENGER="<bundles, @aliases>" ARCHIVE=<folder> TABLES= PAGE=<port, 0: none> FOLDER=build/local
	@$(RUN_ENV)/bin/python -m scripts check_model --quiet
	@$(foreach alias,$(filter @%,$(CHALLENGER)),$(TRAIN_ENV)/bin/python -m scripts publish_alias "$(alias:@%=%)" &&) true
	@exec $(RUN_ENV)/bin/python -m demo \
	    $(if $(RIDES),--rides "$(RIDES)") $(if $(RATE),--rate "$(RATE)") \
	    $(if $(DATA),--data "$$DATA") $(if $(SPEED),--speed "$(SPEED)") $(if $(SHARDS),--shards "$(SHARDS)") \
	    $(if $(SEED),--seed "$(SEED)") $(if $(POISON),--poison "$(POISON)") \
	    $(if $(FUNCTION_URL),--function-url "$(FUNCTION_URL)") \
	    $(if $(ON_FAILURE),--on-failure "$(ON_FAILURE)") \
	    $(foreach bundle,$(CHALLENGER:@%=build/models-live/alias-%.json),--challenger "$(bundle)") $(if $(FOLDER),--folder "$$FOLDER") \
	    $(if $(ARCHIVE),--archive "$$ARCHIVE") $(if $(TABLES),--tables "$(TABLES)") \
	    $(if $(PAGE),--page "$$PAGE")

.PHONY: page
page: $(RUN_ENV)/installed ## A live page of any endpoint's streams, AWS included; it only reads: ENDPOINT= STREAM=ride_events PREDICTIONS="<names>" DEAD_LETTERS= FUNCTION= LISTEN=127.0.0.1 PORT=8765
	@exec $(RUN_ENV)/bin/python -m scripts page \
	    $(if $(ENDPOINT),--endpoint-url "$$ENDPOINT") $(if $(STREAM),--stream "$$STREAM") \
	    $(if $(PREDICTIONS),--predictions $$PREDICTIONS) \
	    $(if $(DEAD_LETTERS),--dead-letters "$$DEAD_LETTERS") \
	    $(if $(FUNCTION),--function "$$FUNCTION") \
	    $(if $(LISTEN),--host "$$LISTEN") $(if $(PORT),--port "$$PORT")

.PHONY: serve
serve: $(SERVE_ENV)/installed ## The model over HTTP, until Ctrl-C: LISTEN=127.0.0.1 PORT=8000; docs/web.md has the other settings
	@exec env $(if $(LISTEN),LISTEN="$$LISTEN") $(if $(PORT),PORT="$$PORT") $(SERVE_ENV)/bin/python -m web

ONE_EVENT = $(if $(JSON),--json "$$JSON") $(if $(PU),--pickup "$$PU") $(if $(DO),--dropoff "$$DO") \
	    $(if $(MILES),--miles "$$MILES") $(if $(AT),--at "$$AT") $(if $(ID),--ride-id "$$ID")

.PHONY: predict
predict: $(RUN_ENV)/installed ## The model's prediction for one event: PU=130 DO=205 MILES=3.66 AT=2025-03-01T08:15 ID=256 or JSON='{...}'
	@exec $(RUN_ENV)/bin/python -m scripts predict $(ONE_EVENT)

.PHONY: put
put: $(RUN_ENV)/installed ## Put one event on the stream of `make run`, show its prediction: PU= DO= MILES= AT= ID= or JSON=; KEY= ENDPOINT=
	@exec $(RUN_ENV)/bin/python -m scripts predict --put $(ONE_EVENT) \
	    $(if $(KEY),--key "$$KEY") \
	    --endpoint-url "$${ENDPOINT:-$${KINESIS_ENDPOINT_URL:-http://127.0.0.1:4566}}"

.PHONY: archive
archive: $(RUN_ENV)/installed $(RUN_ENV)/installed-parquet ## Both streams to Parquet files, each record once: ARCHIVE=build/archive EVENTS= PREDICTIONS="<names>" TABLES= SECONDS=60 ONCE=1 ENDPOINT=
	@exec $(RUN_ENV)/bin/python -m scripts archive "$${ARCHIVE:-build/archive}" \
	    $(if $(EVENTS),--events "$$EVENTS") $(if $(PREDICTIONS),--predictions $$PREDICTIONS) \
	    $(if $(TABLES),--tables "$(TABLES)") $(if $(SECONDS),--seconds "$(SECONDS)") \
	    $(call switch,ONCE,--once) $(if $(ENDPOINT),--endpoint-url "$$ENDPOINT")

.PHONY: smoke
smoke: $(RUN_ENV)/installed ## Put marked rides on a deployment's stream, compare their predictions: COUNT=20 EVENT='{...}' KEY= STREAM= PREDICTIONS= ENDPOINT= TIMEOUT=60
	@exec $(RUN_ENV)/bin/python -m scripts smoke \
	    $(if $(COUNT),--count "$(COUNT)") $(if $(EVENT),--event "$$EVENT") $(if $(KEY),--key "$$KEY") \
	    $(if $(STREAM),--stream "$$STREAM") $(if $(PREDICTIONS),--predictions "$$PREDICTIONS") \
	    $(if $(ENDPOINT),--endpoint-url "$$ENDPOINT") $(if $(TIMEOUT),--timeout "$(TIMEOUT)")

.PHONY: example-moderation
example-moderation: $(RUN_ENV)/installed ## Uploads checked by three models, joined to one decision: UPLOADS=200 RATE=20 SEED= FOLDER=build/moderation
	@exec $(RUN_ENV)/bin/python -m examples.moderation \
	    $(if $(UPLOADS),--uploads "$(UPLOADS)") $(if $(RATE),--rate "$(RATE)") \
	    $(if $(SEED),--seed "$(SEED)") $(if $(FOLDER),--folder "$$FOLDER")

.PHONY: example-rides
example-rides: $(RUN_ENV)/installed ## Duration and tip by two functions, joined to one quote per ride: RIDES=100 RATE=20 SEED= FOLDER=build/rides
	@exec $(RUN_ENV)/bin/python -m examples.rides \
	    $(if $(RIDES),--rides "$(RIDES)") $(if $(RATE),--rate "$(RATE)") \
	    $(if $(SEED),--seed "$(SEED)") $(if $(FOLDER),--folder "$$FOLDER")

.PHONY: example-churn
example-churn: $(SCORE_ENV)/installed ## Weekly scores by another model through batch scoring, and a marketing list: CUSTOMERS=3000 CONTACTS=100 SEED= FOLDER=build/churn
	@exec $(SCORE_ENV)/bin/python -m examples.churn \
	    $(if $(CUSTOMERS),--customers "$(CUSTOMERS)") $(if $(CONTACTS),--contacts "$(CONTACTS)") \
	    $(if $(SEED),--seed "$(SEED)") $(if $(FOLDER),--folder "$$FOLDER")

.PHONY: example-recommender
example-recommender: $(RUN_ENV)/installed $(if $(DATA),$(RUN_ENV)/installed-parquet) ## Drivers who became free are told where to wait, each on a feed: RIDES=100 DRIVERS=12 RATE=20 DATA=<month.parquet> DRIVER=d1 SEED= FOLDER=build/recommender
	@exec $(RUN_ENV)/bin/python -m examples.recommender \
	    $(if $(RIDES),--rides "$(RIDES)") $(if $(DRIVERS),--drivers "$(DRIVERS)") $(if $(RATE),--rate "$(RATE)") \
	    $(if $(DATA),--data "$$DATA") $(if $(DRIVER),--driver "$$DRIVER") \
	    $(if $(SEED),--seed "$(SEED)") $(if $(FOLDER),--folder "$$FOLDER")

.PHONY: train-recommender
train-recommender: $(TRAIN_ENV)/installed ## Train that table and measure it on other months: DATA="<files>" HELD_OUT="<files>" OUTPUT=build/recommender-table
	@exec $(TRAIN_ENV)/bin/python -m examples.recommender.train_recommender \
	    $(if $(DATA),--data "$$DATA") $(if $(HELD_OUT),--held-out "$$HELD_OUT") $(if $(OUTPUT),--output "$$OUTPUT")

.PHONY: test
test: lint typecheck ## Lint, types and every test
	@$(TEST_ENV)/bin/python -m pytest --cov --cov-report=term

.PHONY: browser-test
browser-test: $(BROWSER_ENV)/installed ## The page in a real browser; needs Chromium, which CHROMIUM= may name: SCREENSHOTS=<folder>
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || \
	    { echo "browser-test: Chromium is not installed (apt-get install chromium)" >&2; exit 1; }
	@$(BROWSER_ENV)/bin/python -m pytest tests/page/test_browser.py tests/page/test_browser_connection.py

.PHONY: check-model
check-model: $(RUN_ENV)/installed ## Check model.py before any event comes: EVENTS=<a file, an event per line>
	@$(RUN_ENV)/bin/python -m scripts check_model $(if $(EVENTS),--events "$(EVENTS)")

.PHONY: image
image: $(RUN_ENV)/installed ## The function's container image: BASE_IMAGE= PLATFORM=linux/arm64
	@$(RUN_ENV)/bin/python -m scripts check_model --quiet
	@$(PYTHON) -m scripts image $(if $(BASE_IMAGE),--base "$(BASE_IMAGE)") \
	    $(if $(PLATFORM),--platform "$(PLATFORM)")

.PHONY: compose
compose: # before minutes of building
	@docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || \
	    { echo "integration-test: Docker with Compose is needed, and not installed" >&2; exit 1; }
	@docker info >/dev/null 2>&1 || \
	    { echo "integration-test: the Docker daemon does not respond ('docker info' says why)" >&2; exit 1; }

DEPLOYMENT = $(if $(ACCOUNT),--account "$$ACCOUNT") $(if $(REGION),--region "$$REGION")

.PHONY: deploy
deploy: $(RUN_ENV)/installed ## To AWS; an alarm puts the traffic back: ACCOUNT= REGION= IMAGE= ARCHITECTURE=arm64 STEPS=10,50 BAKE=300 DRY_RUN=1 FORCE=1 LOSE_DATA=1
	@$(RUN_ENV)/bin/python -m scripts check_model --quiet
	@exec $(RUN_ENV)/bin/python -m scripts deploy $(DEPLOYMENT) \
	    $(if $(IMAGE),--image "$$IMAGE") $(if $(ARCHITECTURE),--architecture "$$ARCHITECTURE") \
	    $(if $(STEPS),--steps "$$STEPS") $(if $(BAKE),--bake "$$BAKE") \
	    $(call switch,DRY_RUN,--dry-run) $(call switch,FORCE,--force) \
	    $(call switch,LOSE_DATA,--lose-data)

.PHONY: rollback
rollback: $(RUN_ENV)/installed ## On AWS, back to the former version: ACCOUNT= REGION= FUNCTIONS="<names>" TO= DRY_RUN=1
	@exec $(RUN_ENV)/bin/python -m scripts rollback $(DEPLOYMENT) \
	    $(if $(FUNCTIONS),--functions $$FUNCTIONS) $(if $(TO),--to "$$TO") $(call switch,DRY_RUN,--dry-run)

.PHONY: destroy
destroy: $(RUN_ENV)/installed ## Delete the deployment from AWS, all but its dead letters: ACCOUNT= REGION= YES=1 DRY_RUN=1
	@exec $(RUN_ENV)/bin/python -m scripts destroy $(DEPLOYMENT) \
	    $(call switch,YES,--yes) $(call switch,DRY_RUN,--dry-run)

.PHONY: doctor
doctor: $(RUN_ENV)/installed ## Check tools, account, quotas and what is deployed on AWS; changes nothing: ACCOUNT= REGION=
	@exec $(RUN_ENV)/bin/python -m scripts doctor $(DEPLOYMENT)

.PHONY: integration-test
integration-test: compose image $(TEST_ENV)/installed ## A stream through the image, with LocalStack: BASE_IMAGE= LOCALSTACK_IMAGE=
	@$(TEST_ENV)/bin/python -m pytest integration-test

.PHONY: soak
soak: $(RUN_ENV)/installed $(RUN_ENV)/installed-parquet ## The whole pipeline under faults, 60 s: MINUTES= RIDES= RATE= SEED= SHARDS= OUTPUT_SHARDS= RIDES_PER_RECORD= MEMORY_MB= CPU_SHARE= FOLDER=build/soak
	@exec $(RUN_ENV)/bin/python -m tests.soak \
	    $(if $(MINUTES),--minutes "$(MINUTES)") $(if $(RIDES),--rides "$(RIDES)") \
	    $(if $(RATE),--rate "$(RATE)") $(if $(SEED),--seed "$(SEED)") \
	    $(if $(SHARDS),--shards "$(SHARDS)") $(if $(OUTPUT_SHARDS),--output-shards "$(OUTPUT_SHARDS)") \
	    $(if $(RIDES_PER_RECORD),--rides-per-record "$(RIDES_PER_RECORD)") \
	    $(if $(MEMORY_MB),--memory-mb "$(MEMORY_MB)") $(if $(CPU_SHARE),--cpu-share "$(CPU_SHARE)") \
	    $(if $(FOLDER),--folder "$$FOLDER")

.PHONY: soak-decisions
soak-decisions: $(RUN_ENV)/installed ## The decision service under kills, throttles and lost responses: ITEMS=1000 SEED= FOLDER=build/soak-decisions
	@exec $(RUN_ENV)/bin/python -m tests.soak.decision_soak \
	    $(if $(ITEMS),--items "$(ITEMS)") $(if $(SEED),--seed "$(SEED)") $(if $(FOLDER),--folder "$$FOLDER")

.PHONY: soak-web
soak-web: $(SERVE_ENV)/installed ## The web service under slow, greedy and vanishing clients, and promotions: SECONDS=60 SEED= FOLDER=build/soak-web
	@exec $(SERVE_ENV)/bin/python -m tests.soak.web_soak \
	    $(if $(SECONDS),--seconds "$(SECONDS)") $(if $(SEED),--seed "$(SEED)") $(if $(FOLDER),--folder "$$FOLDER")

.PHONY: reshard
reshard: $(RUN_ENV)/installed ## Split and merge both streams' shards while rides flow (needs node): RIDES= RATE= SEED= FOLDER=build/soak
	@exec $(RUN_ENV)/bin/python -m tests.soak.reshard \
	    $(if $(RIDES),--rides "$(RIDES)") $(if $(RATE),--rate "$(RATE)") $(if $(SEED),--seed "$(SEED)") \
	    $(if $(FOLDER),--folder "$$FOLDER")

.PHONY: soak-compare
soak-compare: $(RUN_ENV)/installed ## The same soak with this project's function and the course's handler: MINUTES= RATE= SEED= FOLDER=build/soak
	@exec $(RUN_ENV)/bin/python -m tests.soak.compare \
	    $(if $(MINUTES),--minutes "$(MINUTES)") $(if $(RATE),--rate "$(RATE)") $(if $(SEED),--seed "$(SEED)") \
	    $(if $(FOLDER),--folder "$$FOLDER")

.PHONY: fuzz
fuzz: $(FUZZ_ENV)/installed ## Fuzz every reader of untrusted bytes, guided by coverage: SECONDS=60 TARGET= SEED=
	@exec $(FUZZ_ENV)/bin/python -m tests.fuzz \
	    $(if $(SECONDS),--seconds "$(SECONDS)") $(if $(TARGET),--target "$(TARGET)") $(if $(SEED),--seed "$(SEED)")

.PHONY: mutants
mutants: $(MUTANTS_ENV)/installed ## Change streaming/ and model.py in small ways: do the tests notice? MODULES="publisher retries"
	@$(MUTANTS_ENV)/bin/python -m tests.mutants $(MODULES)

.PHONY: audit
audit: $(AUDIT_ENV)/installed ## Look the locked packages up in a database of known vulnerabilities: STRICT=1
	@exec $(AUDIT_ENV)/bin/python -m scripts audit $(call switch,STRICT,--strict)

.PHONY: bench
bench: $(BENCH_ENV)/installed ## Measure speed, memory, start and cost beside others; QUICK=1 within two minutes
	@exec $(BENCH_ENV)/bin/python -m benchmarks $(call switch,QUICK,--quick)

.PHONY: bench-web
bench-web: $(BENCH_ENV)/installed ## The web service beside Flask, MLflow and FastAPI; needs wrk: ROUNDS=5 SECONDS=3
	@exec $(BENCH_ENV)/bin/python -m benchmarks.web_service \
	    $(if $(ROUNDS),--rounds "$(ROUNDS)") $(if $(SECONDS),--seconds "$(SECONDS)")

.PHONY: plots
plots: $(BENCH_ENV)/installed ## Draw the plots of docs/performance.md from the last `make bench`
	@exec $(BENCH_ENV)/bin/python -m benchmarks.performance_plots

.PHONY: cost
cost: $(RUN_ENV)/installed ## What a month on AWS costs, by rate, and a million predictions each way: docs/cost.md, docs/three-ways.md
	@$(RUN_ENV)/bin/python -m benchmarks.deployment_cost
	@$(RUN_ENV)/bin/python -m benchmarks.ways_cost

.PHONY: picture
picture: $(RUN_ENV)/installed ## Draw the README's picture of `make run`, from a real run
	@$(RUN_ENV)/bin/python -m scripts picture

.PHONY: lint
lint: $(TEST_ENV)/installed ## Only ruff's rules and format, shellcheck, and the workflows
	@$(TEST_ENV)/bin/ruff check .
	@$(TEST_ENV)/bin/ruff format --check .
	@PATH="$(abspath $(TEST_ENV))/bin:$$PATH" command -v shellcheck >/dev/null || \
	    { echo "lint: shellcheck is not installed (apt-get install shellcheck)" >&2; exit 1; }
	@git ls-files -z | xargs -0 awk 'FNR == 1 && /^#!.*sh$$|^# shellcheck shell=/ {print FILENAME} {nextfile}' \
	    | PATH="$(abspath $(TEST_ENV))/bin:$$PATH" xargs shellcheck --external-sources
	@PATH="$(abspath $(TEST_ENV))/bin:$$PATH" jactionlint

# With another model.py, what imports the ride models' names is left out, as tests/conftest.py does.
OTHER_MODEL = $(shell grep -q "^class RideModel:" model.py || paste -s -d "|" tests/ride_files.txt)

.PHONY: typecheck
typecheck: $(TEST_ENV)/installed ## Only the types
	@$(TEST_ENV)/bin/mypy $(if $(OTHER_MODEL),--exclude "$(OTHER_MODEL)")

.PHONY: format
format: $(TEST_ENV)/installed ## Format, and fix what ruff can
	@$(TEST_ENV)/bin/ruff check --fix .
	@$(TEST_ENV)/bin/ruff format .

.PHONY: train
train: $(TRAIN_ENV)/installed ## Train a bundle: MONTHS=2023-01,2023-02 or DATA="<files>"; VALIDATE= TEST= OUTPUT=build/bundle
	@exec $(TRAIN_ENV)/bin/python -m scripts train \
	    $(if $(MONTHS),--months "$(MONTHS)") $(if $(DATA),--data "$$DATA") \
	    $(if $(VALIDATE),--validate "$$VALIDATE") $(if $(TEST),--test "$$TEST") \
	    $(if $(OUTPUT),--output "$$OUTPUT")

.PHONY: tune
tune: $(TRAIN_ENV)/installed ## Search a model's parameters: DATA="<files>" VALIDATE="<files>" TARGET=tip TRIALS=30
	@exec $(TRAIN_ENV)/bin/python -m scripts tune \
	    $(if $(DATA),--data "$$DATA") $(if $(VALIDATE),--validate "$$VALIDATE") \
	    $(if $(TARGET),--target "$$TARGET") $(if $(TRIALS),--trials "$(TRIALS)")

.PHONY: mlflow
mlflow: $(TRAIN_ENV)/installed ## MLflow's tracking server and registry on this machine: PORT=5000 ARTIFACTS=mlartifacts
	@exec $(TRAIN_ENV)/bin/python -m scripts mlflow_server \
	    $(if $(PORT),--port "$$PORT") $(if $(ARTIFACTS),--artifacts "$$ARTIFACTS")

.PHONY: score
score: $(SCORE_ENV)/installed ## Predict the rides of an interval of a table: DATA="<Parquet files>" SINCE=2025-03-01 UNTIL=2025-04-01 DATABASE=build/predictions.duckdb or postgresql://... WORKERS=1 TABLE= KEY= TIME= EVENT= STAGING= DRY_RUN=1
	@exec $(SCORE_ENV)/bin/python -m scripts score --data "$$DATA" --since "$$SINCE" --until "$$UNTIL" \
	    $(if $(TABLE),--table "$$TABLE") $(if $(KEY),--key "$$KEY") $(if $(TIME),--time "$$TIME") \
	    $(if $(EVENT),--event "$$EVENT") $(if $(DATABASE),--database "$$DATABASE") \
	    $(if $(WORKERS),--workers "$(WORKERS)") $(if $(STAGING),--staging "$$STAGING") \
	    $(call switch,DRY_RUN,--dry-run)

CHAMPION = $(if $(WHY),--why "$$WHY") $(if $(PUBLISH),--publish "$$PUBLISH")

.PHONY: promote
promote: $(TRAIN_ENV)/installed ## Publish the latest models if better than the champion: DATA="<files>" VERSION= FORCE=1 WHY= PUBLISH=build/models-live
	@exec $(TRAIN_ENV)/bin/python -m scripts promote \
	    $(if $(DATA),--data "$$DATA") $(if $(VERSION),--version "$$VERSION") $(call switch,FORCE,--force) $(CHAMPION)

.PHONY: retrain
retrain: $(TRAIN_ENV)/installed ## Candidates from an archive's labelled rides, promoted if better: ARCHIVE=build/archive DATA="<files>" or RECALIBRATE=1, only another level; AS_OF= OUTPUT=build/bundle FORCE=1 WHY= PUBLISH=build/models-live
	@exec $(TRAIN_ENV)/bin/python -m scripts retrain "$${ARCHIVE:-build/archive}" \
	    $(call switch,RECALIBRATE,--recalibrate) $(if $(DATA),--data "$$DATA") \
	    $(if $(AS_OF),--as-of "$$AS_OF") $(if $(OUTPUT),--output "$$OUTPUT") \
	    $(call switch,FORCE,--force) $(CHAMPION)

.PHONY: rollback-model
rollback-model: $(TRAIN_ENV)/installed ## Publish the former champion again: WHY= PUBLISH=build/models-live
	@exec $(TRAIN_ENV)/bin/python -m scripts rollback_model $(CHAMPION)

.PHONY: models
models: $(TRAIN_ENV)/installed ## List registered models, their aliases, months and errors: AUDIT=1 PUBLISH=build/models-live
	@exec $(TRAIN_ENV)/bin/python -m scripts registered_models \
	    $(call switch,AUDIT,--audit) $(if $(PUBLISH),--publish "$$PUBLISH")

.PHONY: ship
ship: $(RUN_ENV)/installed ## Make a trained bundle the one that ships, in models/: BUNDLE=build/bundle
	@exec $(RUN_ENV)/bin/python -m scripts ship $(if $(BUNDLE),"$$BUNDLE")

.PHONY: evaluate
evaluate: $(TRAIN_ENV)/installed ## Evaluate a bundle beside two baselines: DATA="<files>"; BUNDLE=models TRAIN_DATA="<files>"
	@exec $(TRAIN_ENV)/bin/python -m scripts evaluate \
	    $(if $(DATA),--data "$$DATA") $(if $(BUNDLE),--bundle "$$BUNDLE") \
	    $(if $(TRAIN_DATA),--train "$$TRAIN_DATA")

.PHONY: quality
quality: $(TRAIN_ENV)/installed ## How good predictions were, from an archive; status 1 beyond a bound: ARCHIVE=build/archive TARGET=tip SINCE=24h AS_OF= BY=version,age,hour,borough,distance HTML=<file> CLOUDWATCH=1 MAX_RMSE= MAX_BIAS= MIN_LABELLED=
	@exec $(TRAIN_ENV)/bin/python -m scripts quality "$${ARCHIVE:-build/archive}" \
	    $(if $(TARGET),--target "$$TARGET") $(if $(SINCE),--since "$$SINCE") $(if $(AS_OF),--as-of "$$AS_OF") \
	    $(if $(BY),--by "$$BY") $(if $(HTML),--html "$$HTML") $(call switch,CLOUDWATCH,--cloudwatch) \
	    $(if $(MAX_RMSE),--max-rmse "$$MAX_RMSE") $(if $(MAX_BIAS),--max-bias "$$MAX_BIAS") \
	    $(if $(MIN_LABELLED),--min-labelled "$$MIN_LABELLED")

.PHONY: compare
compare: $(TRAIN_ENV)/installed ## Two versions' predictions of the same rides, on what really happened: ARCHIVE=build/archive A=<version> B=<version> TARGET=tip SINCE=7d AS_OF=
	@exec $(TRAIN_ENV)/bin/python -m scripts compare_versions "$${ARCHIVE:-build/archive}" \
	    $(if $(A),--a "$$A") $(if $(B),--b "$$B") $(if $(TARGET),--target "$$TARGET") \
	    $(if $(SINCE),--since "$$SINCE") $(if $(AS_OF),--as-of "$$AS_OF")

.PHONY: drift
drift: $(TRAIN_ENV)/installed ## How far rides have moved from a bundle's training; status 1 beyond a bound: ARCHIVE=build/archive or DATA="<files>"; BUNDLE=models or AGAINST="<files>"; FAIL_IF="moved far"
	@exec $(TRAIN_ENV)/bin/python -m scripts drift \
	    $(if $(DATA),--data "$$DATA",$(if $(ARCHIVE),"$$ARCHIVE",build/archive)) \
	    $(if $(BUNDLE),--bundle "$$BUNDLE") $(if $(AGAINST),--against "$$AGAINST") \
	    $(if $(FAIL_IF),--fail-if "$$FAIL_IF")

JOB = --data "$$DATA" $(if $(TABLE),--table "$$TABLE") $(if $(EVERY),--every "$(EVERY)") \
	    $(if $(SINCE),--since "$$SINCE") $(if $(DATABASE),--database "$$DATABASE") \
	    $(if $(AT_MOST),--at-most "$(AT_MOST)") $(if $(WORKERS),--workers "$(WORKERS)") \
	    $(if $(KEY),--key "$$KEY") $(if $(TIME),--time "$$TIME") $(if $(EVENT),--event "$$EVENT")

.PHONY: schedule
schedule: $(SCHEDULE_ENV)/installed ## Score a table by a schedule, with Prefect: CRON="0 3 * * *" EVERY=day|week|month DATA="<files>" MISSED=all|latest|none SINCE= DELAY=<hours> AT_MOST= WORKERS= DATABASE= TABLE= KEY= TIME= EVENT= PORT=4200
	@exec $(SCHEDULE_ENV)/bin/python -m scripts schedule --cron "$$CRON" $(JOB) \
	    $(if $(MISSED),--missed "$(MISSED)") $(if $(DELAY),--delay "$(DELAY)") $(if $(PORT),--port "$$PORT")

.PHONY: backfill
backfill: $(SCHEDULE_ENV)/installed ## Score what a range lacks, with Prefect: SINCE=2025-01-01 UNTIL=2025-04-01 EVERY=day|week|month DATA="<files>" AT_MOST=2 AGAIN=1 WORKERS= DATABASE= TABLE= KEY= TIME= EVENT=
	@exec $(SCHEDULE_ENV)/bin/python -m scripts backfill $(JOB) $(if $(UNTIL),--until "$$UNTIL") \
	    $(call switch,AGAIN,--again)

.PHONY: congestion
congestion: $(SCORE_ENV)/installed ## Predictions beside what really happened, by month and zone: DATA="<files>" SINCE=2025-01-01 UNTIL=2025-04-01 DATABASE= TABLE= KEY= LEAST=100 OUTPUT=build/congestion.svg
	@exec $(SCORE_ENV)/bin/python -m scripts congestion --data "$$DATA" --since "$$SINCE" --until "$$UNTIL" \
	    $(if $(DATABASE),--database "$$DATABASE") $(if $(TABLE),--table "$$TABLE") $(if $(KEY),--key "$$KEY") \
	    $(if $(LEAST),--least "$(LEAST)") $(if $(OUTPUT),--output "$$OUTPUT")

.PHONY: score-spark
score-spark: $(SPARK_ENV)/installed ## As `make score`, over Spark (needs Java 17): DATA="<Parquet files>" SINCE=2025-03-01 UNTIL=2025-04-01 OUTPUT=build/scored KEY= CORES=2
	@exec $(SPARK_ENV)/bin/python -m scripts score_spark --data "$$DATA" --since "$$SINCE" --until "$$UNTIL" \
	    --output "$${OUTPUT:-build/scored}" $(if $(KEY),--key "$$KEY") $(if $(CORES),--cores "$(CORES)")

.PHONY: spark-test
spark-test: $(SPARK_ENV)/installed ## Predictions over Spark are those of `make score`
	@$(SPARK_ENV)/bin/python -m pytest tests/batch/test_spark.py

.PHONY: schedule-test
schedule-test: $(SCHEDULE_ENV)/installed ## The schedule and the backfill with Prefect itself
	@$(SCHEDULE_ENV)/bin/python -m pytest tests/batch/test_prefect.py

.PHONY: schemas
schemas: $(RUN_ENV)/installed ## Write the JSON Schemas of docs/schemas from the code
	@exec $(RUN_ENV)/bin/python -m scripts schemas

.PHONY: lock
lock: $(UV_ENV)/installed ## Lock the dependency groups of pyproject.toml again: UPGRADE=1
	@PATH="$(CURDIR)/$(UV_ENV)/bin:$$PATH" requirements/lock $(call switch,UPGRADE,--upgrade)

.PHONY: clean
clean: ## Remove what was built and installed
	@rm -rf build .venv-* .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache mutants
