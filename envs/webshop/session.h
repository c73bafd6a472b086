// One customer's visit: WebShop's pages as text, and what searching and clicking does.
#ifndef SOJOURN_ENVS_WEBSHOP_SESSION_H_
#define SOJOURN_ENVS_WEBSHOP_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/random.h"
#include "envs/webshop/catalogue.h"
#include "envs/webshop/reward.h"

namespace sojourn::envs::webshop {

inline constexpr int kProductsPerPage = 10;
inline constexpr int kMostHits = 50;

enum class PageKind { kSearch, kResults, kItem, kSubPage, kDone };

// A page as it is shown.
struct Page {
  PageKind kind = PageKind::kSearch;
  int64_t number = 1;             // of results
  int64_t total = 0;              // of results
  std::vector<int32_t> products;  // of results: those on this page
  int32_t product = -1;           // of an item, its sub-pages and a purchase
  int sub_page = 0;               // an index into kSubPages
  std::vector<Option> chosen;     // of a purchase
};

inline constexpr std::string_view kSubPages[] = {"Description", "Features", "Reviews",
                                                 "Attributes"};

// "search[red shoes]" has the name "search" and the argument "red shoes". As the regular expression
// (.+)\[(.+)\] at the beginning of the text finds them; without a match all is the name.
struct ParsedAction {
  std::string_view name, argument;
  bool has_argument = false;
};
ParsedAction ParseShopAction(std::string_view action);

// The original's text environment (web_agent_site/envs/web_agent_text_env.py) with all its quirks;
// what an exception is there is an error here, with the state that the exception leaves.
class Session {
 public:
  // `random` decides what search[<r>] shows.
  Session(std::shared_ptr<const Catalogue> catalogue, RandomKey random)
      : catalogue_(std::move(catalogue)), random_(random) {}

  // Opens the search page for a goal.
  void Begin(Goal goal);

  // What the original does when a session is asked for that cannot be: the page stays, but the
  // session behind it is a new one without any state, in which nothing but going back to the search
  // works.
  void Lose(Goal goal);

  struct Reply {
    double reward = 0;
    bool done = false;
    bool acted = false;  // false: nothing happened, the action was not understood or not possible
  };
  // FailedPrecondition where the original raises an exception.
  absl::StatusOr<Reply> Step(std::string_view action);

  // The page as text: its visible parts joined by " [SEP] ".
  std::string Observation() const;

  struct AvailableActions {
    bool has_search_bar = false;
    std::vector<std::string> clickables;
  };
  AvailableActions GetAvailableActions() const;

  // The heading with the instruction. FailedPrecondition on the page after a purchase, which has
  // none.
  absl::StatusOr<std::string> InstructionText() const;

  // Shows other products on the page of results: those that chance showed elsewhere.
  void ReplaceResults(std::vector<int32_t> products) { page_.products = std::move(products); }

  const Goal& goal() const { return goal_; }
  const Page& page() const { return page_; }
  const Catalogue& catalogue() const { return *catalogue_; }
  const std::string& keywords() const { return keywords_; }
  int64_t results_page() const { return results_page_; }
  const std::vector<Option>& chosen() const { return chosen_; }
  // Of the last purchase.
  const std::optional<Score>& score() const { return score_; }

 private:
  absl::StatusOr<Reply> Click(const std::string& name);
  absl::Status ShowResults(int64_t number);
  absl::StatusOr<std::vector<int32_t>> Find();
  absl::Status ShowItem(const std::string& clicked);
  absl::Status ShowSubPage(const std::string& clicked);
  std::string PageName() const;
  absl::Status NeedProduct() const;

  std::shared_ptr<const Catalogue> catalogue_;
  RandomKey random_;
  uint64_t draws_ = 0;
  Goal goal_;
  Page page_;
  std::string address_;  // what the page's address holds that a customer wrote
  std::optional<Score> score_;

  // The session behind the page.
  bool is_lost_ = false;
  std::string lost_instruction_;  // that the page still shows
  std::string keywords_;  // their words are separated by single spaces
  bool has_keywords_ = false;
  int64_t results_page_ = 1;
  int32_t product_ = -1;  // -1: none; -2: one that does not exist
  std::vector<Option> chosen_;

  // Hits of the last search of the index, for its next pages.
  std::optional<std::string> found_keywords_;
  std::vector<int32_t> found_;
};

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_SESSION_H_
