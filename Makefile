# Every target sets itself up: it needs only python3 (3.11 or newer) with venv; below 3.12 a C compiler, too.
PYTHON ?= python3
BIN := .venv/bin
# What the program needs is installed; and the tools of those who change it.
RUNS := .venv/.runs
STAMP := .venv/.installed
say = case "$$BOT_LANGUAGE" in en) echo "$(2)";; *) echo "$(1)";; esac

.PHONY: demo test contract lint fmt docs lock clean

demo: $(RUNS)
	@$(BIN)/python main.py demo

test: $(STAMP)
	@$(BIN)/python -m pytest -q -n auto --dist worksteal

contract: $(STAMP) # real, unmodified Upbit clients trade on the sandbox
	@$(BIN)/python -m pytest -q -m 'slow or not slow' tests/contract/test_real_clients.py tests/contract/test_sandbox_document.py

.PHONY: compare
compare: $(STAMP) # the daemon and the backtester trade the same recorded day
	@$(BIN)/python -m pytest -q -s -m 'slow or not slow' tests/scenarios/test_daemon_against_backtest.py

LONG := $(addprefix tests/scenarios/test_,whole_daemon.py leaks.py optimize.py guards.py two_bots.py diverge.py)
.PHONY: scenarios
scenarios: $(STAMP) # the long stories of the whole daemon: recorded hours, equal seeds, an hour of broken connections
	@$(BIN)/python -m pytest -q -n auto -m slow $(LONG)

.PHONY: plans
plans: $(STAMP) # the daemon trades for twenty market minutes under every fault plan
	@$(BIN)/python -m pytest -q -n auto -m 'slow or not slow' tests/scenarios/test_fault_plans.py

.PHONY: page
page: $(STAMP) # the page in Chromium beside the command line, at 200 moments of a life with faults, over 50 cut streams
	@$(BIN)/python -m pytest -q -m slow tests/scenarios/test_page.py

PAPER_HOURS ?= 1
.PHONY: paper
paper: $(STAMP) # the daemon on paper, in front of a sandbox with faults that counts broken rules; PAPER_HOURS=24 is a day
	@PAPER_HOURS=$(PAPER_HOURS) $(BIN)/python -m pytest -q -rP -m slow tests/scenarios/test_paper.py tests/scenarios/test_paper_day.py tests/scenarios/test_paper_process.py

FUZZ_CASES ?= 20000
FUZZ_SEED ?= $(shell date +%Y%m%d)
.PHONY: fuzz
fuzz: $(STAMP) # a hostile client at the sandbox; FUZZ_SEED repeats a run
	@FUZZ_CASES=$(FUZZ_CASES) $(BIN)/python -m pytest -q --hypothesis-profile=default --hypothesis-seed=$(FUZZ_SEED) tests/fuzz

SEEDS ?= 150
.PHONY: kill
kill: $(STAMP) # the daemon dies at every callback of many order flows
	@$(BIN)/python -m worlds.kill

.PHONY: lies
lies: $(STAMP) # the exchange lies at every answer and frame of many flows; more of it: python -m worlds.lies --trials 20000
	@$(BIN)/python -m worlds.lies

.PHONY: determinism
determinism: $(STAMP) # the same seeds in two processes, under random hash seeds and load
	@$(BIN)/python -m worlds.determinism

.PHONY: records
records: $(STAMP) # both averages of ten thousand histories of fills, calculated anew with fractions
	@HISTORIES=10000 $(BIN)/python -m pytest -q tests/unit/test_records.py

.PHONY: verdicts
verdicts: $(STAMP) # a day of 289 markets: every verdict told as it was decided, the growth of the journal, the cost of `why`
	@$(BIN)/python bench/verdicts.py

.PHONY: mutants
mutants: $(STAMP) # broken rules of orders and of what surrounds them, each of which a simulated world must catch
	@$(BIN)/python -m pytest -q -m slow -rP tests/scenarios/test_mutants.py tests/scenarios/test_judges.py tests/scenarios/test_steering.py

JUDGES = $(shell grep -lE 'from (journal|trader|strategy\.portfolio)|trading_desk' tests/unit/test_*.py tests/contract/test_*.py)
.PHONY: coverage
coverage: $(STAMP) # every line and branch of orders, journal and risk, run by the tests that know them
	@$(BIN)/coverage run --branch --source=journal,trader,strategy -m pytest -q $(JUDGES)
	@$(BIN)/coverage report -m --fail-under=100

MUTATION_JOBS ?= 2
.PHONY: mutation
mutation: $(STAMP) # every small change to what money, keys or words pass through, one at a time, against types and tests; hours
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python bench/mutate.py run --max-children $(MUTATION_JOBS)
	@$(BIN)/mutmut results --all true | $(BIN)/python bench/mutation_table.py

TAPE_HOURS ?= 24
.PHONY: tape
tape: $(STAMP) # hours on tape, replayed twice into equal journals; recorders that are killed lose a second at most
	@TAPE_HOURS=$(TAPE_HOURS) $(BIN)/python -m pytest -q -s -m slow tests/scenarios/test_tape_replay.py tests/scenarios/test_hidden_bias.py

.PHONY: planted
planted: $(STAMP) # faults a person could make, put into a copy one at a time: the tests that name the module must notice
	@$(BIN)/python bench/planted.py

.PHONY: sigkill
sigkill: $(STAMP) # real processes, real files, real SIGKILLs at every named point
	@$(BIN)/python -m worlds.sigkill

.PHONY: soak
soak: $(STAMP) # a simulated month in one process: nothing may grow
	@$(BIN)/python -m worlds.soak

.PHONY: simulate
simulate: $(STAMP)
	@$(BIN)/python -m worlds.simulate --seeds $(SEEDS)

PEERS := .venv-peers
NAUTILUS := .venv-nautilus
.PHONY: peers
peers: $(PEERS)/.installed $(NAUTILUS)/.installed # other backtesters and a compiled loop on the same prices, in environments of their own
	@$(PEERS)/bin/python bench/backtest_peers.py

$(PEERS)/.installed: requirements/bench.txt
	@$(PYTHON) -m venv $(PEERS)
	@sh requirements/install.sh $(PEERS)/bin/python requirements/bench.txt
	@touch $@

$(NAUTILUS)/.installed: requirements/nautilus.txt
	@$(PYTHON) -m venv $(NAUTILUS)
	@sh requirements/install.sh $(NAUTILUS)/bin/python requirements/nautilus.txt
	@touch $@

CLIENTS := .venv-clients
.PHONY: clients
clients: $(CLIENTS)/.installed # other clients of Upbit on the same frames and orders, in an environment of their own
	@$(CLIENTS)/bin/python bench/feed.py
	@$(CLIENTS)/bin/python bench/orders.py

$(CLIENTS)/.installed: requirements/clients.txt
	@$(PYTHON) -m venv $(CLIENTS)
	@sh requirements/install.sh $(CLIENTS)/bin/python requirements/clients.txt
	@touch $@

.PHONY: readers
readers: $(STAMP) $(PEERS)/.installed $(NAUTILUS)/.installed # the programs themselves read what `tape export` writes
	@folder=$$(mktemp -d) && trap 'rm -r "$$folder"' EXIT && \
	    $(BIN)/python bench/tape_readers.py write $$folder && \
	    $(PEERS)/bin/python bench/tape_readers.py hftbacktest $$folder && \
	    $(NAUTILUS)/bin/python bench/tape_readers.py nautilus $$folder

DATA ?= data
.PHONY: strategy-report
strategy-report: $(STAMP) # every figure and picture of Strategy.md, from the history below $(DATA)
	@$(BIN)/python bench/strategy_report.py --measure --data $(DATA)

lint: $(STAMP)
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy --no-error-summary

fmt: $(STAMP)
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .

docs: $(STAMP)
	@$(BIN)/python tests/helpers/catalogue.py statements > docs/sandbox-contract.md
	@$(BIN)/python tests/helpers/catalogue.py failures > docs/failures.md
	@$(BIN)/python tests/helpers/catalogue.py cases > docs/cases.md
	@$(BIN)/python tests/helpers/fault_page.py > docs/faults.md
	@$(BIN)/python -m worlds.promises > docs/worlds.md
	@$(BIN)/python tests/helpers/told.py > tests/helpers/every_message.txt

COMPILE := uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate
LOCK := $(COMPILE) --universal pyproject.toml

.PHONY: image
image: # build the image and try it, with docker or podman
	@$(PYTHON) bench/image.py

.PHONY: wheels
wheels: $(STAMP) # every package of requirements.txt is there as a wheel for x86-64 and aarch64, Python 3.12 and 3.13
	@$(BIN)/python bench/wheels.py

lock: # needs uv
	$(LOCK) -o requirements.txt
	$(LOCK) --extra research -o requirements/research.txt
	$(LOCK) --extra chat -c requirements.txt -o requirements/chat.txt
	$(LOCK) --extra tape -c requirements.txt -o requirements/tape.txt
	$(LOCK) --extra picows -c requirements.txt -o requirements/picows.txt
	$(LOCK) --extra research --extra chat --extra tape --extra picows --extra dev -o requirements/dev.txt
	$(LOCK) --extra picows --extra clients -o requirements/clients.txt
	$(LOCK) --no-strip-extras --extra bench -c requirements.txt -o requirements/bench.txt
	$(COMPILE) --universal --group nautilus -o requirements/nautilus.txt
	$(COMPILE) --universal --group build -c requirements.txt -o requirements/build.txt

clean:
	rm -rf mutants .venv $(PEERS) $(NAUTILUS) $(CLIENTS) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(call say,파이썬 환경 .venv를 만듭니다 ...,Making a Python environment in .venv ...)
	@$(PYTHON) -m venv .venv

$(RUNS): requirements.txt | $(BIN)/python
	@$(call say,라이브러리를 .venv에 설치합니다 (내려받기 약 26 MB). 1분쯤 걸립니다 ...,Installing the packages into .venv (some 26 MB to fetch). It takes about a minute ...)
	@sh requirements/install.sh $(BIN)/python requirements.txt
	@touch $(RUNS)

$(STAMP): requirements/dev.txt | $(BIN)/python
	@$(call say,개발 도구를 .venv에 설치합니다 (내려받기 약 200 MB) ...,Installing the development tools into .venv (some 200 MB to fetch) ...)
	@sh requirements/install.sh $(BIN)/python requirements/dev.txt
	@touch $(RUNS) $(STAMP)
