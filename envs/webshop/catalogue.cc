#include "envs/webshop/catalogue.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "envs/webshop/python_strings.h"

namespace sojourn::envs::webshop {

std::string SearchText(const Product& product) {
  const std::string options =
      absl::StrJoin(product.options, ", and ", [](std::string* out, const OptionGroup& group) {
        absl::StrAppend(out, group.name, ": ", absl::StrJoin(group.values, ", "));
      });
  return Lower(absl::StrCat(product.title, " ", product.description, " ",
                            product.features.empty() ? "" : product.features.front(), " ",
                            options));
}

std::shared_ptr<const Catalogue> Catalogue::Make(std::vector<Product> products) {
  auto catalogue = std::make_shared<Catalogue>();
  catalogue->products_ = std::move(products);
  search::Bm25Index::Builder builder;
  for (const Product& product : catalogue->products_) {
    catalogue->by_asin_.emplace(product.asin, static_cast<int32_t>(catalogue->by_asin_.size()));
    builder.Add(product.asin, SearchText(product));
  }
  catalogue->index_ = std::move(builder).Build();
  return catalogue;
}

int32_t Catalogue::FindAsin(std::string_view asin) const {
  const auto found = by_asin_.find(absl::string_view(asin.data(), asin.size()));
  return found == by_asin_.end() ? -1 : found->second;
}

}  // namespace sojourn::envs::webshop
