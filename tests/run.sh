#!/usr/bin/env bash
# Installs the project into a virtual environment and runs lint and tests:  bash tests/run.sh [pytest options]
# VENV=<folder> chooses the environment (default .venv), PYTHON=<interpreter> the Python that makes it, EXTRAS the
# optional dependencies: EXTRAS=dev,paddle26 PYTHON=python3.10 tests on Paddle 2.6. WORKERS: processes (default 2).
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/venv.sh
pip install -q -e ".[${EXTRAS:-dev}]"
ruff check .
ruff format --check .
[[ ${EXTRAS:-} == *paddle26* ]] || mypy # NumPy 1, which Paddle 2.6 needs, has other types
codespell
# As the commands set it: OpenMP threads that spin while they wait take the cores of the other worker.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
# A file stays in one process, with what its fixtures made. The order is that of tests/conftest.py.
python -m pytest -n "${WORKERS:-2}" --dist loadfile --no-loadscope-reorder "$@"
