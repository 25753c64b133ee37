# For the scripts beside it: installing from Debian's packages, where that is allowed.
# Everything is said on stderr.

stop() {
    echo "$1" >&2
    exit 1
}

is_debian() {
    grep -qs '^ID=debian' /etc/os-release
}

# Prints how to become root, which is nothing for root, and fails who may not.
as_root() {
    [ "$(id -u)" = 0 ] || { sudo -n true && echo sudo -n; } 2>/dev/null
}

install_from_debian() {
    is_debian && sudo=$(as_root) || return 1
    echo "Installing from Debian's packages: $*..." >&2
    $sudo apt-get update -qq >&2 && $sudo apt-get install -y -qq "$@" >&2
}
