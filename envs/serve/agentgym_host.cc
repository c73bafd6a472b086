#include "envs/serve/agentgym_host.h"

#include <atomic>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "envs/alfworld/alfworld.h"
#include "envs/searchqa/searchqa.h"
#include "envs/textcraft/recipe_book.h"
#include "envs/webshop/webshop.h"

namespace sojourn::envs::serve {
namespace {

absl::StatusOr<AgentGymFactory> LoadAlfWorld(const Options& options) {
  auto library = LoadAlfWorldLibrary(options);
  if (!library.ok()) return library.status();
  return AgentGymFactory([library = *std::move(library)] { return NewAlfWorldServer(library); });
}

absl::StatusOr<AgentGymFactory> LoadBabyAI(const Options&) { return AgentGymFactory(NewBabyAIServer); }

absl::StatusOr<AgentGymFactory> LoadTextCraft(const Options&) {
  auto server = NewTextCraftServer();  // reads the recipes, once for all
  if (!server.ok()) return server.status();
  return AgentGymFactory([] { return *NewTextCraftServer(); });
}

absl::StatusOr<AgentGymFactory> LoadSearchQA(const Options& options) {
  auto library = LoadSearchQALibrary(options);
  if (!library.ok()) return library.status();
  return AgentGymFactory([library = *std::move(library)] { return NewSearchQAServer(library); });
}

absl::StatusOr<AgentGymFactory> LoadWebShopGoals(const Options& options) {
  auto shop = LoadWebShop(options);
  if (!shop.ok()) return shop.status();
  return AgentGymFactory([shop = *std::move(shop), servers = std::make_shared<std::atomic<uint64_t>>(0)] {
    WebShopDraws draws = DrawByChance(*shop, RandomKey(0).With("serve-envs").With((*servers)++));
    draws.env_idx = nullptr;  // the host numbers them
    return NewWebShopServer(shop, std::move(draws));
  });
}

}  // namespace

const std::vector<AgentGymKind>& AgentGymKinds() {
  static const auto* const kinds = new std::vector<AgentGymKind>{
      {"alfworld", "id", LoadAlfWorld},
      {"babyai", "id", LoadBabyAI},
      {"searchqa", "env_idx", LoadSearchQA},
      {"textcraft", "id", LoadTextCraft},
      {"webshop", "env_idx", LoadWebShopGoals},
  };
  return *kinds;
}

const AgentGymKind* FindAgentGymKind(std::string_view name) {
  for (const AgentGymKind& kind : AgentGymKinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

Response AgentGymHost::Handle(std::string_view method, std::string_view target,
                              std::string_view body) {
  const size_t mark = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, mark);
  if (method == "POST" && path == "/create") return Create(method, target, body);

  const auto arguments =
      method == "GET" ? ParseQuery(target.substr(std::min(mark + 1, target.size())), {id_})
                      : ParseBody(body, {id_});
  std::shared_ptr<Environment> environment;
  if (arguments.ok()) {
    std::lock_guard lock(mutex_);
    if (const auto found = environments_.find(arguments->at(id_.name));
        found != environments_.end()) {
      environment = found->second;
      environment->seat.Use();
    }
  }
  if (environment == nullptr) {
    std::lock_guard lock(blank_mutex_);
    Response answer = blank_->Handle(method, target, body);
    if (path == "/list_envs" && answer.status == 200) answer.body = List();
    return answer;
  }
  Response answer;
  {
    std::lock_guard lock(environment->mutex);
    answer = environment->server->Handle(method, target, body);
    environment->seat.Use();
  }
  if (path == "/close" && answer.body == "true") {
    std::lock_guard lock(mutex_);
    environments_.erase(arguments->at(id_.name));
  }
  return answer;
}

std::string AgentGymHost::List() {
  std::set<int64_t> numbers;
  std::lock_guard lock(mutex_);
  for (const auto& [text, environment] : environments_) {
    int64_t number = 0;
    if (absl::SimpleAtoi(text, &number)) numbers.insert(number);
  }
  return absl::StrCat("[", absl::StrJoin(numbers, ","), "]");
}

Response AgentGymHost::Create(std::string_view method, std::string_view target,
                              std::string_view body) {
  auto environment = std::make_shared<Environment>();
  environment->seat = seats_.Take();
  if (!environment->seat) {
    Sweep();
    environment->seat = seats_.Take();
  }
  if (!environment->seat) {
    return {503, absl::StrCat("{\"detail\":\"all ", seats_.most(),
                              " instances are taken; close some, or try again later\"}")};
  }
  environment->server = factory_();
  int64_t id;
  {
    std::lock_guard lock(mutex_);
    id = created_++;
  }
  environment->server->CountFrom(id);
  Response answer = environment->server->Handle(method, target, body);
  if (answer.status != 200) return answer;
  std::lock_guard lock(mutex_);
  environments_.emplace(absl::StrCat(id), std::move(environment));
  return answer;
}

void AgentGymHost::Sweep() {
  std::vector<std::shared_ptr<Environment>> expired;  // destroyed without the lock
  std::lock_guard lock(mutex_);
  for (auto it = environments_.begin(); it != environments_.end();) {
    if (!it->second->seat.expired()) {
      ++it;
      continue;
    }
    expired.push_back(std::move(it->second));
    it = environments_.erase(it);
    seats_.CountExpired();
  }
}

}  // namespace sojourn::envs::serve
