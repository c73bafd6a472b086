// Players of WebShop: one that knows what fits, and one that buys what comes first.
#ifndef SOJOURN_ENVS_WEBSHOP_SHOPPER_H_
#define SOJOURN_ENVS_WEBSHOP_SHOPPER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "envs/environment.h"
#include "envs/webshop/session.h"

namespace sojourn::envs::webshop {

// Searches with the words of the instruction (and only when that finds nothing that fits, with the title
// of the product that it was written for), opens the first product that can be bought for the full
// reward, chooses its options and buys it.
class Shopper {
 public:
  explicit Shopper(const Goal& goal) : goal_(goal) {}

  // The next step from where the session stands. NotFound when no product that its searches find is
  // worth the full reward, or it was bought already.
  absl::StatusOr<Instance::Advice> Advise(const Session& session);

 private:
  // The options to choose for the full reward; nothing when the product is not worth it.
  const std::optional<std::vector<Option>>& Plan(const Session& session, int32_t product);
  // Which page (from 0) of a search holds a product to buy; -1: none.
  int PageWithGoodProduct(const Session& session, const std::string& keywords);
  const std::string* Keywords(const Session& session);

  Goal goal_;
  absl::flat_hash_map<int32_t, std::optional<std::vector<Option>>> plans_;
  std::optional<std::string> keywords_;  // "": there are none
};

// What to search for, in the instruction's words: the kind of thing, then its attributes, then options.
std::vector<std::string> InstructionKeywords(const Session& session);

// Searches for the kind of thing, opens the first product and buys it as it is.
Instance::Advice BuyTheFirst(const Session& session);

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_SHOPPER_H_
