#!/usr/bin/env bash
# Chromium for the tests of pages, where none is here and getting one takes no password. Without one they are skipped.
set -uo pipefail
say() { printf 'setup: %s\n' "$*" >&2; }

for name in chromium chromium-browser google-chrome-stable google-chrome; do
  if "$name" --version >/dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  say "getting Chromium, for the tests of pages"
  export DEBIAN_FRONTEND=noninteractive
  if { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 &&
    chromium --version >/dev/null 2>&1; then
    exit 0
  fi
  say "Chromium could not be installed ('apt-get install --no-install-recommends chromium' says why)"
fi
say "without Chromium the tests of pages in a browser are skipped; installing it is all they need"
