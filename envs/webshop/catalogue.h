// What a shop sells, and what its customers are asked to buy.
#ifndef SOJOURN_ENVS_WEBSHOP_CATALOGUE_H_
#define SOJOURN_ENVS_WEBSHOP_CATALOGUE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "envs/search/bm25_index.h"

namespace sojourn::envs::webshop {

// No bound on a goal's price.
inline constexpr double kNoPriceBound = 1000000;

using Option = std::pair<std::string, std::string>;  // name and value

// What a customer was asked, before options (of synthetic ones) and a bound on the price are added.
struct Instruction {
  std::string text;                     // "Find me machine wash women's dresses for daily wear"
  std::vector<std::string> attributes;  // "machine wash", "daily wear"; at least one
  std::vector<Option> options;          // of a human instruction
  bool options_are_named = true;        // false: names are "", as in WebShop's human instructions
};

struct OptionGroup {
  std::string name;                 // "size", in lower case
  std::vector<std::string> values;  // "x-large", in lower case, in the page's order
};

struct Product {
  std::string asin;  // up to ten characters, in upper case
  std::string title;
  std::string description;
  std::vector<std::string> features;  // the bullet points
  std::string category;               // "fashion"
  std::string query;                  // "women's dresses": what kind of thing it is, in lower case
  std::string product_category;       // "Clothing, Shoes & Jewelry › Women › ..."
  std::vector<std::string> attributes;                   // "machine wash", ...
  std::vector<OptionGroup> options;                      // names differ
  std::string price_tag;                                 // "$19.99 to $27.99"
  std::optional<std::pair<double, double>> price_range;  // what `price` was drawn from
  double price = 100;                                    // what a bound is compared with
  std::vector<Instruction> synthetic;  // at most one: asked with every combination of the options
  std::vector<Instruction> human;      // asked as they are
};

// A goal with all that a session needs to know.
struct Goal {
  int32_t product = 0;  // the one that the instruction was written for
  std::string instruction_text;
  std::vector<std::string> attributes;
  std::vector<Option> options;
  bool options_are_named = true;
  double price_upper = kNoPriceBound;

  int constraints() const { return static_cast<int>(attributes.size() + options.size()); }
};

// Products with their search index. Immutable; shared by all who play.
class Catalogue {
 public:
  // Products have different asins.
  static std::shared_ptr<const Catalogue> Make(std::vector<Product> products);

  const std::vector<Product>& products() const { return products_; }
  const search::Bm25Index& index() const { return index_; }

  // -1 when there is none.
  int32_t FindAsin(std::string_view asin) const;

 private:
  std::vector<Product> products_;
  absl::flat_hash_map<std::string, int32_t> by_asin_;
  search::Bm25Index index_;
};

// What the original's index holds of a product: title, description, first bullet point and options,
// in lower case.
std::string SearchText(const Product& product);

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_CATALOGUE_H_
