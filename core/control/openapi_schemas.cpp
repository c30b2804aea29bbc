// SPDX-License-Identifier: Apache-2.0
#include "core/control/openapi.hpp"

namespace cofounder {

namespace {

// JSON Schema (2020-12), as OpenAPI 3.1 takes it.  A test holds real answers against it.
constexpr std::string_view schemas = R"json({
"Error":{"type":"object","required":["error"],"properties":{"error":{"$ref":"#/components/schemas/Reason"}}},
"Reason":{"type":"object","required":["code","message","retryable"],"properties":{
  "code":{"type":"string","description":"Stable, for machines"},"message":{"type":"string"},
  "retryable":{"type":"boolean"},"plugin":{"type":"string"},"hint":{"type":"string"}}},
"MaybeReason":{"anyOf":[{"$ref":"#/components/schemas/Reason"},{"type":"null"}]},
"Duration":{"type":"string","description":"30s, 15min, 24h, 1h30min"},
"State":{"type":"string","enum":["scheduled","ready","running","succeeded","failed","cancelled","timed_out"]},
"File":{"type":"object","required":["id","bytes","sha256"],"properties":{
  "id":{"type":"string","description":"upload:..., for the args of one task"},"bytes":{"type":"integer"},"sha256":{"type":"string"}}},
"NewTask":{"type":"object","required":["op"],"additionalProperties":false,"properties":{
  "op":{"type":"string","description":"Plugin and operation: hello.greet"},"args":{"type":"object"},
  "run_at":{"type":"string","format":"date-time"},"delay":{"$ref":"#/components/schemas/Duration"},
  "priority":{"type":"integer","minimum":-100,"maximum":100,"default":0},
  "queue":{"type":"string","pattern":"^[a-z0-9][a-z0-9._-]{0,63}$","default":"default"},
  "timeout":{"$ref":"#/components/schemas/Duration"},"attempts_max":{"type":"integer","minimum":1,"maximum":1000},
  "unique_key":{"type":"string","minLength":1,"maxLength":255}}},
"Submission":{"oneOf":[{"$ref":"#/components/schemas/NewTask"},
  {"type":"array","items":{"$ref":"#/components/schemas/NewTask"}}]},
"Submitted":{"oneOf":[{"$ref":"#/components/schemas/TaskRow"},
  {"type":"array","items":{"$ref":"#/components/schemas/TaskRow"}}]},
"TaskRow":{"type":"object","required":["id","state"],"properties":{
  "id":{"type":"string"},"state":{"$ref":"#/components/schemas/State"},"op":{"type":"string"},
  "queue":{"type":"string"},"priority":{"type":"integer"},"attempt":{"type":"integer"},
  "attempts_max":{"type":"integer"},"timeout":{"$ref":"#/components/schemas/Duration"},
  "unique_key":{"type":"string"},"schedule":{"type":"string"},"submitter":{"type":"string"},
  "submitted_at":{"type":"string","format":"date-time"},"run_at":{"type":"string","format":"date-time"},
  "started_at":{"type":["string","null"]},"ended_at":{"type":["string","null"]},
  "error":{"$ref":"#/components/schemas/MaybeReason"}}},
"Task":{"allOf":[{"$ref":"#/components/schemas/TaskRow"},{"type":"object","properties":{
  "args":{"type":"object"},"result":{},
  "progress":{"type":["object","null"],"properties":{"fraction":{"type":["number","null"]},"text":{"type":"string"}}},
  "attempts":{"type":"array","items":{"type":"object","properties":{
    "attempt":{"type":"integer"},"outcome":{"type":"string"},"node":{"type":"string"},
    "started_at":{"type":"string"},"ended_at":{"type":["string","null"]},
    "error":{"$ref":"#/components/schemas/MaybeReason"}}}}}}]},
"TaskPage":{"type":"object","required":["tasks","next"],"properties":{
  "tasks":{"type":"array","items":{"$ref":"#/components/schemas/TaskRow"}},
  "next":{"type":["string","null"],"description":"For the parameter after; null at the end"}}},
"Why":{"type":"object","required":["id","state","text","facts"],"properties":{
  "id":{"type":"string"},"state":{"$ref":"#/components/schemas/State"},"text":{"type":"string"},
  "facts":{"type":"array","items":{"type":"object","required":["kind"],"properties":{"kind":{"type":"string"}}}}}},
"PluginWhy":{"type":"object","required":["id","state","text","last"],"properties":{
  "id":{"type":"string"},"state":{"type":"string"},"text":{"type":"string"},
  "last":{"type":["object","null"],"description":"null: nothing went wrong since the daemon started",
    "required":["at","code","message","signal","backtrace","calls","log"],"properties":{
    "at":{"type":"string","format":"date-time"},"code":{"type":"string"},"message":{"type":"string"},
    "signal":{"type":["integer","null"]},"backtrace":{"type":"array","items":{"type":"string"}},
    "calls":{"type":"array","items":{"type":"string"}},"log":{"type":"array","items":{"type":"string"}}}}}},
"NewSchedule":{"type":"object","required":["op"],"additionalProperties":false,"properties":{
  "op":{"type":"string"},"args":{"type":"object"},"cron":{"type":"string"},"calendar":{"type":"string"},
  "every":{"$ref":"#/components/schemas/Duration"},"timezone":{"type":"string"},
  "missed":{"enum":["skip","once","all"],"default":"once"},"overlap":{"enum":["allow","skip"],"default":"skip"},
  "queue":{"type":"string"},"priority":{"type":"integer"},"timeout":{"$ref":"#/components/schemas/Duration"},
  "attempts_max":{"type":"integer"}}},
"Schedule":{"type":"object","required":["name","op","next"],"properties":{
  "name":{"type":"string"},"op":{"type":"string"},"args":{"type":"object"},"cron":{"type":"string"},
  "calendar":{"type":"string"},"every":{"type":"string"},"timezone":{"type":"string"},
  "missed":{"type":"string"},"overlap":{"type":"string"},"queue":{"type":"string"},
  "priority":{"type":"integer"},"timeout":{"type":"string"},"attempts_max":{"type":"integer"},
  "created_at":{"type":"string"},"last_fired":{"type":["string","null"]},"last_task":{"type":["string","null"]},
  "next":{"type":"array","items":{"type":"string","format":"date-time"}}}},
"Schedules":{"type":"object","required":["schedules"],"properties":{
  "schedules":{"type":"array","items":{"$ref":"#/components/schemas/Schedule"}}}},
"Plugin":{"type":"object","required":["id","state","version"],"properties":{
  "id":{"type":"string"},"version":{"type":"string"},"summary":{"type":"string"},
  "state":{"enum":["loaded","starting","ready","draining","stopped","failed","quarantined"]},
  "isolation":{"type":"string"},"pid":{"type":["integer","null"]},"parallel":{"type":"boolean"},"file":{"type":"string"},"sha256":{"type":"string"},
  "interfaces":{"type":"array","items":{"type":"string"}},"calls":{"type":"object"},"http":{"type":"object"},
  "latency_histogram":{"type":"object"},
  "cpu_seconds":{"type":"number"},"memory_bytes":{"type":["integer","null"]},"restarts":{"type":"integer"},
  "generation":{"type":"integer"},
  "last_error":{"$ref":"#/components/schemas/MaybeReason"},
  "operations":{"type":"array","items":{"type":"object"}},"routes":{"type":"array","items":{"type":"object"}}}},
"Plugins":{"type":"object","required":["plugins"],"properties":{
  "plugins":{"type":"array","items":{"$ref":"#/components/schemas/Plugin"}}}},
"Nodes":{"type":"object","required":["nodes"],"properties":{"nodes":{"type":"array","items":{"type":"object",
  "required":["name","state","self","running","version","started_at","seen_at"],"properties":{
  "name":{"type":"string"},"state":{"type":"string","enum":["up","stopped","lost"]},
  "self":{"type":"boolean","description":"The node that answers"},"running":{"type":"integer"},
  "version":{"type":"string"},"started_at":{"type":"string","format":"date-time"},
  "seen_at":{"type":"string","format":"date-time"}}}}}},
"Status":{"type":"object","required":["node","version","store"],"properties":{
  "node":{"type":"string"},"version":{"type":"string"},"started_at":{"type":"string"},
  "uptime_seconds":{"type":"integer"},"draining":{"type":"boolean"},"running":{"type":"integer"},
  "running_max":{"type":"integer"},
  "store":{"type":"object","properties":{"kind":{"type":"string"},"available":{"type":"boolean"},
    "error":{"$ref":"#/components/schemas/MaybeReason"}}},
  "tasks":{"type":["object","null"]},"queues":{"type":"array","items":{"type":"object"}},
  "control_groups":{"type":"object","description":"Limits of isolated plugins that hold besides those of setrlimit",
    "required":["usable","memory","processes","cpu","reason"],"properties":{"usable":{"type":"boolean"},
    "memory":{"type":"boolean"},"processes":{"type":"boolean"},"cpu":{"type":"boolean"},
    "reason":{"type":["string","null"],"description":"Why not all"}}},
  "event_clients":{"type":"integer"},"plugins":{"type":"array","items":{"type":"object"}}}},
"Health":{"type":"object","required":["status","reasons"],"properties":{
  "status":{"enum":["ok","degraded","unable"]},
  "reasons":{"type":"array","items":{"$ref":"#/components/schemas/Reason"}}}},
"StoreCheck":{"type":"object","required":["ok","problems"],"properties":{
  "ok":{"type":"boolean"},"problems":{"type":"array","items":{"type":"string"}}}},
"Config":{"type":"object"},
"Reloaded":{"type":"object","properties":{"reloaded":{"type":"boolean"}}},
"Drain":{"type":"object","properties":{"draining":{"type":"boolean"},"running":{"type":"integer"}}}
})json";

}  // namespace

std::string_view openapi_schemas() noexcept { return schemas; }

}  // namespace cofounder
