#!/usr/bin/env bash
# Installs what Etch needs and is not there yet: the Debian packages of tools/apt.txt and a private
# Python environment in build/venv. Safe to repeat; with everything present it touches no network.
#   tools/setup.sh [--quiet] [--bench]
#     --quiet: say nothing unless something is installed
#     --bench: also tools/apt_bench.txt, what bench/ measures against
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quiet=0
lists=(tools/apt.txt)
for arg in "$@"; do
  case "$arg" in
    --quiet) quiet=1 ;;
    --bench) lists+=(tools/apt_bench.txt) ;;
    *)
      echo "setup: unknown argument '$arg'; there are --quiet and --bench" >&2
      exit 2
      ;;
  esac
done
say() { [ $quiet = 1 ] || echo "setup: $*"; }
die() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

install_packages() {
  command -v dpkg-query >/dev/null || die "this script knows Debian only; install the equivalents of ${lists[*]}"
  local wanted present missing as_root=()
  wanted=$(sed 's/#.*//' "${lists[@]}" | xargs -n1 | sort -u)
  # shellcheck disable=SC2016,SC2086
  present=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
    sed -n 's/^installed //p' | sort || true)
  missing=$(comm -23 <(echo "$wanted") <(echo "$present") | xargs)
  if [ -z "$missing" ]; then
    say "all packages of ${lists[*]} are installed"
    return
  fi
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo; as root, run: apt-get install $missing"
    as_root=(sudo)
  fi
  echo "setup: installing with apt: $missing"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -q)
  local log
  log=$(mktemp)
  # An update that fails is no reason to stop: the packages may be in the lists already.
  "${apt[@]}" update >"$log" 2>&1 || say "apt-get update failed; trying with the lists at hand"
  # shellcheck disable=SC2086
  if ! "${apt[@]}" install -y --no-install-recommends $missing >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "apt-get install failed (log: $log)"
  fi
  rm -f "$log"
}

install_python() {
  local venv=build/venv stamp=build/venv/requirements.txt
  if [ -x $venv/bin/python ] && cmp -s tools/requirements.txt $stamp; then
    say "the Python environment in $venv is up to date"
    return
  fi
  echo "setup: installing into $venv: $(sed 's/#.*//' tools/requirements.txt | xargs)"
  mkdir -p build
  # A half-made environment, or one of a moved tree, is made anew.
  rm -rf $venv
  /usr/bin/python3 -m venv $venv
  $venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    -r tools/requirements.txt || die "pip install failed; it needs a network once"
  cp tools/requirements.txt $stamp
}

install_packages
install_python
