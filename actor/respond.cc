#include "actor/respond.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "policy/chat.h"
#include "policy/engine.h"
#include "policy/model_files.h"
#include "policy/text_files.h"

namespace sojourn::actor {
namespace {

using nlohmann::json;

constexpr int kMaxResponseTokens = 256;

// One conversation after another with one policy.
class Conversations {
 public:
  static absl::StatusOr<Conversations> Create(const std::string& directory) {
    auto tokenizer = policy::LoadTokenizer(directory);
    if (!tokenizer.ok()) return tokenizer.status();
    const auto source = policy::LoadChatSource(directory, **tokenizer);
    if (!source.ok()) return source.status();
    auto chat = policy::ChatFormat::Create(**tokenizer, *source);
    if (!chat.ok()) return chat.status();
    auto model = policy::LoadModel(directory);
    if (!model.ok()) return model.status();
    const auto context = static_cast<int>(model->config().max_position_embeddings);
    auto engine = policy::Engine::Create(std::make_shared<policy::Model>(*std::move(model)),
                                         {.slots = 1, .max_context_tokens = context, .max_episodes = 1});
    if (!engine.ok()) return engine.status();
    return Conversations(*std::move(tokenizer), *std::move(chat), *std::move(engine));
  }

  absl::StatusOr<std::string> Answer(const json& request) {
    const std::string observation = request.at("observation");
    policy::ResponseRequest ask;
    if (request.contains("instructions")) {
      if (episode_.has_value()) engine_->Close(*std::exchange(episode_, std::nullopt));
      auto opened = engine_->OpenGroup(
          chat_.Begin(request.at("instructions").get<std::string>(), request.value("acceptance", ""), observation), 1);
      if (!opened.ok()) return opened.status();
      episode_ = opened->front();
      turn_ = 0;
      ++conversation_;
    } else if (!episode_.has_value()) {
      return absl::FailedPreconditionError("no conversation was begun; send instructions, acceptance and observation first");
    } else {
      ask.prompt = chat_.Observe(observation, stopped_);
    }
    ask.max_tokens = kMaxResponseTokens;
    ask.stop_tokens = chat_.stop_tokens();
    ask.key = RandomKey(0).With("respond").With(conversation_).With(turn_++);
    if (absl::Status asked = engine_->Respond(*episode_, std::move(ask)); !asked.ok()) return asked;
    for (;;) {
      auto responses = engine_->Step();
      if (!responses.ok()) return responses.status();
      if (responses->empty()) continue;
      stopped_ = responses->front().stopped;
      return chat_.ResponseText(responses->front().tokens);
    }
  }

 private:
  Conversations(std::unique_ptr<policy::Tokenizer> tokenizer, policy::ChatFormat chat,
                std::unique_ptr<policy::Engine> engine)
      : tokenizer_(std::move(tokenizer)), chat_(std::move(chat)), engine_(std::move(engine)) {}

  std::unique_ptr<policy::Tokenizer> tokenizer_;   // the chat format refers to it
  policy::ChatFormat chat_;
  std::unique_ptr<policy::Engine> engine_;
  std::optional<int64_t> episode_;
  bool stopped_ = true;                            // the last response ended by itself
  uint64_t conversation_ = 0, turn_ = 0;
};

}  // namespace

absl::Status Respond(const std::string& model_directory, std::istream& in, std::ostream& out) {
  auto conversations = Conversations::Create(model_directory);
  if (!conversations.ok()) return conversations.status();
  for (std::string line; std::getline(in, line);) {
    json reply;
    try {
      const auto response = conversations->Answer(json::parse(line));
      reply = response.ok() ? json{{"response", *response}} : json{{"error", std::string(response.status().message())}};
    } catch (const json::exception& error) {
      reply = {{"error", std::string("not a request: ") + error.what()}};
    }
    out << reply.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace sojourn::actor
