# The front door. Every target is one line; the command `ic` does the work.
.DEFAULT_GOAL := help
.PHONY: help up down status logs shell test thorough fuzz lint chart demo bench load chaos seed stubs

IC := .venv/bin/ic
ARGS ?=

.venv/.installed: requirements.lock devstack/bootstrap.py
	@python3 devstack/bootstrap.py

help: ## Show what can be done here
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: .venv/.installed ## Install what is missing, start the local stack, seed it and wait until it is ready
	@$(IC) up $(ARGS)

down: .venv/.installed ## Stop the local stack; ARGS=--wipe also removes its data
	@$(IC) down $(ARGS)

status: .venv/.installed ## Show each process: port, state, restarts, memory, readiness
	@$(IC) status $(ARGS)

logs: .venv/.installed ## Show the last log lines; ARGS="auth-serve -f" follows one process, ARGS="--level warning --since 10m"
	@$(IC) logs $(ARGS)

shell: .venv/.installed ## Open a shell in which `ic` is a command; leave it with exit
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $${SHELL:-/bin/sh}

test: .venv/.installed ## Run unit tests, then integration and end-to-end tests on a stack of their own
	@$(IC) test $(ARGS)

thorough: .venv/.installed ## Run every suite that takes minutes, in turn; ARGS="faults chaos" runs these, ARGS=--list shows all
	@$(IC) thorough $(ARGS)

fuzz: .venv/.installed ## Send hostile requests to a stack of their own; ARGS="--minutes 30 --seed 7"
	@$(IC) fuzz $(ARGS)

lint: .venv/.installed ## Check style, types, contracts and the direction of imports
	@$(IC) lint $(ARGS)

chart: .venv/.installed ## Render the Helm chart with every set of values and check it; ARGS=--write renews what is generated
	@$(IC) chart $(ARGS)

demo: .venv/.installed ## Walk the main journey against the running stack
	@$(IC) demo $(ARGS)

bench: .venv/.installed ## Measure the running stack
	@$(IC) bench $(ARGS)

load: .venv/.installed ## Put load on the running stack by Artillery, JMeter and gRPC; ARGS="--profile local --report load.html"
	@$(IC) load $(ARGS)

chaos: .venv/.installed ## Let people work on the running stack while things break, and see whether anything is lost
	@$(IC) chaos $(ARGS)

seed: .venv/.installed ## Fill the running stack with reproducible data
	@$(IC) seed $(ARGS)

stubs: .venv/.installed ## Build the typed stubs from protos/ into gen/
	@$(IC) stubs $(ARGS)
