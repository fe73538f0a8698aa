# Every command sets up .venv by itself the first time, and after pyproject.toml or
# constraints.txt has changed. ARGS="…" goes to the command.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: train test test-slow lint serve notebook bench teachers fonts release clean

train: .venv/.train
	$(BIN)/cnn-mnist train $(ARGS)

test: .venv/.dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/pytest $(ARGS)

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

# Trains and replaces the released weights. MNIST is found as in `cnn-mnist train`. Stopped, it goes on.
release: runs/reader/metrics.json runs/lines/metrics.json
	$(BIN)/python -m cnn_mnist.training.release runs/reader --out src/cnn_mnist/weights
	$(BIN)/python -m cnn_mnist.training.lines.export runs/lines --out src/cnn_mnist/weights/lines.onnx

runs/reader/metrics.json: private TEACHER = --teacher runs/teacher
runs/reader/metrics.json: runs/teacher/metrics.json
runs/lines/metrics.json: | fonts

# Handwriting typefaces, from which the recipe lines draws. They are no part of the package. Needs npm.
fonts: runs/fonts/package.json

runs/fonts/package.json: src/cnn_mnist/training/lines/package.json
	npm install --prefix runs/fonts --no-audit --no-fund $$(sed -n 's/ *"\(@fontsource[^"]*\)": "\([^"]*\)".*/\1@\2/p' $<)
	cp $< $@

# Whom the recipes best, best-bn and best-small learn from: --teacher runs/teachers. About 40 minutes.
teachers: $(patsubst %,runs/teachers/%/metrics.json,teacher teacher-affine teacher-warped)

runs/%/metrics.json: | .venv/.train
	$(BIN)/cnn-mnist train $(if $(wildcard runs/$*),--resume runs/$*,\
		--recipe $(notdir $*) --split val $(TEACHER) --out runs/$*)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/.%: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it with: make PYTHON=…")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	touch $@
