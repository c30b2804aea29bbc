// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace metrics {

// The two text formats of Prometheus (github.com/prometheus/OpenMetrics, spec 1.0; and
// prometheus.io/docs/instrumenting/exposition_formats).
enum class Format { classic, openmetrics };

// What an Accept header asks for: OpenMetrics when it is named and weighs no less than plain text.
Format choose_format(std::string_view accept);
std::string_view content_type(Format format);

// The snapshot of cof.metric/1 as text.  Throws nlohmann::json::exception for what is no snapshot.
std::string expose(std::string_view snapshot_json, Format format);

}  // namespace metrics
