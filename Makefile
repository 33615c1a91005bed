# What people type. Every target does its own set-up, and says in one line what it cannot do itself.

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test lint bench count siege fuzz stack-test clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: ## all the tools that demo, test and lint use, into .venv
	@deploy/setup/need.sh
	@deploy/setup/venv.sh deploy/demo/requirements.txt tests/requirements.txt deploy/setup/lint-requirements.txt
	@deploy/setup/redis.sh

demo: ## a real Django site behind Weir at http://127.0.0.1:8080, until Ctrl-C
	@deploy/setup/demo.sh

up: ## the stack in containers at http://127.0.0.1:8080 (docs/deploy.md)
	@deploy/setup/compose.sh up --detach --build

down: ## takes that stack away, its volumes too
	@deploy/setup/compose.sh --profile observability --profile redis-cluster down --volumes --remove-orphans

stack-test: ## the stack in containers, broken part by part under load (needs a Docker engine)
	@deploy/setup/stack_test.sh

test: ## every test: unit, contract, end to end
	@deploy/setup/test.sh

lint: ## formatting and lints of everything
	@deploy/setup/lint.sh

bench: ## nginx, Varnish, HAProxy and Weir side by side on this machine
	@deploy/setup/bench.sh

count: ## the instructions that a request costs nginx and Weir, compared with bench/count.json
	@deploy/setup/count.sh

siege: ## attacks on nginx and Weir beside ordinary visitors, for a few minutes, on 127.0.0.1
	@deploy/setup/siege.sh

fuzz: ## each parser for half a minute against whatever comes (takes its time to build)
	@deploy/setup/fuzz.sh

clean: ## removes what was built, installed and written
	rm -rf .venv deploy/demo/run
	cargo clean
