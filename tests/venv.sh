# To be sourced: makes the virtual environment $VENV (default .venv) if it is not there, and enters it.
VENV="${VENV:-.venv}"
if [ ! -x "$VENV/bin/python" ]; then
    "${PYTHON:-python3}" -m venv "$VENV" || { echo "venv failed: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 2; }
    "$VENV/bin/python" -m pip install -q --upgrade pip
fi
source "$VENV/bin/activate"
