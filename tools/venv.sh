#!/bin/sh
# Makes .venv from a Python that TensorFlow runs on, and installs a requirements file into it.
#
#   tools/venv.sh requirements.txt    make .venv where it is missing or unfinished, then install
#   tools/venv.sh --choose            only say which Python that would be
#
# The variable PYTHON may name the Python to try first.
set -eu
cd "$(dirname "$0")/.."
exec </dev/null         # what is piped into `make chat` is for the chat
trap 'exit 130' INT     # else a cancelled install would look like a failed one below
trap 'exit 143' TERM

say() { echo "venv: $*" >&2; }

# Prints "CPython 3.11.7 venv /usr/bin/python3.11", or "no-venv" for "venv"; nothing where it does not run. A name on the
# PATH may be a launcher without a Python behind it, and Debian ships venv without ensurepip, so both are tried out.
# The path is that of the Python behind an activated environment, because this may be the .venv that is to be made again.
probe() {
    "$1" -c '
import platform, sys
try:
    import ensurepip, venv
    ensurepip.version()
    venv_works = "venv"
except Exception:
    venv_works = "no-venv"
path = getattr(sys, "_base_executable", sys.executable)
print(" ".join([platform.python_implementation(), platform.python_version(), venv_works, path]))
' 2>/dev/null || true
}

# Prints the path of the Python to use, or "uv".
choose() {
    other= without_venv=
    # First those on which tensorflow-addons runs.
    for name in "${PYTHON:-}" python3.11 python3.10 python3.13 python3.12 python3 python; do
        [ -n "$name" ] || continue
        answer=$(probe "$name")
        version=${answer#* } version=${version%% *}
        case $answer in
            "CPython 3.1"[0-3]"."*" venv "*)
                echo "${answer#* * venv }"
                return
                ;;
            "CPython 3.1"[0-3]"."*) without_venv=${without_venv:-$version} ;;
            ?*) other="${other:+$other, }$name (${answer%% *} $version)" ;;
        esac
        if [ "$name" = "${PYTHON:-}" ]; then
            say "PYTHON=$name is not a CPython 3.10 to 3.13 with venv and ensurepip: looking for another"
        fi
    done
    if command -v uv >/dev/null; then
        echo uv
    elif [ -n "$without_venv" ]; then
        minor=${without_venv#3.} minor=${minor%%.*}
        say "Python $without_venv is here, but its venv module is not: apt install python3-venv" \
            "(python3.$minor-venv where the system's own python3 is another)"
        return 1
    else
        say "needs CPython 3.10 to 3.13, found ${other:-no Python}: install one of them and its venv module," \
            "or uv (https://docs.astral.sh/uv/), which fetches a Python 3.11"
        return 1
    fi
}

make_venv() {
    python=$(choose)
    say "making .venv with $python"
    rm -rf .venv
    if [ "$python" = uv ]; then
        uv venv --quiet --python 3.11 --seed .venv >&2
    else
        "$python" -m venv .venv >&2
    fi
}

install() {
    # Quiet without a terminal; a person should see the 500 MB arrive.
    quiet=--quiet
    [ -t 2 ] && quiet=
    say "installing $1"
    .venv/bin/python -m pip install $quiet --disable-pip-version-check -r "$1" >&2
}

if [ "$1" = --choose ]; then
    choose
    exit
fi

# .venv/.ready is there except while .venv is being changed: without it .venv may be half made, and is made again.
if [ ! -e .venv/.ready ] || ! .venv/bin/python -c '' >/dev/null 2>&1; then
    make_venv
fi
rm -f .venv/.ready .venv/.installed-*
install "$1" || {
    status=$?
    touch .venv/.ready      # pip itself undoes an install that fails
    exit "$status"
}
touch .venv/.ready .venv/.installed-requirements.txt ".venv/.installed-$1"
