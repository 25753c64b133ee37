#!/bin/sh
# Makes sure that there is a coturn for the tests: installs it from Debian's packages where
# that is allowed, without the service that comes with it. Speaks on stderr.
set -eu
cd "$(dirname "$0")/../.."
. tests/packages.sh

install() {
    install_from_debian coturn || return 1
    # The package starts a TURN server of its own on the standard ports.
    $sudo systemctl disable --now coturn >/dev/null 2>&1 || true
}

command -v turnserver >/dev/null || install || stop "There is no coturn, and it could not \
be installed: apt-get install coturn, or on macOS brew install coturn."
