// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include "answer.hpp"
#include "arguments.hpp"
#include "image_bytes.hpp"
#include "ledger.hpp"
#include "operations.hpp"
#include "sending.hpp"

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr std::size_t first_bytes = 16;

// What came of a picture so far: into the file as soon as it is seen to be one.
class Picture {
 public:
  Picture(sdk::File* file, std::string_view content_type, std::uint64_t bytes_max)
      : file_{file}, is_json_{content_type.starts_with("application/json")}, bytes_max_{bytes_max} {
    if (!is_json_ && !content_type.starts_with("image/")) {
      wrong_ = bad_answer("content-type", "is neither image/... nor application/json");
    }
  }

  std::optional<sdk::Failure> take(std::string_view piece) {
    if (wrong_) return wrong_;
    bytes_ += piece.size();
    // As base64 it is a third larger.
    if (bytes_ > (is_json_ ? bytes_max_ / 3 * 4 + 4096 : bytes_max_)) {
      return sdk::Failure{COF_ETOOBIG, "image_too_big",
                          "Hugging Face's picture has more than image_bytes_max bytes"};
    }
    held_ += piece;
    if (is_json_ || (type_.empty() && held_.size() < first_bytes)) return std::nullopt;
    return write();
  }

  std::optional<sdk::Failure> finish() {
    if (wrong_) return wrong_;
    if (is_json_) {
      auto picture = image_in_json(held_);
      if (!picture) return picture.failure();
      held_ = std::move(*picture);
      bytes_ = held_.size();
    }
    if (auto wrong = write()) return wrong;
    auto committed = file_->commit();
    if (!committed) return committed.failure();
    return std::nullopt;
  }

  std::string_view type() const noexcept { return type_; }
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::optional<sdk::Failure> write() {
    if (type_.empty()) type_ = image_type(held_);
    if (type_.empty()) return bad_answer("the body", "is no picture");
    auto written = file_->write(held_);
    if (!written) return written.failure();
    held_.clear();
    return std::nullopt;
  }

  sdk::File* file_;
  bool is_json_;
  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  std::string held_;
  std::string_view type_;
  std::optional<sdk::Failure> wrong_;
};

sdk::Task<std::optional<sdk::Failure>> read_picture(sdk::HttpStream* stream, Picture* picture) {
  for (;;) {
    auto piece = co_await stream->next();
    if (!piece) co_return piece.failure();
    if (!*piece) break;
    if (auto wrong = picture->take((*piece)->body)) co_return wrong;
  }
  co_return picture->finish();
}

}  // namespace

sdk::Task<sdk::Result<Json>> image(sdk::Context ctx, World* world, Json args) {
  const auto account = world->account;
  const auto model = read_hf_inference_model(args.at("model").get<std::string>());
  if (!model) co_return model.failure();
  const std::string output = args.at("output").get<std::string>();
  const auto name = output_name(output);
  if (!name) co_return name.failure();
  const auto token = read_token(ctx);
  if (!token) co_return token.failure();
  // Before it costs anything.
  auto file = ctx.create(*name);
  if (!file) co_return file.failure();
  sdk::HttpRequest request =
      make_request(*account, *token, "POST",
                   account->router_url + "/hf-inference/models/" + model->id);
  request.json(image_body(args));
  request.header("Accept", "image/png");
  request.idle_timeout = account->answer_timeout;
  Ledger ledger{ctx, world, *token, *model};
  Route route{account, &world->lanes, "hf-inference", wait_max(*account, args)};
  auto opened = co_await open_stream(ctx, std::move(route), std::move(request), sdk::Framing::chunks);
  if (!opened) co_return opened.failure();
  Picture picture{&*file, opened->stream.header("content-type"), account->image_bytes_max};
  auto wrong = co_await read_picture(&opened->stream, &picture);
  const bool failed = wrong.has_value();
  std::optional<Usage> unknown;
  auto cost = co_await ledger.record(std::move(unknown), failed);
  (void)cost;
  if (wrong) co_return *wrong;
  std::string path = output;
  if (name->starts_with("scratch:task/")) {
    auto folder = ctx.task_scratch();
    if (!folder) co_return folder.failure();
    path = *folder + "/" + name->substr(std::string_view{"scratch:task/"}.size());
  }
  Json result{{"path", path}, {"content_type", picture.type()}, {"bytes", picture.bytes()}};
  co_return result;
}

}  // namespace huggingface
