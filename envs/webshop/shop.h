// A catalogue with its goals in the order of WebShop's session numbers.
#ifndef SOJOURN_ENVS_WEBSHOP_SHOP_H_
#define SOJOURN_ENVS_WEBSHOP_SHOP_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/webshop/catalogue.h"
#include "envs/webshop/goals.h"

namespace sojourn::envs::webshop {

// Immutable; shared by all who play.
struct Shop {
  std::shared_ptr<const Catalogue> catalogue;
  GoalKind kind = GoalKind::kSynthetic;
  std::vector<GoalRef> goals;

  static std::shared_ptr<const Shop> Make(std::vector<Product> products, GoalKind kind);

  // The data of a folder (data_files.h) as the original serves them, prices drawn by seed 0. The
  // same folder is read once as long as someone keeps what it gave. Errors are LoadData's.
  static absl::StatusOr<std::shared_ptr<const Shop>> Load(const std::string& directory,
                                                          GoalKind kind);

  Goal goal(size_t number) const { return Expand(catalogue->products(), goals[number], kind); }
};

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_SHOP_H_
