# make quickstart · make test · make check. Everything runs in .venv, which the first target to need it creates.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUN := runs/quickstart
# The CPU build of torch serves where there is no GPU; bfloat16 where the processor computes in it.
HAS_GPU := $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU && echo yes)
HAS_BF16 := $(shell grep -qsE 'avx512_bf16|amx_bf16' /proc/cpuinfo && echo yes)
ACCELERATE := configs/accelerate/$(if $(HAS_GPU),gpu,$(if $(HAS_BF16),cpu_bf16,cpu)).yaml
export OMP_WAIT_POLICY ?= PASSIVE
export TOKENIZERS_PARALLELISM ?= true

.PHONY: quickstart test check seeds clean

quickstart: $(READY)
	$(BIN)/nisba build --config configs/quickstart.yaml
	$(BIN)/accelerate launch --quiet --config_file $(ACCELERATE) train.py --config configs/quickstart.yaml
	$(BIN)/nisba predict --model $(RUN)/model --input seeds/sample.txt -o $(RUN)/predictions.jsonl
	$(BIN)/nisba show $(RUN)/predictions.jsonl -o $(RUN)/predictions.html
	$(BIN)/nisba evaluate --model $(RUN)/model -o $(RUN)/report.json --report $(RUN)/report.html

test: $(READY)
	$(BIN)/pytest

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/build_seeds.py --check
	$(BIN)/python scripts/coverage.py --check
	$(BIN)/nisba check --lint seeds/*.jsonl

seeds: $(READY)
	$(BIN)/python scripts/build_seeds.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[offline,dev]'
	touch $@

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache
