#!/bin/sh
# Builds the native sockets into FILE (default: beside this script). Needs g++; the headers are an npm package's.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
g++ -std=c++17 -O2 -Wall -Wextra -Werror -shared -fPIC -s -I "$here/../../node_modules/node-api-headers/include" \
  "$here/datagrams.cc" -o "${1:-$here/datagrams.node}"
