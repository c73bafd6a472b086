#include "envs/serve/agentgym.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/random.h"
#include "envs/alfworld/alfworld.h"
#include "envs/alfworld/play.h"
#include "envs/babyai/text.h"
#include "envs/searchqa/game.h"
#include "envs/serve/frame.h"
#include "envs/textcraft/game.h"
#include "envs/textcraft/listing.h"
#include "envs/textcraft/recipe_book.h"
#include "envs/webshop/goals.h"
#include "envs/webshop/python_strings.h"
#include "envs/webshop/session.h"

namespace sojourn::envs::serve {
namespace {

std::string Quote(std::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// A reward or a score: Python keeps them as the whole number 0 until a fraction is added, and
// writes the shortest digits that mean the number.
std::string Number(double value) {
  if (value == 0) return "0";
  const double size = std::abs(value);
  const auto form =
      size >= 1e-4 && size < 1e16 ? std::chars_format::fixed : std::chars_format::scientific;
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value, form).ptr;
  std::string text(digits, end);
  if (form == std::chars_format::fixed && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string_view Truth(bool value) { return value ? "true" : "false"; }

Response Error(std::string_view message) {
  return {.body = absl::StrCat("{\"error\":", Quote(message), "}")};
}

Response NotValid(const std::string& id) {
  return Error(absl::StrCat("The id ", id, " is not valid."));
}

const Parameter kId = {Parameter::kInteger, "id"};
const Parameter kAction = {Parameter::kText, "action"};

class AlfWorldServer : public AgentGymServer {
 public:
  explicit AlfWorldServer(std::shared_ptr<const alfworld::Library> library)
      : library_(std::move(library)) {
    AddGet("/", {}, [](const Arguments&) {
      return Response{.body = Quote("This is environment AlfWorld.")};
    });
    AddPost("/create", {}, [this](const Arguments&) { return Create(); });
    AddPost("/step", {kId, kAction}, [this](const Arguments& a) { return Step(a); });
    AddPost("/reset",
            {kId, {Parameter::kInteger, "game"}, {Parameter::kText, "world_type"}},
            [this](const Arguments& a) { return Reset(a); });
    AddGet("/available_actions", {kId}, [this](const Arguments& a) {
      return Tell(a, "available_actions", [](const Environment& e) { return Commands(*e.play); });
    });
    AddGet("/observation", {kId}, [this](const Arguments& a) {
      return Tell(a, "observation", [](const Environment& e) { return Quote(e.observation); });
    });
    AddGet("/detail", {kId}, [this](const Arguments& a) { return Tell(a, "", Detail); });
  }

 private:
  static constexpr int kMostSteps = 50;

  struct Environment {
    std::optional<alfworld::Play> play;  // from the first reset on
    std::string game, world_type, observation;
    int steps = 0;
    bool done = false;
  };

  // The environment that a request may ask; else the answer.
  Environment* Find(const Arguments& arguments, bool is_reset, Response* answer) {
    const std::string& id = arguments.at("id");
    const auto found = environments_.find(id);
    if (found == environments_.end()) {
      *answer = NotValid(id);
    } else if (found->second.done && !is_reset) {
      *answer = Error(absl::StrCat("The task with environment ", id, " has finished."));
    } else {
      return &found->second;
    }
    return nullptr;
  }

  static std::string Commands(const alfworld::Play& play) {
    std::string text = "[";
    for (const alfworld::Play::Command& command : play.admissible()) {
      absl::StrAppend(&text, text.size() > 1 ? "," : "", Quote(command.text));
    }
    return text + "]";
  }

  static std::string Reward(const Environment& environment) {
    return environment.steps == 0 ? "0" : environment.play->won() ? "1.0" : "0.0";
  }

  static std::string Detail(const Environment& environment) {
    if (!environment.play.has_value()) return R"({"done":false,"reward":0,"deleted":false})";
    return absl::StrCat("{\"world_type\":", Quote(environment.world_type), ",\"game\":", environment.game,
                        ",\"observation\":", Quote(environment.observation),
                        ",\"available_actions\":", Commands(*environment.play),
                        ",\"done\":", Truth(environment.done), ",\"reward\":", Reward(environment),
                        ",\"deleted\":false}");
  }

  // What is told of an environment; `name` is missing before the first reset ("" is not).
  Response Tell(const Arguments& arguments, std::string_view name,
                const std::function<std::string(const Environment&)>& tell) {
    Response answer;
    const Environment* const environment = Find(arguments, false, &answer);
    if (environment == nullptr) return answer;
    if (!environment->play.has_value() && !name.empty()) return Error(absl::StrCat("'", name, "'"));
    return {.body = tell(*environment)};
  }

  Response Create() {
    const std::string id = absl::StrCat(created_++);
    environments_[id];
    return {.body = absl::StrCat("{\"id\":", id, "}")};
  }

  Response Step(const Arguments& arguments) {
    Response answer;
    Environment* const environment = Find(arguments, false, &answer);
    if (environment == nullptr) return answer;
    if (!environment->play.has_value()) return Error(arguments.at("id"));  // a KeyError
    environment->observation = AgentGymReply(environment->play->Step(arguments.at("action")).text);
    ++environment->steps;
    environment->done = environment->play->won() || environment->steps == kMostSteps;
    return {.body = absl::StrCat("{\"observation\":", Quote(environment->observation),
                                 ",\"reward\":", Reward(*environment),
                                 ",\"available_actions\":", Commands(*environment->play),
                                 ",\"done\":", Truth(environment->done), "}")};
  }

  Response Reset(const Arguments& arguments) {
    const std::string& world_type = arguments.at("world_type");
    if (world_type != "Text" && world_type != "Embody" && world_type != "Hybrid") {
      return Error("world_type must be one of \"Text\", \"Embody\" and \"Hybrid\"");
    }
    Response answer;
    Environment* const environment = Find(arguments, true, &answer);
    if (environment == nullptr) return answer;
    int64_t number = 0;
    if (!absl::SimpleAtoi(arguments.at("game"), &number)) {
      return Error("cannot fit 'int' into an index-sized integer");
    }
    if (number < 0) number += library_->games();
    if (number < 0 || number >= library_->games()) return Error("list index out of range");
    auto entry = library_->Get(library_->Numbered(number));
    if (!entry.ok()) return Error(entry.status().message());
    *environment = {.game = arguments.at("game"), .world_type = world_type};
    environment->play.emplace(std::move(entry->game));
    environment->observation = AgentGymIntro(environment->play->Intro());
    return {.body = absl::StrCat("{\"id\":", arguments.at("id"), ",\"observation\":",
                                 Quote(environment->observation), ",\"available_actions\":",
                                 Commands(*environment->play), ",\"task_type\":", Quote(entry->title), "}")};
  }

  const std::shared_ptr<const alfworld::Library> library_;
  std::map<std::string, Environment> environments_;  // by id
};

class BabyAIServer : public AgentGymServer {
 public:
  BabyAIServer() {
    AddGet("/", {},
           [](const Arguments&) { return Response{.body = Quote("This is environment BabyAI.")}; });
    AddPost("/create", {}, [this](const Arguments&) { return Create(); });
    AddPost("/step", {kId, kAction}, [this](const Arguments& a) { return Step(a); });
    AddPost("/reset", {kId, {Parameter::kInteger, "data_idx"}},
            [this](const Arguments& a) { return Reset(a); });
    AddGet("/observation", {kId}, [this](const Arguments& a) { return Observe(a); });
    AddPost("/close", {kId}, [this](const Arguments& a) { return Close(a); });
    AddPost("/render", {kId}, [this](const Arguments& a) { return Render(a); });
  }

 private:
  using Game = babyai::AgentGymBabyAI;
  struct Environment {
    Game game;
    bool started = false;  // by a reset
    bool closable = true;  // no close was tried yet
  };

  Environment* Find(const Arguments& arguments) {
    const auto found = environments_.find(arguments.at("id"));
    return found == environments_.end() ? nullptr : &found->second;
  }

  Response Create() {
    const int64_t id = created_++;
    environments_.emplace(absl::StrCat(id), Environment{Game(id)});
    return {.body = absl::StrCat("{\"id\":", id, "}")};
  }

  static std::string State(const Game::Reply& reply) {
    return absl::StrCat("\"observation\":", Quote(reply.observation),
                        ",\"reward\":", Number(reply.reward), ",\"score\":", Number(reply.score));
  }

  Response Step(const Arguments& arguments) {
    Environment* const environment = Find(arguments);
    if (environment == nullptr) return NotValid(arguments.at("id"));
    const auto reply = environment->game.Step(arguments.at("action"));
    if (!reply.ok()) return Error(reply.status().message());
    return {.body = absl::StrCat("{", State(*reply), ",\"done\":", Truth(reply->done), "}")};
  }

  Response Reset(const Arguments& arguments) {
    Environment* const environment = Find(arguments);
    if (environment == nullptr) return NotValid(arguments.at("id"));
    const Division task = Divide(arguments.at("data_idx"), babyai::kAgentGymLevels);
    if (task.quotient[0] == '-') {
      return Error(
          absl::StrCat("Seed must be greater or equal to zero, actual value: ", task.quotient));
    }
    const std::optional<absl::uint128> seed = ToUint128(task.quotient);
    if (!seed.has_value()) return Error("data_idx: its seed has more than 128 bits");
    const Game::Reply reply = environment->game.Reset(task.remainder + 1, *seed);
    environment->started = true;
    return {.body = absl::StrCat("{", State(reply),
                                 ",\"deleted\":false,\"done\":", Truth(reply.done), "}")};
  }

  Response Observe(const Arguments& arguments) {
    Environment* const environment = Find(arguments);
    if (environment == nullptr) return NotValid(arguments.at("id"));
    const auto reply = environment->game.Observe();
    if (!reply.ok()) return Error(reply.status().message());
    return {.body = absl::StrCat("{", State(*reply), ",\"done\":", Truth(reply->done),
                                 ",\"deleted\":false}")};
  }

  Response Close(const Arguments& arguments) {
    Environment* const environment = Find(arguments);
    if (environment == nullptr || !std::exchange(environment->closable, false) ||
        !environment->started) {
      return {.body = "false"};
    }
    environments_.erase(arguments.at("id"));
    return {.body = "true"};
  }

  Response Render(const Arguments& arguments) {
    Environment* const environment = Find(arguments);
    if (environment == nullptr) return NotValid(arguments.at("id"));
    if (const auto open = environment->game.Observe(); !open.ok()) {
      return Error(open.status().message());
    }
    if (!environment->started) return Error(arguments.at("id"));  // a KeyError
    return {.body = Quote(absl::StrCat("data:image/png;base64,",
                                       FrameAsBase64Png(environment->game.grid())))};
  }

  std::map<std::string, Environment> environments_;  // by id
};

Response ServerError() { return {500, "Internal Server Error", "text/plain; charset=utf-8"}; }

class SearchQAServer : public AgentGymServer {
 public:
  explicit SearchQAServer(std::shared_ptr<const searchqa::Library> library)
      : library_(std::move(library)) {
    const Parameter env_idx = {Parameter::kInteger, "env_idx"};
    AddGet("/", {}, [](const Arguments&) { return Response{.body = Quote("ok")}; });
    AddPost("/create", {{Parameter::kInteger, "id"}},
            [this](const Arguments& a) { return Create(a); });
    AddPost("/step", {env_idx, kAction}, [this](const Arguments& a) { return Step(a); });
    AddGet("/observation", {env_idx}, [this](const Arguments& a) {
      const auto found = games_.find(a.at("env_idx"));
      return found == games_.end() ? ServerError()
                                   : Response{.body = Quote(found->second.Observation())};
    });
    AddPost("/reset", {env_idx, {Parameter::kInteger, "id", true}},
            [this](const Arguments& a) { return Reset(a); });
    AddPost("/close", {env_idx}, [this](const Arguments& a) {
      return Response{.body = games_.erase(a.at("env_idx")) > 0 ? "true" : "false"};
    });
  }

 private:
  // Starts the question of an item; false when there is no such item.
  bool Start(searchqa::Game& game, const Arguments& arguments) const {
    const auto id = arguments.find("id");
    int64_t item = 0;
    if (id == arguments.end() || !absl::SimpleAtoi(id->second, &item) || item < 0) return false;
    for (const Split split : {Split::kTest, Split::kTrain}) {
      for (int hops = 1; hops <= searchqa::kMostHops; ++hops) {
        const int64_t count = library_->TaskCount(split, hops).value_or(0);
        if (item >= count) {
          item -= count;
          continue;
        }
        auto question = library_->Get({split, hops, item});
        if (question.ok()) game.Reset(library_->passages(split), *std::move(question));
        return question.ok();
      }
    }
    return false;
  }

  Response Create(const Arguments& arguments) {
    const std::string env_idx = absl::StrCat(created_++);
    searchqa::Game game(searchqa::kAgentGymResults);
    if (!Start(game, arguments)) return ServerError();
    games_.emplace(env_idx, std::move(game));
    return {.body = env_idx};
  }

  Response Step(const Arguments& arguments) {
    const auto found = games_.find(arguments.at("env_idx"));
    if (found == games_.end()) return ServerError();
    const auto reply = found->second.Step(arguments.at("action"));
    if (!reply.ok()) return ServerError();
    return {.body = absl::StrCat("{\"observation\":", Quote(reply->observation),
                                 ",\"reward\":", reply->correct ? "1.0" : "0.0",
                                 ",\"done\":", Truth(reply->correct), ",\"info\":null}")};
  }

  Response Reset(const Arguments& arguments) {
    const auto found = games_.find(arguments.at("env_idx"));
    if (found == games_.end() || !Start(found->second, arguments)) return ServerError();
    return {.body = Quote(found->second.Observation())};
  }

  const std::shared_ptr<const searchqa::Library> library_;
  std::map<std::string, searchqa::Game> games_;  // by env_idx
};

class TextCraftServer : public AgentGymServer {
 public:
  explicit TextCraftServer(std::shared_ptr<const textcraft::RecipeBook> book)
      : book_(std::move(book)) {
    const auto failing = [](const Arguments&) { return ServerError(); };
    AddGet("/", {}, [](const Arguments&) {
      return Response{.body = Quote("This is environment TextCraft.")};
    });
    AddPost("/create", {{Parameter::kText, "commands", true}, {Parameter::kText, "goal", true}},
            [this](const Arguments&) { return Create(); });
    AddPost("/step", {kId, kAction}, [this](const Arguments& a) { return Step(a); });
    AddPost("/reset", {kId, {Parameter::kInteger, "data_idx", true, "0"}},
            [this](const Arguments& a) { return Reset(a); });
    AddGet("/observation", {kId}, [this](const Arguments& a) { return Observe(a); });
    AddGet("/commands", {kId}, failing);
    AddGet("/goal", {kId}, failing);
    AddGet("/detail", {kId}, [this](const Arguments& a) { return Detail(a); });
    AddPost("/close", {kId}, [this](const Arguments& a) { return Close(a); });
  }

 private:
  struct Environment {
    textcraft::Game game;
    std::string observation;
    bool done = false;
  };

  Environment* Find(const Arguments& arguments) {
    const auto found = environments_.find(arguments.at("id"));
    return found == environments_.end() ? nullptr : &found->second;
  }

  // Which distractors a goal is shown with stays the same as long as the original's process lives.
  void Start(Environment& environment, std::string_view data_idx) {
    const std::vector<int>& goals = book_->goals();
    const int goal = goals[Divide(data_idx, static_cast<int>(goals.size())).remainder];
    Random random(RandomKey(0).With("agentgym listing").With(book_->names()[goal].id));
    environment.observation = environment.game.Reset(
        goal, textcraft::DrawListing(*book_, goal, textcraft::kAgentGymDistractors, random));
    environment.done = false;
  }

  static Response Began(std::string_view id, const Environment& environment) {
    return {.body = absl::StrCat("{\"id\":", id, ",\"observation\":",
                                 Quote(environment.observation), ",\"done\":false,\"reward\":0}")};
  }

  Response Create() {
    const std::string id = absl::StrCat(created_++);
    Environment& environment =
        environments_.emplace(id, Environment{textcraft::Game(book_)}).first->second;
    Start(environment, id);
    return Began(id, environment);
  }

  Response Step(const Arguments& arguments) {
    Environment* const environment = Find(arguments);
    if (environment == nullptr) return NotValid(arguments.at("id"));
    auto reply = environment->game.Step(arguments.at("action"));
    if (!reply.ok()) return Error(reply.status().message());
    environment->observation = std::move(reply->observation);
    environment->done = reply->done;
    return {.body = absl::StrCat("{\"observation\":", Quote(environment->observation),
                                 ",\"reward\":", reply->done ? 1 : 0,
                                 ",\"done\":", Truth(reply->done), "}")};
  }

  Response Reset(const Arguments& arguments) {
    Environment* const environment = Find(arguments);
    if (environment == nullptr) return NotValid(arguments.at("id"));
    const auto data_idx = arguments.find("data_idx");
    if (data_idx == arguments.end()) {  // null: the hands are emptied before that is noticed
      environment->game.Reset(environment->game.goal(), environment->game.listed());
      return Error("unsupported operand type(s) for %: 'NoneType' and 'int'");
    }
    Start(*environment, data_idx->second);
    return Began(arguments.at("id"), *environment);
  }

  Response Observe(const Arguments& arguments) {
    const Environment* const environment = Find(arguments);
    if (environment == nullptr) return NotValid(arguments.at("id"));
    return {.body = Quote(environment->observation)};
  }

  Response Detail(const Arguments& arguments) {
    const Environment* const environment = Find(arguments);
    if (environment == nullptr) return NotValid(arguments.at("id"));
    return {.body = absl::StrCat("{\"observation\":", Quote(environment->observation),
                                 ",\"done\":", Truth(environment->done),
                                 ",\"reward\":", environment->done ? 1 : 0, ",\"deleted\":false}")};
  }

  Response Close(const Arguments& arguments) {
    return {.body = environments_.erase(arguments.at("id")) > 0 ? "true" : "false"};
  }

  const std::shared_ptr<const textcraft::RecipeBook> book_;
  std::map<std::string, Environment> environments_;  // by id
};

class WebShopServer : public AgentGymServer {
 public:
  WebShopServer(std::shared_ptr<const webshop::Shop> shop, WebShopDraws draws)
      : shop_(std::move(shop)), draws_(std::move(draws)) {
    const Parameter env_idx = {Parameter::kInteger, "env_idx"};
    AddGet("/", {}, [](const Arguments&) { return Response{.body = Quote("ok")}; });
    AddGet("/list_envs", {}, [this](const Arguments&) {
      return Response{.body = absl::StrCat("[", absl::StrJoin(in_order_, ","), "]")};
    });
    AddPost("/create", {}, [this](const Arguments&) { return Create(); });
    AddPost("/step", {env_idx, kAction}, [this](const Arguments& a) { return Step(a); });
    AddPost("/reset", {env_idx, {Parameter::kInteger, "session_id", true}},
            [this](const Arguments& a) { return Reset(a); });
    AddGet("/observation", {env_idx}, [this](const Arguments& a) {
      const Session* const session = Find(a);
      return session == nullptr ? ServerError() : Response{.body = Quote(session->Observation())};
    });
    AddGet("/available_actions", {env_idx}, [this](const Arguments& a) { return Available(a); });
    AddGet("/instruction_text", {env_idx}, [this](const Arguments& a) {
      const Session* const session = Find(a);
      if (session == nullptr) return ServerError();
      const absl::StatusOr<std::string> text = session->InstructionText();
      return text.ok() ? Response{.body = Quote(*text)} : ServerError();
    });
    AddGet("/state", {env_idx}, [this](const Arguments& a) {
      if (Find(a) == nullptr) return ServerError();
      return Response{
          .body = R"({"url":"url","html":"html","instruction_text":"instruction_text"})"};
    });
  }

 private:
  using Session = webshop::Session;

  Session* Find(const Arguments& arguments) {
    const auto found = sessions_.find(arguments.at("env_idx"));
    return found == sessions_.end() ? nullptr : &found->second;
  }

  Response Create() {
    const auto draw = [&] { return absl::StrCat(draws_.env_idx ? draws_.env_idx() : created_++); };
    std::string env_idx = draw();
    while (sessions_.contains(env_idx)) env_idx = draw();
    Session session(shop_->catalogue, RandomKey(0).With("agentgym webshop").With(env_idx));
    session.Begin(shop_->goal(draws_.goal()));
    sessions_.emplace(env_idx, std::move(session));
    in_order_.push_back(env_idx);
    return {.body = env_idx};
  }

  Response Step(const Arguments& arguments) {
    Session* const session = Find(arguments);
    if (session == nullptr) return ServerError();
    const auto reply = session->Step(arguments.at("action"));
    if (!reply.ok()) return ServerError();
    return {.body = absl::StrCat("{\"state\":", Quote(session->Observation()),
                                 ",\"reward\":", webshop::FloatRepr(reply->reward),
                                 ",\"done\":", Truth(reply->done), ",\"info\":null}")};
  }

  Response Reset(const Arguments& arguments) {
    Session* const session = Find(arguments);
    if (session == nullptr) return ServerError();
    const auto session_id = arguments.find("session_id");
    if (session_id == arguments.end()) {
      session->Begin(shop_->goal(draws_.goal()));
    } else {
      const auto count = static_cast<int64_t>(shop_->goals.size());
      int64_t number = 0;
      const bool fits = absl::SimpleAtoi(session_id->second, &number);
      if (!fits || number < -count || number >= count) {  // an IndexError
        session->Lose(shop_->goal(draws_.goal()));
        return ServerError();
      }
      session->Begin(shop_->goal(number < 0 ? number + count : number));
    }
    return {.body = absl::StrCat("[", Quote(session->Observation()), ",null]")};
  }

  Response Available(const Arguments& arguments) {
    const Session* const session = Find(arguments);
    if (session == nullptr) return ServerError();
    const Session::AvailableActions actions = session->GetAvailableActions();
    const auto quoted = [](std::string* out, const std::string& text) { *out += Quote(text); };
    return {.body = absl::StrCat("{\"has_search_bar\":", Truth(actions.has_search_bar),
                                 ",\"clickables\":[",
                                 absl::StrJoin(actions.clickables, ",", quoted), "]}")};
  }

  const std::shared_ptr<const webshop::Shop> shop_;
  const WebShopDraws draws_;
  std::vector<std::string> in_order_;  // env_idx
  std::map<std::string, Session> sessions_;  // by env_idx
};

}  // namespace

void AgentGymServer::AddGet(std::string path, std::vector<Parameter> query, Handler handler) {
  routes_.push_back({"GET", std::move(path), std::move(query), std::move(handler)});
}

void AgentGymServer::AddPost(std::string path, std::vector<Parameter> body, Handler handler) {
  routes_.push_back({"POST", std::move(path), std::move(body), std::move(handler)});
}

Response AgentGymServer::Handle(std::string_view method, std::string_view target,
                                std::string_view body) {
  const size_t mark = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, mark);
  const std::string_view query = target.substr(std::min(mark + 1, target.size()));
  bool path_is_known = false;
  for (const Route& route : routes_) {
    if (route.path != path) continue;
    path_is_known = true;
    if (route.method != method) continue;
    absl::StatusOr<Arguments> arguments = Arguments();
    if (!route.parameters.empty()) {
      arguments =
          method == "GET" ? ParseQuery(query, route.parameters) : ParseBody(body, route.parameters);
    }
    if (arguments.ok()) return route.handler(*arguments);
    return {422, absl::StrCat("{\"detail\":", Quote(arguments.status().message()), "}")};
  }
  if (path_is_known) return {405, "{\"detail\":\"Method Not Allowed\"}"};
  return {404, "{\"detail\":\"Not Found\"}"};
}

std::unique_ptr<AgentGymServer> NewAlfWorldServer(
    std::shared_ptr<const alfworld::Library> library) {
  return std::make_unique<AlfWorldServer>(std::move(library));
}

std::unique_ptr<AgentGymServer> NewBabyAIServer() { return std::make_unique<BabyAIServer>(); }

absl::StatusOr<std::unique_ptr<AgentGymServer>> NewTextCraftServer() {
  auto book = textcraft::RecipeBook::Minecraft();
  if (!book.ok()) return book.status();
  return std::make_unique<TextCraftServer>(*std::move(book));
}

std::unique_ptr<AgentGymServer> NewSearchQAServer(
    std::shared_ptr<const searchqa::Library> library) {
  return std::make_unique<SearchQAServer>(std::move(library));
}

WebShopDraws DrawByChance(const webshop::Shop& shop, RandomKey key) {
  constexpr uint64_t kEnvironments = 100'000'000;
  auto random = std::make_shared<Random>(key);
  auto sums = std::make_shared<std::vector<double>>(
      webshop::GoalWeights(shop.catalogue->products(), shop.goals, shop.kind));
  for (size_t i = 1; i < sums->size(); ++i) (*sums)[i] += (*sums)[i - 1];
  return {[random] { return static_cast<int64_t>(random->Below(kEnvironments)); },
          [random, sums] {
            const double drawn = random->Uniform() * sums->back();
            const auto at = std::lower_bound(sums->begin(), sums->end(), drawn);
            return static_cast<size_t>(std::min(at, sums->end() - 1) - sums->begin());
          }};
}

std::unique_ptr<AgentGymServer> NewWebShopServer(std::shared_ptr<const webshop::Shop> shop,
                                                 WebShopDraws draws) {
  return std::make_unique<WebShopServer>(std::move(shop), std::move(draws));
}

}  // namespace sojourn::envs::serve
