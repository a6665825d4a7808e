#!/usr/bin/env bash
# Installs the project into a virtual environment and runs lint and tests:  bash tests/run.sh [pytest options]
# VENV=<folder> chooses the environment (default .venv), PYTHON=<interpreter> the Python that makes it.
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/venv.sh
pip install -q -e ".[dev]"
ruff check .
ruff format --check .
mypy
python -m pytest "$@"
