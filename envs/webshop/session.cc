#include "envs/webshop/session.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "envs/python_text.h"
#include "envs/webshop/fuzzy.h"
#include "envs/webshop/python_strings.h"

namespace sojourn::envs::webshop {
namespace {

constexpr char kBackToSearch[] = "Back to Search";
constexpr char kNext[] = "Next >";
constexpr char kPrevious[] = "< Prev";
constexpr char kBuyNow[] = "Buy Now";

// Gathers a page's visible texts as BeautifulSoup 4.11 hands them to the original: texts of white
// space alone become one line break, which is dropped, or one space, which is kept as an empty
// part.
class Text {
 public:
  Text& Add(std::string_view part) {
    if (part.empty()) return *this;
    const bool is_blank = part.find_first_not_of(" \n\t\f\r") == std::string_view::npos;
    if (is_blank && part.find('\n') != std::string_view::npos) return *this;
    if (!is_first_) text_ += " [SEP] ";
    is_first_ = false;
    text_ += StripSpace(part);
    return *this;
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
  bool is_first_ = true;
};

absl::Status Raises(std::string_view what) {
  return absl::FailedPreconditionError(
      absl::StrCat("the original fails here: ", std::string(what)));
}

// Flask's tojson: sorted names, ASCII only, safe within HTML.
std::string ToJson(const std::vector<Option>& options) {
  nlohmann::json sorted = nlohmann::json::object();
  for (const auto& [name, value] : options) sorted[name] = value;
  std::string text;
  for (const auto& [name, value] : sorted.items()) {
    const auto dump = [](const std::string& string) {
      return nlohmann::json(string).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    };
    absl::StrAppend(&text, text.empty() ? "" : ", ", dump(name), ": ",
                    dump(value.get<std::string>()));
  }
  return absl::StrReplaceAll(
      absl::StrCat("{", text, "}"),
      {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}, {"'", "\\u0027"}});
}

int SubPageNamed(std::string_view name) {
  for (size_t i = 0; i < std::size(kSubPages); ++i) {
    if (Lower(kSubPages[i]) == name) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

ParsedAction ParseShopAction(std::string_view action) {
  const std::string_view line = action.substr(0, action.find('\n'));
  const size_t close = line.rfind(']');
  if (close != std::string_view::npos) {
    for (size_t open = line.rfind('[', close); open != std::string_view::npos && open > 0;
         open = line.rfind('[', open - 1)) {
      if (close < open + 2) continue;  // nothing between the brackets
      return {line.substr(0, open), line.substr(open + 1, close - open - 1), true};
    }
  }
  return {action, {}, false};
}

void Session::Begin(Goal goal) {
  goal_ = std::move(goal);
  page_ = Page{};
  address_.clear();
  is_lost_ = has_keywords_ = false;
  keywords_.clear();
  results_page_ = 1;
  product_ = -1;
  chosen_.clear();
  score_.reset();
}

void Session::Lose(Goal goal) {
  if (!is_lost_) lost_instruction_ = std::move(goal_.instruction_text);
  goal_ = std::move(goal);
  is_lost_ = true;
  has_keywords_ = false;
  product_ = -1;
  chosen_.clear();
}

absl::StatusOr<Session::Reply> Session::Step(std::string_view action) {
  const ParsedAction parsed = ParseShopAction(action);
  if (!parsed.has_argument) return Reply{};
  const std::string argument = Lower(parsed.argument);
  if (parsed.name == "search") {
    keywords_ = argument;
    has_keywords_ = true;
    const absl::Status shown = ShowResults(1);
    if (!shown.ok()) return shown;
    return Reply{.acted = true};
  }
  if (parsed.name != "click" || argument == "search") return Reply{};
  const std::vector<std::string> clickables = GetAvailableActions().clickables;
  if (std::find(clickables.begin(), clickables.end(), argument) == clickables.end()) return Reply{};
  return Click(argument);
}

// Which page the original takes the present one for: by what its address contains, and that holds
// the keywords and the chosen options, too.
std::string Session::PageName() const {
  constexpr const char* kNames[] = {"", "search_results", "item_page", "item_sub_page", "done"};
  const std::string_view own = kNames[static_cast<int>(page_.kind)];
  if (own.empty()) return "";
  for (const char* name : {"search_results", "item_page", "item_sub_page", "done"}) {
    if (own == name || address_.find(name) != std::string::npos) return name;
  }
  return "";
}

absl::Status Session::NeedProduct() const {
  if (product_ >= 0) return absl::OkStatus();
  return Raises("the session knows no such product");
}

absl::StatusOr<Session::Reply> Session::Click(const std::string& name) {
  Reply reply{.acted = true};
  const std::string page_name = PageName();
  absl::Status status;
  if (name == "buy now") {
    status = NeedProduct();
    if (!status.ok()) return status;
    score_ = ScorePurchase(*catalogue_, catalogue_->products()[product_], chosen_, goal_);
    reply.reward = score_->reward;
    reply.done = true;
    page_ = Page{.kind = PageKind::kDone, .product = product_, .chosen = chosen_};
  } else if (name == "back to search") {
    Goal goal = std::move(goal_);
    Begin(std::move(goal));
  } else if (name == "next >" && page_name == "search_results") {
    status = ShowResults(results_page_ + 1);
  } else if (name == "< prev" && page_name == "search_results") {
    status = ShowResults(results_page_ - 1);
  } else if (name == "< prev" && page_name == "item_page") {
    status = ShowResults(results_page_);
  } else if (SubPageNamed(name) >= 0) {
    status = ShowSubPage(name);
  } else {
    status = ShowItem(name);
  }
  if (!status.ok()) return status;
  return reply;
}

absl::Status Session::ShowResults(int64_t number) {
  if (!has_keywords_) return Raises("the session has no keywords");
  results_page_ = number;
  if (is_lost_) return Raises("the session has no state");
  product_ = -1;
  chosen_.clear();
  const absl::StatusOr<std::vector<int32_t>> found = Find();
  if (!found.ok()) return found.status();
  const auto total = static_cast<int64_t>(found->size());
  page_ = Page{.kind = PageKind::kResults, .number = number, .total = total};
  // A slice of a Python list: numbers below zero count from the end.
  const auto bound = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + total : at, 0, total);
  };
  const int64_t begin = bound((number - 1) * kProductsPerPage),
                end = bound(number * kProductsPerPage);
  if (begin < end) page_.products.assign(found->begin() + begin, found->begin() + end);
  address_ = keywords_;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> Session::Find() {
  const std::vector<Product>& products = catalogue_->products();
  const size_t space = keywords_.find(' ');
  const std::string_view first = std::string_view(keywords_).substr(0, space);
  const std::string_view rest = space == std::string::npos
                                    ? std::string_view()
                                    : std::string_view(keywords_).substr(space + 1);
  std::vector<int32_t> found;
  if (first == "<r>") {
    if (products.size() < kMostHits) return Raises("there are fewer than 50 products to draw from");
    Random random(random_.With(draws_++));
    std::vector<int32_t> numbers(products.size());
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int32_t>(i);
    for (int i = 0; i < kMostHits; ++i) {
      std::swap(numbers[i], numbers[i + random.Below(numbers.size() - i)]);
    }
    numbers.resize(kMostHits);
    return numbers;
  }
  if (first == "<a>") return Raises("searching for an attribute is not connected");
  if (first == "<c>" || first == "<q>") {
    if (first == "<c>" && space == std::string::npos) return Raises("no category is given");
    const bool by_category = first == "<c>";
    const std::string_view wanted = StripSpace(by_category ? rest.substr(0, rest.find(' ')) : rest);
    for (size_t i = 0; i < products.size(); ++i) {
      if ((by_category ? products[i].category : products[i].query) == wanted) {
        found.push_back(static_cast<int32_t>(i));
      }
    }
    return found;
  }
  if (found_keywords_ != keywords_) {
    found_.clear();
    for (const auto& hit : catalogue_->index().Search(keywords_, kMostHits)) {
      found_.push_back(hit.text);
    }
    found_keywords_ = keywords_;
  }
  return found_;
}

absl::Status Session::ShowItem(const std::string& clicked) {
  if (page_.kind == PageKind::kResults) {
    product_ = catalogue_->FindAsin(Upper(clicked));
    if (product_ < 0) product_ = -2;
  } else if (page_.kind == PageKind::kItem) {
    const std::vector<OptionGroup>& groups = catalogue_->products()[page_.product].options;
    // Of several groups with this value the last is meant, as the original remembers one for each
    // text.
    for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
      if (std::find(group->values.begin(), group->values.end(), clicked) == group->values.end()) {
        continue;
      }
      const auto known = std::find_if(chosen_.begin(), chosen_.end(), [&](const Option& option) {
        return option.first == group->name;
      });
      if (known == chosen_.end()) {
        chosen_.emplace_back(group->name, clicked);
      } else {
        known->second = clicked;
      }
      break;
    }
  }
  if (is_lost_) return Raises("the session has no state");
  const absl::Status product = NeedProduct();
  if (!product.ok()) return product;
  page_ = Page{.kind = PageKind::kItem, .product = product_};
  address_ = keywords_;
  for (const auto& [name, value] : chosen_) absl::StrAppend(&address_, "\n", name, "\n", value);
  return absl::OkStatus();
}

absl::Status Session::ShowSubPage(const std::string& clicked) {
  if (is_lost_) return Raises("the session has no state");
  const absl::Status product = NeedProduct();
  if (!product.ok()) return product;
  page_ = Page{.kind = PageKind::kSubPage, .product = product_, .sub_page = SubPageNamed(clicked)};
  address_ = keywords_;
  for (const auto& [name, value] : chosen_) absl::StrAppend(&address_, "\n", name, "\n", value);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Session::InstructionText() const {
  if (page_.kind == PageKind::kDone) return Raises("this page has no instruction");
  return absl::StrCat(page_.kind == PageKind::kSearch ? "Instruction: " : "Instruction:",
                      is_lost_ ? lost_instruction_ : goal_.instruction_text);
}

Session::AvailableActions Session::GetAvailableActions() const {
  AvailableActions actions;
  std::vector<std::string>& clickables = actions.clickables;
  const auto add = [&](std::string text) {
    if (std::find(clickables.begin(), clickables.end(), text) == clickables.end()) {
      clickables.push_back(std::move(text));
    }
  };
  switch (page_.kind) {
    case PageKind::kSearch:
      actions.has_search_bar = true;
      clickables = {"search"};
      break;
    case PageKind::kResults:
      clickables = {"back to search"};
      if (page_.number > 1) add("< prev");
      add("next >");
      for (const int32_t product : page_.products) add(Lower(catalogue_->products()[product].asin));
      break;
    case PageKind::kItem:
      clickables = {"back to search", "< prev", "description", "features", "reviews", "buy now"};
      for (const OptionGroup& group : catalogue_->products()[page_.product].options) {
        for (const std::string& value : group.values) add(value);
      }
      break;
    case PageKind::kSubPage:
      clickables = {"back to search", "< prev"};
      break;
    case PageKind::kDone:
      break;
  }
  return actions;
}

std::string Session::Observation() const {
  const std::vector<Product>& products = catalogue_->products();
  Text text;
  if (page_.kind == PageKind::kDone) {
    text.Add("Thank you for shopping with us!").Add("Your code:").Add("None");
    text.Add("(Paste it in your MTurk interface.)").Add("Purchased").Add("asin");
    text.Add(products[page_.product].asin).Add("options").Add(ToJson(page_.chosen));
    for (const char* name : {"attrs", "category", "query", "product category"}) {
      text.Add(name).Add("None");
    }
    for (const char* name : {"Target", "asin", "options", "attrs", "price upper", "instuction text",
                             "category", "product category", "query", "Goal", "None", "Reward"}) {
      text.Add(name);
    }
    text.Add("Your score (min 0.0, max 1.0)").Add(FloatRepr(score_->reward));
    return text.Add("Reward Details").Add("None").Take();
  }

  if (page_.kind == PageKind::kSearch) text.Add("WebShop");
  text.Add("Instruction:").Add(is_lost_ ? lost_instruction_ : goal_.instruction_text);
  if (page_.kind == PageKind::kSearch) return text.Add("Search").Take();
  text.Add(kBackToSearch);
  if (page_.kind == PageKind::kResults) {
    text.Add(absl::StrCat("Page ", page_.number, " (Total results: ", page_.total, ")"));
    if (page_.number > 1) text.Add(kPrevious);
    text.Add(kNext);
    for (const int32_t number : page_.products) {
      text.Add(products[number].asin).Add(products[number].title).Add(products[number].price_tag);
    }
    return text.Take();
  }

  text.Add(kPrevious);
  const Product& product = products[page_.product];
  if (page_.kind == PageKind::kItem) {
    for (const OptionGroup& group : product.options) {
      text.Add(group.name);
      for (const std::string& value : group.values) text.Add(value);
    }
    text.Add(product.title).Add(absl::StrCat("Price: ", product.price_tag)).Add("Rating: N.A.");
    return text.Add("Description").Add("Features").Add("Reviews").Add(kBuyNow).Take();
  }
  switch (page_.sub_page) {
    case 0:
      text.Add(product.description);
      break;
    case 1:
      for (const std::string& feature : product.features) text.Add(absl::StrCat(" ", feature));
      break;
    case 3:
      for (const std::string& attribute : product.attributes)
        text.Add(absl::StrCat(" ", attribute));
      text.Add(product.category).Add(product.query).Add(product.product_category);
      break;
    default:  // there are no reviews
      break;
  }
  return text.Take();
}

}  // namespace sojourn::envs::webshop
