#!/bin/sh
# Make .venv: the locked, hash-checked packages, and coopera itself, editable.
#
#   sh scripts/setup.sh        make or refresh .venv
#   sh scripts/setup.sh uv     print where uv is, fetched into .tools if need be
#
# Needs only Python 3.11 or newer, called $PYTHON. No place to download from is
# named, here or in the locks: pip and uv use what this machine is set to use.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

refuse() {
    echo "coopera: $1" >&2
    exit 1
}

check_python() {
    version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])' \
        2>/dev/null) ||
        refuse "cannot run '$PYTHON'; install Python 3.11 or newer, or name it: make PYTHON=python3.12"
    case $version in
    2.* | 3.[0-9] | 3.10)
        refuse "Python 3.11 or newer is needed and '$PYTHON' is $version; name a newer one: make PYTHON=python3.12"
        ;;
    esac
}

check_ensurepip() {
    "$PYTHON" -c 'import ensurepip, venv; ensurepip.version()' 2>/dev/null && return
    case $PYTHON in
    python3.*) package=$PYTHON-venv ;;
    *) package=python3-venv ;;
    esac
    refuse "'$PYTHON' cannot make virtual environments, for want of ensurepip; install it (Debian, Ubuntu: apt install $package) and call make again"
}

# Use the machine's uv. Where there is none, venv brings pip and pip brings uv.
find_uv() {
    UV=$(command -v uv) && return
    UV=.tools/bin/uv
    if ! cmp -s requirements-uv.lock .tools/installed.lock; then
        check_ensurepip
        echo "Fetching uv into .tools" >&2
        rm -rf .tools
        "$PYTHON" -m venv .tools
        .tools/bin/python -m pip install --quiet --disable-pip-version-check \
            --require-hashes --only-binary :all: -r requirements-uv.lock >&2
        cp requirements-uv.lock .tools/installed.lock
    fi
    # uv does not read pip's settings: have it trust the certificates that pip trusts,
    # and use the index that pip is told to use.
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
    index=${PIP_INDEX_URL:-$(.tools/bin/python -m pip config list 2>/dev/null |
        sed -n "s/^global\.index-url='\(.*\)'\$/\1/p")}
    if [ -n "$index" ]; then
        export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    fi
}

make_venv() {
    python=$("$PYTHON" -c 'import sys; print(sys.executable)')
    made_with="$python $version in $PWD"
    if [ "$made_with" != "$(cat .venv/made-with 2>/dev/null)" ]; then
        rm -rf .venv
        "$UV" venv --quiet --python "$python" .venv
        echo "$made_with" >.venv/made-with
    fi
    "$UV" pip sync --quiet --python .venv --require-hashes requirements.lock
    # The build backend is in the lock: nothing else is fetched.
    "$UV" pip install --quiet --python .venv --no-deps --no-build-isolation -e .
}

check_python
find_uv
if [ "${1:-}" = uv ]; then
    echo "$UV"
else
    echo "Setting up .venv with Python $version" >&2
    make_venv
fi
