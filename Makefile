# Every target creates .venv on first use, and updates it after pyproject.toml or
# constraints.txt changes. ARGS="…" is passed to the command.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: train test test-slow lint serve notebook bench docs dist teachers fonts release records clean

train: .venv/.train
	$(BIN)/cnn-mnist train $(ARGS)

# The tests start many processes. Without bytecode on the disk, each would compile its modules again.
test test-slow: export PYTHONDONTWRITEBYTECODE =

test: .venv/.dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy & $(BIN)/pytest -n 2 --dist worksteal $(ARGS); tests=$$?; wait $$! && exit $$tests

test-slow: .venv/.dev
	$(BIN)/pytest -m slow $(ARGS)

lint: .venv/.dev
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/mypy

serve: .venv/.serve
	$(BIN)/cnn-mnist serve $(ARGS)

notebook: .venv/.notebook
	$(BIN)/jupyter lab notebooks/CNN_MNIST_PyTorch.ipynb

bench: .venv/.train
	$(BIN)/python benchmarks/train_speed.py $(ARGS)
	$(BIN)/python benchmarks/predict_speed.py
	$(BIN)/python benchmarks/roofline.py

docs: .venv/.docs
	sed 's|\.\./docs/||; s|(../src/cnn_mnist/explore/index.html)|(explore.md)|' notebooks/CNN_MNIST_PyTorch.ipynb > docs/notebook.ipynb
	$(BIN)/sphinx-build -q -W --keep-going docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

# Builds sdist and wheel, and tests the wheel in an empty environment.
dist: .venv/.dist
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/python tests/try_wheel.py dist

# Trains and replaces the two models that read pictures. MNIST is found as by `cnn-mnist train`. An interrupted run is resumed.
release: runs/reader/metrics.json runs/lines-finetune/metrics.json
	$(BIN)/python -m cnn_mnist.training.runs.release runs/reader runs/lines-finetune

# Trains all released models from scratch: teachers, students, then the two above. An interrupted run is resumed.
TEACHERS := $(patsubst %,runs/teachers/%/metrics.json,teacher teacher-affine teacher-warped)
STUDENTS := $(patsubst %,runs/%/metrics.json,best best-bn best-small best-tiny robust)

records: $(STUDENTS) release
	$(BIN)/python -m cnn_mnist.training.runs.release $(patsubst %/metrics.json,%,$(STUDENTS))

$(STUDENTS): private FROM = --teacher runs/teachers
$(STUDENTS): $(TEACHERS)

runs/best-tiny/metrics.json: private FROM = --teacher runs/best-bn
runs/best-tiny/metrics.json: runs/best-bn/metrics.json

runs/reader/metrics.json: private FROM = --teacher runs/teachers/teacher
runs/reader/metrics.json: runs/teachers/teacher/metrics.json
# The line network is trained twice, the second time from the weights of the first, and then fine-tuned twice.
runs/lines-finetune/metrics.json: private FROM = --init runs/first/lines-finetune --seed 3
runs/lines-finetune/metrics.json: runs/first/lines-finetune/metrics.json
runs/first/lines-finetune/metrics.json: private FROM = --init runs/lines --seed 2
runs/first/lines-finetune/metrics.json: runs/lines/metrics.json
runs/lines/metrics.json: private FROM = --init runs/first/lines --seed 1 --lr 0.005 --epochs 20
runs/lines/metrics.json: runs/first/lines/metrics.json
runs/first/lines/metrics.json: | fonts

# Handwriting typefaces for the recipe lines. They are not part of the package. Requires npm.
fonts: runs/fonts/package.json

runs/fonts/package.json: src/cnn_mnist/training/lines/package.json
	npm install --prefix runs/fonts --no-audit --no-fund $$(sed -n 's/ *"\(@fontsource[^"]*\)": "\([^"]*\)".*/\1@\2/p' $<)
	cp $< $@

# The teacher models of best, best-bn, best-small and robust: --teacher runs/teachers. About 40 minutes.
teachers: $(TEACHERS)

runs/%/metrics.json: | .venv/.train
	$(BIN)/cnn-mnist train $(if $(wildcard runs/$*),--resume runs/$*,\
		--recipe $(notdir $*) --split val $(FROM) --out runs/$*)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/.%: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with: make PYTHON=…")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	touch $@
