# Everything a developer does here, one name each. MILLRACE_BIN=path uses that binary in place of a built one.

SHELL := /bin/bash
.DEFAULT_GOAL := help
RELEASE := .build/release/millrace

.PHONY: help setup build build-debug demo serve test test-swift test-python test-blackbox test-sim sim sim-canary fuzz chaos bench-queue bench-inference bench-ocr bench-scaling lint docs clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: system packages, .venv, model weights
	@dev/setup

build: setup ## build the release binary, .build/release/millrace
	@dev/build-release millrace

build-debug: setup ## build the debug binary, .build/debug/millrace
	swift build --product millrace

demo: $(if $(MILLRACE_BIN),setup,build) ## show it at work: four jobs on a fresh server, about a minute
	@dev/demo

serve: $(if $(MILLRACE_BIN),setup,build) ## start a server with the endpoints of millrace.yaml
	@dev/serve

test: test-swift test-python test-blackbox test-sim ## run all tests

test-swift: setup ## run the Swift tests
	swift build --build-tests
	@dev/test-swift

test-python: setup ## run the tests of the Python shim and of the handlers in models/
	@dev/test-python

test-blackbox: $(if $(MILLRACE_BIN),setup,build-debug) ## run the scripts in Tests/blackbox against the built binary
	@dev/blackbox

test-sim: setup ## simulate the queue for about a minute: 200 seeds
	@SEEDS=200 STEPS=6000 dev/sim

sim: setup ## simulate the queue under faults, seed by seed; SEEDS=400 STEPS=6000 STORE=memory, see docs/architecture/05-simulation.md
	@dev/sim $(if $(STORE),--store $(STORE))

sim-canary: setup ## a build without the fence, which the simulator's auditor must catch
	@dev/sim --canary

fuzz: setup ## give changed samples to every parser; SECONDS=60 for each, MILLRACE_FUZZ_SEED=..., see docs/architecture/02-worker-and-batching.md
	swift build --build-tests
	@MILLRACE_FUZZ_SECONDS=$(or $(SECONDS),60) dev/fuzz

chaos: $(if $(MILLRACE_BIN),setup,build) ## break the real server under load and count what is lost; ROUNDS=500 SEED=..., see Tests/chaos/README.md
	@MILLRACE_BIN=$${MILLRACE_BIN:-$(RELEASE)} dev/chaos

bench-queue: setup ## measure the queue beside Celery, Dramatiq and this machine; RUNS=3 DEEP=10000000, see Benchmarks/README.md
	@dev/bench-queue

bench-inference: setup ## measure photos, comments and cold starts beside Python loops and LitServe; ONLY=photos RUNS=3, see Benchmarks/README.md
	@dev/bench-inference

bench-ocr: setup ## measure OCR beside rapidocr, in one process and under load; RUNS=3, see Benchmarks/README.md
	@dev/bench-ocr

bench-scaling: ## simulate scaling policies on traces and on real workers, beside what people use today; ONLY=cells, see Benchmarks/README.md
	@dev/bench-scaling

lint: ## check scripts, Python, manifests and the layering of the Swift targets; changes nothing
	@dev/lint

docs: ## check that every link in the documentation leads somewhere
	@dev/check-links

clean: ## remove build products and the Python environment (downloads included)
	rm -rf .build .venv
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
