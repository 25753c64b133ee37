#!/bin/sh
# Prints the path of a Chromium for the browser tests. Where there is none it is installed:
# from Debian's packages where that is allowed, through Playwright otherwise. Everything
# else goes to stderr.
set -eu
cd "$(dirname "$0")/../.."

. tests/packages.sh

# Prints where the browser lies, if that is one.
runs() {
    "$1" --version >/dev/null 2>&1 && command -v "$1"
}

find_browser() {
    for name in chromium google-chrome \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
        runs "$name" && return
    done
    return 1
}

install_packages() {
    install_from_debian chromium fonts-noto-color-emoji && find_browser
}

install_from_playwright() {
    .venv/bin/playwright install chromium >&2 && .venv/bin/python -c '
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)'
}

if [ "${CHROMIUM:-}" ]; then
    runs "$CHROMIUM" || stop "CHROMIUM=$CHROMIUM is no browser that runs here."
    exit
fi
find_browser || install_packages || install_from_playwright || stop "There is no \
Chromium, and none could be installed: install one, or name it with \
CHROMIUM=/path/to/chromium."
