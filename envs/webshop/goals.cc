#include "envs/webshop/goals.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "envs/textcraft/python_random.h"

namespace sojourn::envs::webshop {
namespace {

using textcraft::PythonRandom;

constexpr uint32_t kSeed = 233;
constexpr int kBoundsAbove = 4;

// Up to four of 10, 20, ... 990 that are above the price.
std::vector<double> BoundsAbove(double price) {
  std::vector<double> bounds;
  for (int i = 1; i < 100 && bounds.size() < kBoundsAbove; ++i) {
    if (10.0 * i > price) bounds.push_back(10.0 * i);
  }
  return bounds;
}

std::vector<const OptionGroup*> ByName(const Product& product) {
  std::vector<const OptionGroup*> groups;
  for (const OptionGroup& group : product.options) groups.push_back(&group);
  std::sort(groups.begin(), groups.end(),
            [](const OptionGroup* a, const OptionGroup* b) { return a->name < b->name; });
  return groups;
}

void AddSynthetic(const Product& product, int32_t number, PythonRandom& random,
                  std::vector<GoalRef>& goals) {
  if (product.synthetic.empty()) return;
  const std::vector<double> bounds = BoundsAbove(product.price);
  GoalRef goal{.product = number};
  if (bounds.size() >= 2) {
    const std::vector<int> pair = random.Sample(static_cast<int>(bounds.size()), 2);
    goal.price_upper = bounds[std::max(pair[0], pair[1])];
  }
  const int64_t combinations = CombinationCount(product);
  if (combinations > kMostCombinations) return;
  for (int64_t i = 0; i < combinations; ++i) {
    goal.combination = static_cast<uint32_t>(i);
    goals.push_back(goal);
  }
}

void AddHuman(const Product& product, int32_t number, std::vector<GoalRef>& goals) {
  const std::vector<double> bounds = BoundsAbove(product.price);
  for (int32_t i = 0; i < static_cast<int32_t>(product.human.size()); ++i) {
    for (size_t bound = 0; bound < kBoundsAbove; ++bound) {
      if (bounds.size() < 2) {
        goals.push_back({number, i, 0, kNoPriceBound});
      } else if (bound < bounds.size()) {
        goals.push_back({number, i, 0, bounds[bound]});
      }
    }
  }
}

}  // namespace

int64_t CombinationCount(const Product& product) {
  int64_t count = 1;
  for (const OptionGroup& group : product.options) {
    if (group.values.empty()) return 0;
    if (count <= kMostCombinations) count *= static_cast<int64_t>(group.values.size());
  }
  return count;
}

std::vector<GoalRef> MakeGoals(const std::vector<Product>& products, GoalKind kind) {
  std::vector<GoalRef> goals;
  PythonRandom bounds(kSeed);
  for (int32_t i = 0; i < static_cast<int32_t>(products.size()); ++i) {
    if (kind == GoalKind::kHuman) {
      AddHuman(products[i], i, goals);
    } else {
      AddSynthetic(products[i], i, bounds, goals);
    }
  }
  PythonRandom(kSeed).Shuffle(goals);
  return goals;
}

std::string PriceText(double price_upper) {
  if (price_upper >= kNoPriceBound) return "";
  return absl::StrFormat(", and price lower than %.2f dollars", price_upper);
}

Goal Expand(const std::vector<Product>& products, const GoalRef& ref, GoalKind kind) {
  const Product& product = products[ref.product];
  Goal goal{.product = ref.product, .price_upper = ref.price_upper};
  const std::string price = PriceText(ref.price_upper);
  if (kind == GoalKind::kHuman) {
    const Instruction& instruction = product.human[ref.instruction];
    std::string_view text = instruction.text;
    while (text.starts_with('.')) text.remove_prefix(1);
    while (text.ends_with('.')) text.remove_suffix(1);
    goal.instruction_text = absl::StrCat(std::string(text), price);
    goal.attributes = instruction.attributes;
    goal.options = instruction.options;
    goal.options_are_named = instruction.options_are_named;
    return goal;
  }
  const Instruction& instruction = product.synthetic.front();
  goal.attributes = instruction.attributes;
  const std::vector<const OptionGroup*> groups = ByName(product);
  uint64_t rest = ref.combination;
  for (auto group = groups.rbegin(); group != groups.rend(); ++group) {
    const std::vector<std::string>& values = (*group)->values;
    goal.options.emplace_back((*group)->name, values[rest % values.size()]);
    rest /= values.size();
  }
  std::reverse(goal.options.begin(), goal.options.end());
  goal.instruction_text = instruction.text;
  for (size_t i = 0; i < goal.options.size(); ++i) {
    absl::StrAppend(&goal.instruction_text, i == 0 ? " with " : ", and ", goal.options[i].first,
                    ": ", goal.options[i].second);
  }
  goal.instruction_text += price;
  return goal;
}

std::vector<double> GoalWeights(const std::vector<Product>& products,
                                const std::vector<GoalRef>& goals, GoalKind kind) {
  std::vector<double> weights(goals.size(), 1);
  if (kind == GoalKind::kHuman) return weights;
  absl::flat_hash_map<std::string, int64_t> counts;
  const auto attributes = [&](const GoalRef& goal) -> const std::vector<std::string>& {
    return products[goal.product].synthetic.front().attributes;
  };
  for (const GoalRef& goal : goals) {
    for (const std::string& attribute : attributes(goal)) ++counts[attribute];
  }
  for (size_t i = 0; i < goals.size(); ++i) {
    double sum = 0;
    for (const std::string& attribute : attributes(goals[i])) {
      sum += 1.0 / static_cast<double>(counts[attribute]);
    }
    weights[i] = sum / static_cast<double>(attributes(goals[i]).size());
  }
  return weights;
}

}  // namespace sojourn::envs::webshop
