#include "envs/webshop/shop.h"

#include <map>
#include <mutex>
#include <utility>

#include "envs/webshop/data_files.h"

namespace sojourn::envs::webshop {

std::shared_ptr<const Shop> Shop::Make(std::vector<Product> products, GoalKind kind) {
  auto shop = std::make_shared<Shop>();
  shop->kind = kind;
  shop->catalogue = Catalogue::Make(std::move(products));
  shop->goals = MakeGoals(shop->catalogue->products(), kind);
  return shop;
}

absl::StatusOr<std::shared_ptr<const Shop>> Shop::Load(const std::string& directory,
                                                       GoalKind kind) {
  static std::mutex mutex;
  static auto* const known =
      new std::map<std::pair<std::string, GoalKind>, std::weak_ptr<const Shop>>;
  const std::lock_guard lock(mutex);
  std::weak_ptr<const Shop>& entry = (*known)[{directory, kind}];
  if (auto shop = entry.lock()) return shop;
  auto loaded = LoadData(directory, 0);
  if (!loaded.ok()) return loaded.status();
  std::shared_ptr<const Shop> shop = Make(std::move(loaded->products), kind);
  entry = shop;
  return shop;
}

}  // namespace sojourn::envs::webshop
