// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ctl/command.hpp"

namespace cofounder::ctl {

// `plugin new NAME`: copies the SDK's template.  In file names and contents "template-plugin"
// becomes the id, "template_plugin" the id with underscores, and "TemplatePlugin" the id as a type.
int new_plugin(Session& session, const Given& given);

}  // namespace cofounder::ctl
