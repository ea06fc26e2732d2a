# Each target calls one script; what it does is written there.
.DEFAULT_GOAL := help
PYTHON := .cache/env/dev/bin/python

.PHONY: help demo soak test faults spark35 check fmt docs package pins release sbom audit clean env

help: ## list the targets
	@sed -n 's/^\([a-z0-9]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do printf '  make %-9s %s\n' "$$name" "$$what"; done

demo: ## run the whole platform here, end to end; SOURCE=recordings|simulated|live
	@build-support/demo.sh

soak: ## run the services under 24 simulated exchanges and watch them: SECONDS=3600 RATE=5000 EXCHANGES=24
	@build-support/soak.sh --seconds "$(or $(SECONDS),3600)" --rate "$(or $(RATE),5000)" --exchanges "$(or $(EXCHANGES),24)"

test: ## run everything that CI runs
	@build-support/env.sh dev && $(PYTHON) build-support/ci.py

faults: ## inject faults and recount every record: SEED=7 SECONDS=60 FAULTS=F1,F2
	@SEED="$(SEED)" FAULT_SECONDS="$(SECONDS)" FAULTS="$(FAULTS)" build-support/faults.sh

spark35: ## run the jobs' archives on Spark 3.5 (EMR 7.x): once a release, after `make package`
	@build-support/spark35.sh

check: ## run the static checks: style, types, dependency rules, infrastructure
	@build-support/env.sh dev && $(PYTHON) build-support/check.py

fmt: ## format the sources
	@build-support/env.sh dev && .cache/env/dev/bin/ruff format --quiet . && .cache/env/dev/bin/ruff check --fix-only --quiet . && { ! command -v terraform >/dev/null || terraform fmt -recursive infra/terraform; }

docs: ## make docs/exchanges.md of the exchanges' modules, and the tables of infra/terraform's READMEs
	@build-support/env.sh dev && $(PYTHON) build-support/exchange_table.py && build-support/terraform_docs.sh

package: ## build the wheel and sdist of each package, the PEX of each service and job, into dist/
	@./pants package ::

pins: ## make 3rdparty/*.txt anew from what is asked for
	@build-support/pins.sh

env: ## make the development environment in .cache/env/dev
	@build-support/env.sh dev

sbom: ## write what each artifact in dist/ is made of, refuse licences that must not be shipped
	@build-support/env.sh dev && $(PYTHON) build-support/sbom.py

audit: ## ask for known vulnerabilities of all that is shipped; needs the network
	@build-support/env.sh dev && build-support/env.sh audit && $(PYTHON) build-support/audit.py

release: ## release a package: make release PACKAGE=ingestor PART=major|minor|patch
	@build-support/env.sh dev && $(PYTHON) build-support/release.py $(PACKAGE) $(PART)

clean: ## remove what was built, and the environments
	@rm -rf dist .cache .pants.d .pids .mypy_cache .ruff_cache .pytest_cache
