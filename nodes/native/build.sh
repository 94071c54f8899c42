#!/bin/sh
# Builds the native part: build.sh [--sanitize] [FILE], by default native.node beside this script. --sanitize builds it
# with AddressSanitizer and UndefinedBehaviorSanitizer, for test/fuzz/native.test.ts. Needs g++; the headers are an npm
# package's. The file appears whole or not at all: others may be loading it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
flags='-O2 -s'
if [ "${1:-}" = --sanitize ]; then
  flags='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all'
  shift
fi
file=${1:-$here/native.node}
# -z now: a symbol that this Node lacks is an error of loading, not a crash of the first call.
# shellcheck disable=SC2086
g++ -std=c++17 $flags -Wall -Wextra -Werror -shared -fPIC -fvisibility=hidden -Wl,-z,now \
  -I "$here/../../node_modules/node-api-headers/include" "$here"/*.cc -o "$file.$$"
# Its digest, which load.ts looks at: Node would be killed, not told, by loading a part of a file.
printf %s "$(sha256sum "$file.$$" | cut -c 1-64)" >> "$file.$$"
mv "$file.$$" "$file"
