// AgentGym's HTTP servers of ALFWorld, BabyAI, SearchQA, SearchQA and WebShop TextCraft without the sockets: what a request is
// answered.
//
// Quirks of the originals that are kept, beside those of the environments themselves:
//  - errors of an environment are answered with status 200 and {"error": ...};
//  - TextCraft's /create ignores the commands and the goal that it is given and resets to the task
//    whose data_idx is the new id; BabyAI's takes any body and resets nothing;
//  - TextCraft's /commands and /goal always fail with status 500, and its /observation answers with
//    a bare string;
//  - BabyAI's /render is a POST; closing an environment of BabyAI that was never reset answers
//  false,
//    and it cannot be closed any more after that;
//  - SearchQA answers with bare values (/create a number, /reset and /observation a text) and fails
//    with status 500 for an environment or an item that there is not, or an id that is null; a
//    /create that fails uses up its number all the same; an episode goes on after the right answer;
// - WebShop ALFWorld has begun no /close; /close, and an environment cannot be asked anything any more when its /create answers with a session by number that task is drawn, done,
//    after the goal or 50 steps, but for a /reset; before the first one it answers with the names of
//    what is missing, as Python has them; a negative game counts from the last;
//    chance; /state answers with its own names; whatever raises an exception in the original (an
//    environment or a session that there is not, a search by attribute, the instruction after a
//    purchase, ...) is status 500 and leaves behind what the exception leaves; a session_id counts from
//    the end when it is negative, and null is one by chance, rare attributes more often;
//  - a text such as "3.0" is a whole number, and so is true.
// The bodies of the answers 422 are in our own words. A data_idx of BabyAI whose seed takes more
// than 128 bits is answered with an error (NumPy takes seeds of any size).
#ifndef SOJOURN_ENVS_SERVE_AGENTGYM_H_
#define SOJOURN_ENVS_SERVE_AGENTGYM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/alfworld/library.h"
#include "common/random.h"
#include "envs/searchqa/library.h"
#include "envs/serve/arguments.h"
#include "envs/webshop/shop.h"

namespace sojourn::envs::serve {

struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
};

// A server with its environments, as it is just after its start. Not thread-safe.
class AgentGymServer {
 public:
  virtual ~AgentGymServer() = default;
  AgentGymServer(const AgentGymServer&) = delete;
  AgentGymServer& operator=(const AgentGymServer&) = delete;

  // `target` is the path with its query, "/observation?id=0". Never fails: whatever is wrong with a
  // request is what it is answered.
  Response Handle(std::string_view method, std::string_view target, std::string_view body);

  // The number of the next environment that is created; 0 after the start.
  void CountFrom(int64_t id) { created_ = id; }

 protected:
  using Handler = std::function<Response(const Arguments&)>;
  AgentGymServer() = default;
  void AddGet(std::string path, std::vector<Parameter> query, Handler handler);
  void AddPost(std::string path, std::vector<Parameter> body, Handler handler);

  int64_t created_ = 0;

 private:
  struct Route {
    std::string method, path;
    std::vector<Parameter> parameters;
    Handler handler;
  };
  std::vector<Route> routes_;
};

// A game is a number of the library's (Library::Numbered).
std::unique_ptr<AgentGymServer> NewAlfWorldServer(std::shared_ptr<const alfworld::Library> library);

std::unique_ptr<AgentGymServer> NewBabyAIServer();
absl::StatusOr<std::unique_ptr<AgentGymServer>> NewTextCraftServer();

// Items are numbered as the original numbers them: first the test questions, then those to train on;
// here each split's by their hops.
std::unique_ptr<AgentGymServer> NewSearchQAServer(std::shared_ptr<const searchqa::Library> library);

// What WebShop's server leaves to chance.
struct WebShopDraws {
  std::function<int64_t()> env_idx;  // of a new environment; drawn again when it is taken; null: counted
  std::function<size_t()> goal;      // a number into Shop::goals
};
WebShopDraws DrawByChance(const webshop::Shop& shop, RandomKey key);

// `shop` has goals; its session numbers are theirs.
std::unique_ptr<AgentGymServer> NewWebShopServer(std::shared_ptr<const webshop::Shop> shop,
                                                 WebShopDraws draws);

}  // namespace sojourn::envs::serve

#endif  // SOJOURN_ENVS_SERVE_AGENTGYM_H_
