#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The alert rules that are shipped, judged by promtool.  Usage: alerts.sh SOURCE
set -euo pipefail
command -v promtool >/dev/null || { echo "skipped: promtool is not installed (package prometheus)"; exit 77; }
promtool check rules "$1/etc/prometheus/cofounderd.rules.yml"
promtool test rules "$1/tests/daemon/alerts_test.yml"
