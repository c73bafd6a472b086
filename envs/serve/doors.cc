#include "envs/serve/doors.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace sojourn::envs::serve {

absl::StatusOr<std::unique_ptr<Doors>> Doors::Create(const DoorsOptions& options,
                                                     Metrics& metrics) {
  auto doors = std::unique_ptr<Doors>(new Doors(options, metrics));
  std::vector<std::string> names = options.environments;
  if (names.empty()) names = Names();
  for (const auto& [name, given] : options.options) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("options for \"", name, "\", which is not served"));
    }
  }
  std::map<std::string, const Environment*> served;
  for (const std::string& name : names) {
    if (name == "remote") {
      return absl::InvalidArgumentError("remote: what others serve is not served again");
    }
    const auto given = options.options.find(name);
    const Options settings = given == options.options.end() ? Options() : given->second;
    auto environment = Make(name, settings);
    if (!environment.ok()) return environment.status();
    Door& door = doors->doors_[name];
    door.environment = *std::move(environment);
    door.openenv = std::make_unique<OpenEnvHost>(*door.environment, doors->seats_);
    door.requests = &metrics.Counter("sojourn_envs_environment_requests_total",
                                     "HTTP requests by environment", {{"environment", name}});
    if (const AgentGymKind* kind = FindAgentGymKind(name); kind != nullptr) {
      auto factory = kind->load(settings);
      if (!factory.ok()) {
        return absl::Status(factory.status().code(),
                            absl::StrCat(name, ": ", factory.status().message()));
      }
      door.agentgym =
          std::make_unique<AgentGymHost>(kind->id_parameter, *std::move(factory), doors->seats_);
    }
    served[name] = door.environment.get();
  }
  doors->service_ = std::make_unique<EnvironmentService>(served, doors->seats_);
  return doors;
}

Doors::Door* Doors::Find(std::string_view& target, bool& openenv) {
  const auto next = [&] {  // "/babyai//step" -> "babyai", and "/step" is left
    while (absl::StartsWith(target, "/")) target.remove_prefix(1);
    const std::string_view part = target.substr(0, target.find_first_of("/?"));
    target.remove_prefix(part.size());
    while (absl::StartsWith(target, "//")) target.remove_prefix(1);
    return part;
  };
  std::string_view name = next();
  openenv = name == "openenv";
  if (openenv) name = next();
  const auto found = doors_.find(name);
  return found == doors_.end() ? nullptr : &found->second;
}

std::string Doors::Listing() const {
  nlohmann::json listing = nlohmann::json::object();
  for (const auto& [name, door] : doors_) {
    nlohmann::json paths = {{"openenv", absl::StrCat("/openenv/", name)}};
    if (door.agentgym != nullptr) paths["agentgym"] = absl::StrCat("/", name);
    listing[name] = std::move(paths);
  }
  return nlohmann::json({{"environments", std::move(listing)}}).dump();
}

Response Doors::Handle(std::string_view method, std::string_view target, std::string_view body) {
  if (method == "GET" && target == "/") return {.body = Listing()};
  if (method == "GET" && target == "/health") return {.body = R"({"status":"healthy"})"};
  bool openenv = false;
  Door* const door = Find(target, openenv);
  if (door == nullptr) return {404, R"({"detail":"Not Found; / lists what is served"})"};
  door->requests->Increment();
  if (openenv) return door->openenv->Handle(method, target, body);
  if (door->agentgym == nullptr) {
    return {404, R"({"detail":"AgentGym has no server of this; take /openenv"})"};
  }
  const std::string rooted = absl::StartsWith(target, "/") ? "" : absl::StrCat("/", target);
  return door->agentgym->Handle(method, rooted.empty() ? target : rooted, body);
}

absl::StatusOr<std::unique_ptr<Conversation>> Doors::Open(std::string_view target) {
  bool openenv = false;
  Door* const door = Find(target, openenv);
  if (door == nullptr || !openenv) return absl::NotFoundError("Not Found");
  return door->openenv->Open(target);
}

std::vector<std::string> Doors::names() const {
  std::vector<std::string> names;
  for (const auto& [name, door] : doors_) names.push_back(name);
  return names;
}

void Doors::Sweep() {
  service_->Sweep();
  for (auto& [name, door] : doors_) {
    if (door.agentgym != nullptr) door.agentgym->Sweep();
    door.openenv->Sweep();
  }
}

}  // namespace sojourn::envs::serve
