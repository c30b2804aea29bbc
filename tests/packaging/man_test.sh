#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual pages format without a warning, and none is empty.  Usage: man_test.sh SOURCE
set -eu
cd "$1/docs/man"
command -v mandoc >/dev/null || command -v man >/dev/null || { echo "no formatter"; exit 77; }
failed=0
for page in *.[1-8]; do
  problems=
  if command -v mandoc >/dev/null; then
    problems=$(mandoc -T lint -W warning "$page" || true)
  fi
  if command -v man >/dev/null; then
    problems="$problems$(LC_ALL=C MANWIDTH=80 man --warnings -l "$page" 2>&1 >/dev/null || true)"
    lines=$(LC_ALL=C MANWIDTH=80 man -l "$page" 2>/dev/null | wc -l)
    [ "$lines" -ge 50 ] || problems="$problems only $lines lines"
  fi
  if [ -n "$problems" ]; then
    echo "$page: $problems"
    failed=1
  fi
done
exit $failed
