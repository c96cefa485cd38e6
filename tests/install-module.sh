#!/bin/sh
# Builds the Python module and installs it into an environment. The network is asked
# only for what is missing: the build tool once, crates that cargo does not have.
#
# Usage: install-module.sh INTERPRETER
set -eu
python=$1
folder=$(cd "$(dirname "$python")" && pwd)
requirement=$(sed -n 's/^requires = \["\(maturin.*\)"\]/\1/p' pyproject.toml)
"$python" tests/python/packages.py "$requirement" || {
	echo "the module is built by maturin, which is not in target/venv and cannot be installed" >&2
	exit 1
}
PATH=$folder:$PATH exec "$python" -m pip install --quiet --disable-pip-version-check --force-reinstall \
	--no-deps --no-index --no-build-isolation .
