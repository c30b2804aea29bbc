#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds plugins as a stranger would: against the installed SDK, outside of the source tree, with
# CMake and with pkg-config alone; each must show exactly one symbol.
#   outside.sh SOURCE BUILD CMAKE CC CXX
set -eu
source=$1 build=$2 cmake=$3 cc=$4 cxx=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "outside.sh: $*" >&2; exit 1; }

one_symbol() {
  symbols=$(nm -D --defined-only "$1" | awk '{print $NF}')
  [ "$symbols" = cof_plugin_entry_v1 ] || fail "$1 shows: $symbols"
  readelf -n "$1" | grep cofounder >/dev/null || fail "$1 has no manifest note"
}

"$cmake" --install "$build" --component sdk --prefix "$work/sdk" >/dev/null
for file in include/cofounder/plugin.h include/cofounder/plugin.hpp include/cofounder/testkit.hpp \
    share/cofounder-sdk/template/CMakeLists.txt share/pkgconfig/cofounder-sdk.pc; do
  [ -f "$work/sdk/$file" ] || fail "$file is not installed"
done
if grep -rlF -e "$source" -e "$build" "$work/sdk"; then fail "the files above name the source tree"; fi
mv "$work/sdk" "$work/moved"  # it must not matter where it is
export PKG_CONFIG_PATH=$work/moved/share/pkgconfig

# With CMake: both hellos in one project, by each linker.
mkdir "$work/both"
cp "$source/plugins/hello/hello.cpp" "$source/plugins/hello/hello_c.c" "$work/both"
cat > "$work/both/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(both LANGUAGES C CXX)
find_package(cofounder-sdk REQUIRED)
cofounder_add_plugin(hello hello.cpp)
cofounder_add_plugin(hello-c hello_c.c)
END
for linker in bfd lld; do
  case $linker in
    bfd) flag=-fuse-ld=bfd ;;
    lld) flag=-fuse-ld=lld
      echo 'int main(void) { return 0; }' > "$work/try.c"
      "$cc" $flag -o "$work/try" "$work/try.c" 2>/dev/null || { echo "no lld, skipped"; continue; } ;;
  esac
  "$cmake" -S "$work/both" -B "$work/both/$linker" -DCMAKE_PREFIX_PATH="$work/moved" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_MODULE_LINKER_FLAGS=$flag >/dev/null
  "$cmake" --build "$work/both/$linker" >/dev/null
  one_symbol "$work/both/$linker/hello.so"
  one_symbol "$work/both/$linker/hello-c.so"
done

# With pkg-config and nothing else.
$cc -std=c11 -Wall -Wextra -Wpedantic -Werror -shared -o "$work/hello-c.so" \
  "$source/plugins/hello/hello_c.c" $(pkg-config --cflags --libs cofounder-sdk)
one_symbol "$work/hello-c.so"
$cxx -std=c++20 -shared -o "$work/hello.so" "$source/plugins/hello/hello.cpp" \
  $(pkg-config --cflags --libs cofounder-sdk-cpp)
one_symbol "$work/hello.so"

# The flags refuse what a plugin must not have: a symbol that nobody defines.
echo '#include <cofounder/plugin.h>
extern int of_the_host(void);
const cof_plugin *cof_plugin_entry_v1(void) { return of_the_host() ? 0 : 0; }' > "$work/needs.c"
if $cc -shared -o "$work/needs.so" "$work/needs.c" \
    $(pkg-config --cflags --libs cofounder-sdk) 2>/dev/null; then
  fail "a plugin with an undefined symbol was linked"
fi

# What `cofounderctl plugin new` copies: it builds, shows one symbol and passes its own test.
mkdir "$work/new"
for file in "$work/moved/share/cofounder-sdk/template"/*; do
  name=$(basename "$file" | sed 's/NAME/mine/')
  sed 's/@NAME@/mine/g' "$file" > "$work/new/$name"
done
"$cmake" -S "$work/new" -B "$work/new/build" -DCMAKE_PREFIX_PATH="$work/moved" \
  -DCMAKE_CXX_COMPILER="$cxx" >/dev/null
"$cmake" --build "$work/new/build" >/dev/null
one_symbol "$work/new/build/mine.so"
"$work/new/build/mine_test" || fail "the template's test fails"
echo "outside.sh: all built, one symbol each"
