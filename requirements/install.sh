#!/bin/sh
# Install locked packages from wheels alone: requirements/install.sh PYTHON FILE. Only below Python 3.12, for which tulipy
# has no wheel, is that one compiled, by the tools of build.txt, and gcc 14 is told to take its C as older ones did.
set -eu
python=$1 file=$2 here=$(dirname "$0")

install() { "$python" -m pip install -q --disable-pip-version-check --require-hashes --only-binary=:all: "$@"; }

if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
    install -r "$file"
else
    install -r "$here/build.txt"
    CFLAGS="${CFLAGS:-} -Wno-error=incompatible-pointer-types" install --no-binary=tulipy --no-build-isolation -r "$file"
fi
