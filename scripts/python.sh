#!/usr/bin/env bash
# Writes the path of a Python that has the packages of tests/python/requirements.txt: the system's, else that of a
# virtual environment in target/, which is made if it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'python: %s\n' "$*" >&2; }

has_packages() { # interpreter
    "$1" -c 'import blake3, wasmtime.component
from cryptography import x509
assert hasattr(x509.Certificate, "not_valid_after_utc")' 2>/dev/null
}

python=$(command -v python3) || { say "python3 is missing: scripts/setup.sh --tests installs it"; exit 1; }
if ! has_packages "$python"; then
    venv=$(mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)/python
    if ! has_packages "$venv/bin/python"; then
        say "installing what tests/python/requirements.txt names from PyPI into $venv"
        "$python" -m venv "$venv" >&2 || { say "no virtual environment: scripts/setup.sh --tests brings python3-venv"; exit 1; }
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/python/requirements.txt >&2 ||
            { say "PyPI's packages cannot be installed: see above; check the network"; exit 1; }
    fi
    python=$venv/bin/python
fi
echo "$python"
