// SPDX-License-Identifier: Apache-2.0
#include "core/host/lifecycle.hpp"
#include "core/host/proxy.hpp"
#include "core/process/sandbox_rules.hpp"

#include <utility>

// Loading a plugin: into this process, or into one of its own.
namespace cofounder::host {

// What loading finds out, for the loop.
struct Lifecycle::Loading {
  std::optional<Error> error;
  std::string sha256;
  cof_plugin api{};
};

namespace {

// What is made on a worker before the child starts.
struct Prepared {
  LibraryCopy copy;
  SandboxRules rules;
};

Result<Prepared> prepare(const Instance& instance, const LibraryFile& file,
                         const std::filesystem::path& folder) {
  Result<LibraryCopy> copy = copy_library(file, folder);
  if (copy.has_error()) return copy.error();
  SandboxNeeds needs;
  const Manifest& manifest = instance.manifest();
  needs.interfaces = manifest.required;
  needs.interfaces.insert(needs.interfaces.end(), manifest.optional.begin(), manifest.optional.end());
  needs.library = copy->path.native();
  Result<std::vector<std::string>> scratch = instance.files().plugin_folders(manifest.id);
  if (scratch.has_error()) return scratch.error();
  needs.scratch = std::move(*scratch);
  return Prepared{std::move(*copy), make_sandbox_rules(needs)};
}

}  // namespace

void Lifecycle::load(std::shared_ptr<LibraryFile> file, std::filesystem::path folder,
                     std::set<std::string> codes, Done done) {
  state_ = PluginState::starting;
  auto loading = std::make_shared<Loading>();
  auto then = [this, loading, done = std::move(done)](std::optional<Error> error) mutable {
    loaded(*loading, std::move(error), std::move(done));
  };
  if (isolated()) {
    load_in_child(std::move(file), std::move(folder), std::move(loading), std::move(then));
  } else {
    load_here(std::move(file), std::move(folder), std::move(codes), std::move(loading),
              std::move(then));
  }
}

// Constructors of the library are the plugin's code, too.  They get the time of configure(): the
// file may have to come from a slow disk.
void Lifecycle::load_here(std::shared_ptr<LibraryFile> file, std::filesystem::path folder,
                          std::set<std::string> codes, std::shared_ptr<Loading> loading, Done done) {
  hook(COF_CALL_CREATE, "load", deadlines().configure, Workers::Order::exclusive,
       [loading, file = std::move(file), folder = std::move(folder),
        codes = std::move(codes)](const cof_call&) {
         const Result<Library> library = load_library(*file, folder, codes);
         if (library.has_error()) {
           loading->error = library.error();
           return std::int32_t{COF_EFAILED};
         }
         loading->sha256 = library->sha256;
         loading->api = library->api;
         return std::int32_t{COF_OK};
       },
       std::move(done));
}

// The same in two steps: the copy is made on a worker of the daemon, then the child loads it.
void Lifecycle::load_in_child(std::shared_ptr<LibraryFile> file, std::filesystem::path folder,
                              std::shared_ptr<Loading> loading, Done done) {
  const auto end = [instance = instance_, loading](std::uint64_t call_id,
                                                   std::optional<Error> error) {
    const std::shared_ptr<Call> call = instance->find_call(call_id);
    if (call == nullptr) return;
    CallEnd how;
    how.status = error ? COF_EFAILED : COF_OK;
    loading->error = std::move(error);
    instance->end_call(call, std::move(how));
  };
  const auto start = [this, loading, end](std::uint64_t call_id, Result<Prepared> prepared) {
    if (prepared.has_error()) return end(call_id, prepared.error());
    loading->sha256 = prepared->copy.sha256;
    library_ = prepared->copy.path.native();
    Proxy& proxy = *instance_->proxy();
    proxy.load(*world_.children, find_plugin_host(), std::move(prepared->copy),
               std::move(prepared->rules), [&proxy, loading, end, call_id](std::optional<Error> error) {
                 if (!error) loading->api = proxy.api();
                 end(call_id, std::move(error));
               });
  };
  const auto strand = std::make_shared<Workers::Strand>();
  hook(COF_CALL_CREATE, "load", deadlines().configure, Workers::Order::exclusive,
       [this, strand, start, file = std::move(file),
        folder = std::move(folder)](const cof_call& call) {
         instance_->workers().post(*strand, [this, strand, start, file, folder, id = call.id] {
           instance_->post(
               [this, start, id, prepared = prepare(*instance_, *file, folder)]() mutable {
                 if (!caller_->given_up()) start(id, std::move(prepared));
               });
         });
         return std::int32_t{COF_PENDING};
       },
       std::move(done));
}

void Lifecycle::loaded(const Loading& loading, std::optional<Error> error, Done done) {
  if (error) {
    if (loading.error && !caller_->given_up()) error = loading.error;
    error->plugin = instance_->id();
    return done(std::move(error));
  }
  loaded_ = true;
  sha256_ = loading.sha256;
  instance_->adopt(loading.api);
  const Manifest& manifest = instance_->manifest();
  if (instance_->api().invoke == nullptr &&
      (!manifest.operations.empty() || !manifest.routes.empty())) {
    Error invalid = make_error("plugin_invalid",
                               "plugin \"" + manifest.id +
                                   "\" has operations or routes in its manifest, but no invoke");
    invalid.plugin = manifest.id;
    return done(std::move(invalid));
  }
  create(std::move(done));
}

}  // namespace cofounder::host
