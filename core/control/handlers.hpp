// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/control/context.hpp"

// The handlers that the table in routes.cpp names, by file.
namespace cofounder {

// file_routes.cpp.  The body goes into an upload while it comes in; plan_upload() begins it.
http::ServerHandler::Plan plan_upload(ControlContext& context);
void post_file(ControlContext& context, RequestCall call);

// task_routes.cpp and submit.cpp
void post_tasks(ControlContext& context, RequestCall call);
void get_task(ControlContext& context, RequestCall call);
void get_tasks(ControlContext& context, RequestCall call);
void cancel_task(ControlContext& context, RequestCall call);
void retry_task(ControlContext& context, RequestCall call);
void get_task_why(ControlContext& context, RequestCall call);

// schedule_routes.cpp
void put_schedule(ControlContext& context, RequestCall call);
void get_schedule(ControlContext& context, RequestCall call);
void get_schedules(ControlContext& context, RequestCall call);
void delete_schedule(ControlContext& context, RequestCall call);
void run_schedule(ControlContext& context, RequestCall call);

// node_routes.cpp
void get_nodes(ControlContext& context, RequestCall call);

// plugin_routes.cpp
void get_plugins(ControlContext& context, RequestCall call);
void get_plugin(ControlContext& context, RequestCall call);
void get_plugin_why(ControlContext& context, RequestCall call);
void start_plugin(ControlContext& context, RequestCall call);
void stop_plugin(ControlContext& context, RequestCall call);
void restart_plugin(ControlContext& context, RequestCall call);
void reload_plugin(ControlContext& context, RequestCall call);

// daemon_routes.cpp
void get_status(ControlContext& context, RequestCall call);
void get_health(ControlContext& context, RequestCall call);
void get_events(ControlContext& context, RequestCall call);
void get_config(ControlContext& context, RequestCall call);
void reload_config(ControlContext& context, RequestCall call);
void start_drain(ControlContext& context, RequestCall call);
void end_drain(ControlContext& context, RequestCall call);
void get_openapi(ControlContext& context, RequestCall call);

// store_routes.cpp
void get_store_backup(ControlContext& context, RequestCall call);
void get_store_check(ControlContext& context, RequestCall call);

}  // namespace cofounder
