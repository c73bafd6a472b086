#include "envs/webshop/shopper.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "envs/python_text.h"
#include "envs/webshop/python_strings.h"

namespace sojourn::envs::webshop {
namespace {

using Advice = Instance::Advice;

// Without what would end an action or make it another.
std::string Clean(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '[' || c == ']' || c == '<'; },
      ' ');
  return std::string(StripSpace(text));
}

std::string SearchFor(std::string_view keywords) { return absl::StrCat("search[", keywords, "]"); }
std::string ClickOn(std::string_view text) { return absl::StrCat("click[", text, "]"); }

// Whether a click on an option's value chooses it.
bool IsClickable(const std::string& value) {
  for (const char* other : {"search", "back to search", "< prev", "description", "features", "reviews",
                            "attributes", "buy now"}) {
    if (value == other) return false;
  }
  const std::string action = ClickOn(value);
  const ParsedAction parsed = ParseShopAction(action);
  return parsed.name == "click" && parsed.argument == value && Lower(value) == value;
}

// The group in which a click on the value chooses it: the last that has it.
const OptionGroup* GroupOf(const Product& product, const std::string& value) {
  for (auto group = product.options.rbegin(); group != product.options.rend(); ++group) {
    if (std::find(group->values.begin(), group->values.end(), value) != group->values.end()) {
      return &*group;
    }
  }
  return nullptr;
}

// A choice that meets as many of the goal's options as one after the other can be.
std::vector<Option> Choose(const Product& product, const Goal& goal) {
  std::vector<Option> chosen;
  for (const Option& wanted : goal.options) {
    const auto meets = [&](const std::string& value) {
      return MeetsOption(value, wanted, goal.options_are_named);
    };
    if (std::any_of(chosen.begin(), chosen.end(), [&](const Option& o) { return meets(o.second); })) {
      continue;
    }
    // The value itself before one that is like it, in the group of that name before others.
    int best_rank = 4;
    Option best;
    for (const OptionGroup& group : product.options) {
      for (const std::string& value : group.values) {
        const int rank = (value == wanted.second ? 0 : 2) + (group.name == wanted.first ? 0 : 1);
        if (rank >= best_rank || !IsClickable(value) || GroupOf(product, value) != &group ||
            !meets(value)) {
          continue;
        }
        const bool is_taken = std::any_of(chosen.begin(), chosen.end(), [&](const Option& option) {
          return option.first == group.name;
        });
        if (is_taken) continue;
        best_rank = rank;
        best = {group.name, value};
      }
    }
    if (best_rank < 4) chosen.push_back(std::move(best));
  }
  return chosen;
}

std::string PriceBound(const Goal& goal) {
  return goal.price_upper >= kNoPriceBound ? ""
                                           : absl::StrFormat(" below %.2f dollars", goal.price_upper);
}

}  // namespace

std::vector<std::string> InstructionKeywords(const Session& session) {
  const Goal& goal = session.goal();
  const std::string& query = session.catalogue().products()[goal.product].query;
  std::vector<std::string> options;
  for (const Option& option : goal.options) options.push_back(option.second);
  const std::string attributes = absl::StrJoin(goal.attributes, " ");
  std::vector<std::string> keywords = {
      absl::StrCat(query, " ", attributes), absl::StrCat(query, " ", attributes, " ",
                                                         absl::StrJoin(options, " ")),
      query, Lower(goal.instruction_text)};
  for (std::string& text : keywords) text = Clean(std::move(text));
  if (keywords[1] == keywords[0]) keywords.erase(keywords.begin() + 1);  // no options
  return keywords;
}

const std::optional<std::vector<Option>>& Shopper::Plan(const Session& session, int32_t product) {
  const auto known = plans_.find(product);
  if (known != plans_.end()) return known->second;
  std::optional<std::vector<Option>> plan;
  const Product& candidate = session.catalogue().products()[product];
  if (candidate.price <= goal_.price_upper && Upper(Lower(candidate.asin)) == candidate.asin) {
    std::vector<Option> chosen = Choose(candidate, goal_);
    if (ScorePurchase(session.catalogue(), candidate, chosen, goal_).reward >= 1) {
      plan = std::move(chosen);
    }
  }
  return plans_[product] = std::move(plan);
}

int Shopper::PageWithGoodProduct(const Session& session, const std::string& keywords) {
  const auto hits = session.catalogue().index().Search(keywords, kMostHits);
  for (size_t i = 0; i < hits.size(); ++i) {
    if (Plan(session, hits[i].text)) return static_cast<int>(i) / kProductsPerPage;
  }
  return -1;
}

// The keywords whose results show a good product soonest.
const std::string* Shopper::Keywords(const Session& session) {
  if (!keywords_) {
    keywords_ = "";
    int best = kMostHits;
    std::vector<std::string> candidates = InstructionKeywords(session);
    candidates.push_back(Clean(Lower(session.catalogue().products()[goal_.product].title)));
    for (const std::string& candidate : candidates) {
      if (candidate.empty() || best == 0) continue;
      const int page = PageWithGoodProduct(session, candidate);
      if (page < 0 || page >= best) continue;
      best = page;
      keywords_ = candidate;
    }
  }
  return keywords_->empty() ? nullptr : &*keywords_;
}

absl::StatusOr<Advice> Shopper::Advise(const Session& session) {
  const Page& page = session.page();
  const std::vector<Product>& products = session.catalogue().products();
  const std::string* const keywords = Keywords(session);
  if (keywords == nullptr) return absl::NotFoundError("no product is worth the full reward");
  const std::string& kind = products[goal_.product].query;
  switch (page.kind) {
    case PageKind::kSearch:
      return Advice{Clean(absl::StrCat("I look for ", kind, " with what is asked for",
                                       PriceBound(goal_), ".")),
                    SearchFor(*keywords)};
    case PageKind::kResults:
      for (const int32_t product : page.products) {
        if (!Plan(session, product)) continue;
        return Advice{Clean(absl::StrCat(products[product].asin, ", \"", products[product].title,
                                         "\", seems to fit; I open it.")),
                      ClickOn(Lower(products[product].asin))};
      }
      if (session.keywords() == *keywords) {
        const int64_t wanted = PageWithGoodProduct(session, *keywords) + 1;
        if (wanted > session.results_page()) {
          return Advice{"Nothing on this page fits; I go on to the next page.", "click[next >]"};
        }
        return Advice{"Nothing here fits; I saw something better before.", "click[< prev]"};
      }
      return Advice{"None of these fit; I go back and search with better words.",
                    "click[back to search]"};
    case PageKind::kItem: {
      const std::optional<std::vector<Option>>& plan = Plan(session, page.product);
      if (!plan) {
        return Advice{"This is not what is asked for; I go back to the results.", "click[< prev]"};
      }
      for (const Option& option : *plan) {
        const auto& chosen = session.chosen();
        if (std::find(chosen.begin(), chosen.end(), option) != chosen.end()) continue;
        return Advice{Clean(absl::StrCat("For the ", option.first, " I choose ", option.second,
                                         ", as asked.")),
                      ClickOn(option.second)};
      }
      return Advice{Clean(absl::StrCat("Everything is as asked", PriceBound(goal_), "; I buy it.")),
                    "click[buy now]"};
    }
    case PageKind::kSubPage:
      return Advice{"I have read enough here; I go back to the product.", "click[< prev]"};
    case PageKind::kDone:
      break;
  }
  return absl::NotFoundError("something was bought already");
}

Advice BuyTheFirst(const Session& session) {
  const Page& page = session.page();
  const Catalogue& catalogue = session.catalogue();
  switch (page.kind) {
    case PageKind::kSearch: {
      const std::string& kind = catalogue.products()[session.goal().product].query;
      std::string keywords = Clean(kind);
      if (catalogue.index().Search(keywords, 1).empty()) {  // "book cases" are called bookcases
        keywords = Clean(Lower(catalogue.products()[session.goal().product].title));
      }
      return {Clean(absl::StrCat("I look for ", kind, ".")), SearchFor(keywords)};
    }
    case PageKind::kResults:
      if (page.products.empty()) return {"There is nothing here.", "click[back to search]"};
      return {"The first one will do.",
              ClickOn(Lower(catalogue.products()[page.products.front()].asin))};
    case PageKind::kItem:
      return {"This looks good; I buy it.", "click[buy now]"};
    default:
      return {"I go back to the product.", "click[< prev]"};
  }
}

}  // namespace sojourn::envs::webshop
