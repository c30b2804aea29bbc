#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A slot that is missing in the table of what crosses the border does not compile.
# Usage: missing_slot.sh COMPILER SOURCE
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
compiler=$1 source=$2
mkdir -p "$folder"/core/wire
cp "$source"/core/wire/*.hpp "$folder"/core/wire
cd "$folder"
compile() {
  echo '#include "core/wire/table.hpp"' |
    "$compiler" -std=c++20 -fsyntax-only -x c++ -I "$folder" -I "$source"/sdk/include - 2>said
}
# change FROM TO: the table with one difference.
change() {
  sed "s/$1/$2/" "$source"/core/wire/table.hpp >core/wire/table.hpp
  ! cmp -s core/wire/table.hpp "$source"/core/wire/table.hpp || { echo "there is no $1 in the table"; exit 1; }
}
# refused TEXT: it does not compile, for this reason.
refused() {
  ! compile || { echo "that compiles: $(diff core/wire/table.hpp "$source"/core/wire/table.hpp)"; exit 1; }
  grep -q "$1" said || { cat said; echo "the reason is not: $1"; exit 1; }
}
compile || { cat said; echo "the table as it is does not compile"; exit 1; }
change ', Slot<&S::enabled>' ''
refused 'a slot of a service is missing in the table'
change ', Slot<&S::cancel>' ''
refused 'a slot of a service is missing in the table'
change 'Slot<&P::reply>, ' ''
refused 'an entry of cof_plugin is missing in the table'
change 'Slot<&P::reply>' 'Slot<\&P::cancel>'  # one twice, and the other not at all
refused 'an entry of cof_plugin is missing in the table'
