#!/bin/sh
# Makes .venv and installs what requirements/base.txt or dev.txt pins:
#
#     sh requirements/install.sh base|dev
#
# Done once, it costs nothing again until the pins change. TORCH=cpu takes torch without
# CUDA, from then on. Plain sh, for nothing else can be relied on yet. Speaks on stderr,
# so that a command built on top owns stdout.
set -eu
exec >&2
cd "$(dirname "$0")/.."
set_name=$1

stop() {
    echo "$1"
    exit 1
}

find_python() {
    for python in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
}

# Debian keeps a part of Python's venv in a package of its own.
add_venv_module() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "Installing Debian's python3-venv..."
    apt-get update -qq && apt-get install -y -qq python3-venv
}

make_venv() {
    python=$(find_python)
    [ "$python" ] || stop "Python 3.11 or newer is needed: install it (Debian: \
apt-get install python3 python3-venv, macOS: brew install python3), or name one with \
PYTHON=/path/to/python3."
    "$python" -c 'import ensurepip' 2>/dev/null || add_venv_module || stop "$python can't \
make virtual environments yet: install python3-venv (sudo apt-get install python3-venv)."
    "$python" -m venv --clear .venv || stop "The virtual environment .venv could not be \
made; the lines above say why."
}

requirements() {
    cat requirements/base.txt
    [ "$set_name" = base ] || cat "requirements/$set_name.txt"
}

pip_install() {
    .venv/bin/pip install --disable-pip-version-check "$@" || stop "The requirements could \
not be installed; the lines above say why. With the network and the disk in order, type \
the same command again: what is there already is kept."
}

# Also true of a checkout that was moved: the scripts in .venv know their old place.
.venv/bin/pip --version >/dev/null 2>&1 || make_venv

torch=$(grep '^torch==' requirements/base.txt)
[ -e .venv/torch-cpu ] && TORCH=cpu
if [ "${TORCH:-}" = cpu ] && [ "$(cat .venv/torch-cpu 2>/dev/null)" != "$torch" ]; then
    echo "Installing $torch without CUDA (about 200 MB)..."
    # Alone and first: the index holds torch only, and the rest is to come from PyPI.
    pip_install --no-deps --upgrade --retries 1 \
        --index-url https://download.pytorch.org/whl/cpu "$torch"
    echo "$torch" >.venv/torch-cpu
fi

if ! requirements | cmp -s - ".venv/installed-$set_name"; then
    echo "Installing requirements/$set_name.txt into .venv, which takes minutes once..."
    pip_install -r "requirements/$set_name.txt"
    requirements >".venv/installed-$set_name"
fi
