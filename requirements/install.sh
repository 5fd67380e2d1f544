#!/bin/sh
# Install locked packages from wheels: requirements/install.sh PYTHON FILE. Some have none and are built here, by the tools of
# build.txt: tulipy below Python 3.12, whose C gcc 14 is told to take as older ones did; peewee, without its C, which a
# library of the developers wants; and sdnotify and, below Python 3.12, cryptofeed, which are peers of benchmarks or needed by one.
set -eu
python=$1 file=$2 here=$(dirname "$0")

install() { "$python" -m pip install -q --disable-pip-version-check --require-hashes --only-binary=:all: "$@"; }

built=
if "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then built=tulipy; fi
for name in peewee sdnotify; do
    if grep -q "^$name==" "$file"; then built=$built,$name; fi
done
if [ "$built" != "${built#tulipy}" ] && grep -q "^cryptofeed==" "$file"; then built=$built,cryptofeed; fi
if [ -z "$built" ]; then
    install -r "$file"
else
    install -r "$here/build.txt"
    NO_SQLITE=1 CFLAGS="${CFLAGS:-} -Wno-error=incompatible-pointer-types" \
        install --no-binary="$built" --no-build-isolation -r "$file"
fi
