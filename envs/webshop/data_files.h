// Reads WebShop's data files, and writes them.
#ifndef SOJOURN_ENVS_WEBSHOP_DATA_FILES_H_
#define SOJOURN_ENVS_WEBSHOP_DATA_FILES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "envs/environment.h"
#include "envs/webshop/catalogue.h"

namespace sojourn::envs::webshop {

// The data files of a folder (or, when it has none, of a folder webshop in it), by their names, bare or packed by xz; of several of a kind the
// largest:
//  - items_shuffle*.json, products*.json[l], documents*.jsonl: products, as a JSON array of
//  WebShop's
//    products or as lines {"id", "product": {...}} (what its indexer reads) or of products;
//  - items_ins*.json, instructions*.json: {asin: {"attributes", "instruction",
//  "instruction_attributes"}};
//  - items_human_ins*.json: {asin: [{"instruction", "instruction_attributes",
//  "instruction_options"}]};
//  - prices*.json: {asin: price}.
struct DataFiles {
  std::string products, instructions, human, prices;  // paths; "" when there is none
};
DataFiles FindDataFiles(const std::string& directory);

struct Loaded {
  std::vector<Product> products;
  std::vector<std::string> faults;  // "PATH:LINE: what is wrong; what was done"
};

// Reads what is there. Broken entries and products are left out, each a fault; so are, silently, as
// the original does it, products whose asin is "nan", longer than ten characters or there already.
//
// Prices that are a range are drawn as the original draws them, in the products' order by Python's
// random.seed(price_seed) and random.uniform, unless there is a file of prices. Without a file of
// instructions, attributes and instructions are those that the products hold.
//
// NotFound when the folder holds no products, InvalidArgument when none of them can be used.
absl::StatusOr<Loaded> LoadData(const std::string& directory, uint32_t price_seed);

// Writes items_shuffle.json, items_ins_v2.json, items_human_ins.json and prices.json, which
// LoadData reads back as the same products.
absl::Status WriteData(const std::string& directory, const std::vector<Product>& products);

// What the registry tells about a folder.
DataReport CheckWebShopData(const std::string& directory);

}  // namespace sojourn::envs::webshop

#endif  // SOJOURN_ENVS_WEBSHOP_DATA_FILES_H_
