# The commands. Every target does its own set-up, and says in one line what it cannot do itself.

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test lint bench count siege soak fuzz stack-test rfcs simulate wheel sdist deb sbom reproducible clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

setup: ## install all the tools of demo, test and lint into .venv
	@deploy/setup/need.sh
	@deploy/setup/venv.sh deploy/demo/requirements.txt tests/requirements.txt deploy/setup/lint-requirements.txt
	@deploy/setup/redis.sh

demo: ## run a real Django site behind Weir at http://127.0.0.1:8080, until Ctrl-C
	@deploy/setup/demo.sh

up: ## start the stack in containers at http://127.0.0.1:8080 (docs/deploy.md)
	@deploy/setup/compose.sh up --detach --build

down: ## remove that stack, with its volumes
	@deploy/setup/compose.sh --profile observability --profile redis-cluster down --volumes --remove-orphans

stack-test: ## break the stack in containers part by part under load (needs a Docker engine)
	@deploy/setup/stack_test.sh

test: ## run every test: unit, contract, end to end
	@deploy/setup/test.sh

lint: ## check the formatting and lints of everything
	@deploy/setup/lint.sh

bench: ## compare nginx, H2O, Varnish, HAProxy and Weir on this machine
	@deploy/setup/bench.sh

count: ## count the instructions of a request in nginx and Weir, compare with bench/count.json
	@deploy/setup/count.sh

siege: ## attack nginx and Weir beside ordinary visitors, for a few minutes, on 127.0.0.1
	@deploy/setup/siege.sh

soak: ## an hour of visitors, purges, reloads, ends and losses at once (MINUTES=60): memory, descriptors, latency
	@deploy/setup/soak.sh

simulate: ## play the real services in many simulated worlds with faults (docs/simulator.md)
	@deploy/setup/simulate.sh

fuzz: ## fuzz each parser for half a minute (the build takes some minutes; TARGETS="head uri" takes one)
	@deploy/setup/fuzz.sh

rfcs: ## count the MUSTs of the RFCs that are cited at code and test (builds duvet once; docs/rfcs.md)
	@deploy/setup/rfcs.sh

wheel: ## build the wheel weir-server into target/wheels (docs/python.md)
	@deploy/setup/wheel.sh

sdist: ## write the source package of weir-server into target/wheels
	@deploy/setup/sdist.sh

sbom: ## list what each program is made of, as CycloneDX, into target/sbom
	@deploy/setup/sbom.sh

reproducible: ## build the release programs twice, in two places, and compare them (takes long)
	@deploy/setup/reproducible.sh

deb: ## build the Debian package into target/debian (docs/operate.md)
	@deploy/setup/deb.sh

clean: ## remove what was built, installed and written
	rm -rf .venv deploy/demo/run
	cargo clean
