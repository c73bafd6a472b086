#include "envs/webshop/data_files.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "common/files.h"
#include "envs/python_text.h"
#include "envs/recordings.h"
#include "envs/textcraft/python_random.h"
#include "envs/webshop/goals.h"
#include "envs/webshop/json_entries.h"
#include "envs/webshop/python_strings.h"

namespace sojourn::envs::webshop {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;  // options are shown in the file's order

constexpr size_t kLongestAsin = 10;
constexpr size_t kMostFaults = 1000;
constexpr double kUnknownPrice = 100;
constexpr char kNoAttributes[] = "DUMMY_ATTR";  // the original's stand-in, which shoppers may see

template <typename... Parts>
absl::Status Bad(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

const Json* Find(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// What Python takes for false.
bool IsEmpty(const Json* value) {
  return value == nullptr || value->empty() ||
         (value->is_string() && value->get_ref<const std::string&>().empty());
}

absl::StatusOr<std::string> Text(const Json& object, const char* name) {
  const Json* const value = Find(object, name);
  if (value == nullptr) return Bad("\"", name, "\" is missing");
  if (!value->is_string()) return Bad("\"", name, "\" is not a text");
  return value->get<std::string>();
}

absl::StatusOr<std::vector<std::string>> Texts(const Json& list, std::string_view name) {
  if (!list.is_array()) return Bad("\"", std::string(name), "\" is not a list");
  std::vector<std::string> texts;
  for (const Json& text : list) {
    if (!text.is_string()) {
      return Bad("\"", std::string(name), "\" has a member that is not a text");
    }
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

// "$16.99$26.99", [16.99, 26.99], "" or []: at most two prices.
absl::StatusOr<std::vector<double>> ReadPricing(const Json* pricing) {
  std::vector<double> prices;
  if (IsEmpty(pricing)) return prices;
  if (pricing->is_array()) {
    for (const Json& price : *pricing) {
      if (!price.is_number()) return Bad("\"pricing\" has a member that is not a number");
      prices.push_back(price.get<double>());
    }
  } else if (pricing->is_string()) {
    const std::vector<std::string> parts = absl::StrSplit(pricing->get<std::string>(), '$');
    for (size_t i = 1; i < parts.size(); ++i) {
      std::string digits;
      for (const char c : parts[i]) {
        if (absl::ascii_isdigit(c) || c == '.') digits += c;
      }
      if (!absl::SimpleAtod(digits, &prices.emplace_back())) {
        return Bad("\"pricing\": \"", parts[i], "\" is not a price");
      }
    }
    if (prices.empty()) return Bad("\"pricing\" has no price after a dollar sign");
  } else {
    return Bad("\"pricing\" is neither a text nor a list");
  }
  for (const double price : prices) {
    if (!std::isfinite(price)) return Bad("\"pricing\" is out of range");
  }
  if (prices.size() > 2) prices.resize(2);
  return prices;
}

void SetOptions(std::string name, std::vector<std::string> values, Product& product) {
  name = Lower(name);
  for (OptionGroup& group : product.options) {
    if (group.name != name) continue;
    group.values = std::move(values);
    return;
  }
  product.options.push_back({std::move(name), std::move(values)});
}

absl::Status ReadOptions(const Json& raw, Product& product) {
  const Json* const customization = Find(raw, "customization_options");
  const Json* const options = Find(raw, "options");
  if (!IsEmpty(customization)) {
    if (!customization->is_object()) return Bad("\"customization_options\" is not an object");
    for (const auto& [name, contents] : customization->items()) {
      if (contents.is_null()) continue;
      std::vector<std::string> values;
      for (const Json& content : contents) {
        const auto value = content.is_object() ? Text(content, "value")
                                               : absl::StatusOr<std::string>(Bad("no object"));
        if (!value.ok()) return Bad("option \"", name, "\": ", value.status().message());
        values.push_back(
            Lower(absl::StrReplaceAll(std::string(StripSpace(*value)), {{"/", " | "}})));
      }
      SetOptions(name, std::move(values), product);
    }
  } else if (customization == nullptr && options != nullptr && options->is_object()) {
    for (const auto& [name, contents] : options->items()) {
      auto values = Texts(contents, name);
      if (!values.ok()) return values.status();
      for (std::string& value : *values) value = Lower(value);
      SetOptions(name, *std::move(values), product);
    }
  }
  return absl::OkStatus();
}

// {"instruction": ..., "instruction_attributes": [...]}; nothing when there is no instruction.
absl::StatusOr<std::optional<Instruction>> ReadInstruction(const Json& raw, const char* text_name) {
  const Json* const text = Find(raw, text_name);
  if (text == nullptr) return std::nullopt;
  if (!text->is_string()) return Bad("\"", text_name, "\" is not a text");
  Instruction instruction{.text = text->get<std::string>()};
  const Json* const attributes = Find(raw, "instruction_attributes");
  if (attributes != nullptr) {
    auto texts = Texts(*attributes, "instruction_attributes");
    if (!texts.ok()) return texts.status();
    instruction.attributes = *std::move(texts);
  }
  return instruction;
}

absl::StatusOr<Product> ReadProduct(const Json& raw) {
  Product product;
  const std::pair<const char*, std::string*> texts[] = {
      {"asin", &product.asin},
      {"name", &product.title},
      {"full_description", &product.description},
      {"category", &product.category},
      {"query", &product.query},
      {"product_category", &product.product_category}};
  for (const auto& [name, target] : texts) {
    auto text = Text(raw, name);
    if (!text.ok()) return text.status();
    *target = *std::move(text);
  }
  product.query = std::string(StripSpace(Lower(product.query)));

  const Json* const features = Find(raw, "small_description");
  if (features != nullptr && features->is_string()) {
    product.features = {features->get<std::string>()};
  } else {
    auto points = features == nullptr ? Bad("\"small_description\" is missing")
                                      : Texts(*features, "small_description");
    if (!points.ok()) return points.status();
    product.features = *std::move(points);
  }
  const absl::Status options = ReadOptions(raw, product);
  if (!options.ok()) return options;

  const auto prices = ReadPricing(Find(raw, "pricing"));
  if (!prices.ok()) return prices.status();
  const double first = prices->empty() ? kUnknownPrice : prices->front();
  product.price = first;
  product.price_tag = absl::StrCat("$", FloatRepr(first));
  if (prices->size() == 2) {
    absl::StrAppend(&product.price_tag, " to $", FloatRepr(prices->back()));
    product.price_range = {prices->front(), prices->back()};
  }

  product.attributes = {kNoAttributes};
  if (const Json* const attributes = Find(raw, "Attributes"); attributes != nullptr) {
    auto own = Texts(*attributes, "Attributes");
    if (!own.ok()) return own.status();
    product.attributes = *std::move(own);
  }
  auto instruction = ReadInstruction(raw, "instruction_text");
  if (!instruction.ok()) return instruction.status();
  if (instruction->has_value() && !(*instruction)->attributes.empty()) {
    product.synthetic = {**std::move(instruction)};
  }
  return product;
}

class Loader {
 public:
  absl::StatusOr<Loaded> Load(const std::string& directory, uint32_t price_seed) {
    const DataFiles files = FindDataFiles(directory);
    if (files.products.empty()) {
      return absl::NotFoundError(absl::StrCat(
          directory, ": no file of products (items_shuffle*.json, products*.jsonl, ...)"));
    }
    absl::Status read = ReadProducts(files.products);
    if (read.ok() && !files.instructions.empty()) read = ReadInstructions(files.instructions);
    if (read.ok() && !files.human.empty()) read = ReadHuman(files.human);
    if (!read.ok()) return read;
    if (loaded_.products.empty()) {
      return Bad(files.products, ": none of its products can be used; ",
                 loaded_.faults.empty() ? "it holds none" : loaded_.faults.front());
    }
    textcraft::PythonRandom random(price_seed);
    for (Product& product : loaded_.products) {
      if (!product.price_range) continue;
      const auto [low, high] = *product.price_range;
      product.price = low + (high - low) * random.Random();
    }
    if (!files.prices.empty()) read = ReadPrices(files.prices);
    if (!read.ok()) return read;
    return std::move(loaded_);
  }

 private:
  void Fault(const std::string& path, int64_t line, std::string_view what) {
    if (loaded_.faults.size() < kMostFaults) {
      loaded_.faults.push_back(absl::StrCat(path, ":", line, ": ", std::string(what)));
    } else if (loaded_.faults.size() == kMostFaults) {
      loaded_.faults.push_back("more faults are not listed");
    }
  }

  using Read = std::function<absl::Status(const JsonEntry&)>;

  // Goes through a file; what `read` says of an entry is a fault.
  absl::Status ForEach(const std::string& path, bool members, std::string_view consequence,
                       const Read& read) {
    const auto text = ReadRecordingText(path);
    if (!text.ok()) return text.status();
    (members ? ForEachMember : ForEachElement)(*text, [&](const JsonEntry& entry) {
      const absl::Status status = entry.fault.empty() ? read(entry) : Bad(entry.fault);
      if (status.ok()) return;
      const std::string key = entry.key.empty() ? "" : absl::StrCat(entry.key, ": ");
      Fault(path, entry.line, absl::StrCat(key, status.message(), "; ", std::string(consequence)));
    });
    return absl::OkStatus();
  }

  absl::Status ReadProducts(const std::string& path) {
    return ForEach(path, false, "the product is left out", [&](const JsonEntry& entry) {
      const Json* raw = &entry.value;
      if (raw->is_object() && raw->contains("product")) raw = &raw->at("product");
      if (!raw->is_object()) return Bad("not an object");
      auto product = ReadProduct(*raw);
      if (!product.ok()) return product.status();
      if (product->features.empty()) return Bad("\"small_description\" is empty");
      if (product->asin == "nan" || CharacterCount(product->asin) > kLongestAsin ||
          !by_asin_.emplace(product->asin, loaded_.products.size()).second) {
        return absl::OkStatus();
      }
      if (CombinationCount(*product) > kMostCombinations) {
        product->synthetic.clear();
        Fault(path, entry.line, "its options have too many combinations; it is no goal");
      }
      loaded_.products.push_back(*std::move(product));
      return absl::OkStatus();
    });
  }

  Product* FindProduct(const std::string& asin) {
    const auto found = by_asin_.find(asin);
    return found == by_asin_.end() ? nullptr : &loaded_.products[found->second];
  }

  absl::Status ReadInstructions(const std::string& path) {
    for (Product& product : loaded_.products) {
      product.attributes = {kNoAttributes};
      product.synthetic.clear();
    }
    return ForEach(path, true, "the entry is left out", [&](const JsonEntry& entry) {
      Product* const product = FindProduct(entry.key);
      if (product == nullptr) return absl::OkStatus();
      if (!entry.value.is_object()) return Bad("not an object");
      if (const Json* const attributes = Find(entry.value, "attributes"); attributes != nullptr) {
        auto texts = Texts(*attributes, "attributes");
        if (!texts.ok()) return texts.status();
        product->attributes = *std::move(texts);
      }
      auto instruction = ReadInstruction(entry.value, "instruction");
      if (!instruction.ok()) return instruction.status();
      if (!instruction->has_value()) return absl::OkStatus();
      if ((*instruction)->attributes.empty()) return Bad("an instruction without attributes");
      if (CombinationCount(*product) > kMostCombinations) return absl::OkStatus();
      product->synthetic = {**std::move(instruction)};
      return absl::OkStatus();
    });
  }

  absl::Status ReadHuman(const std::string& path) {
    return ForEach(path, true, "its instructions are left out", [&](const JsonEntry& entry) {
      Product* const product = FindProduct(entry.key);
      if (product == nullptr) return absl::OkStatus();
      if (!entry.value.is_array()) return Bad("not a list");
      std::vector<Instruction> instructions;
      for (const Json& raw : entry.value) {
        if (!raw.is_object()) return Bad("an instruction is not an object");
        auto instruction = ReadInstruction(raw, "instruction");
        if (!instruction.ok()) return instruction.status();
        if (!instruction->has_value()) return Bad("\"instruction\" is missing");
        if ((*instruction)->attributes.empty()) continue;  // as the original
        const Json* const options = Find(raw, "instruction_options");
        if (options != nullptr && options->is_object()) {
          for (const auto& [name, value] : options->items()) {
            if (!value.is_string()) return Bad("an option is not a text");
            (*instruction)->options.emplace_back(name, value.get<std::string>());
          }
        } else if (options != nullptr) {
          auto values = Texts(*options, "instruction_options");
          if (!values.ok()) return values.status();
          (*instruction)->options_are_named = false;
          for (std::string& value : *values) {
            (*instruction)->options.emplace_back("", std::move(value));
          }
        }
        instructions.push_back(**std::move(instruction));
      }
      product->human = std::move(instructions);
      return absl::OkStatus();
    });
  }

  absl::Status ReadPrices(const std::string& path) {
    return ForEach(path, true, "the price is as if there were none", [&](const JsonEntry& entry) {
      Product* const product = FindProduct(entry.key);
      if (product == nullptr) return absl::OkStatus();
      if (!entry.value.is_number()) return Bad("not a number");
      product->price = entry.value.get<double>();
      return absl::OkStatus();
    });
  }

  Loaded loaded_;
  absl::flat_hash_map<std::string, size_t> by_asin_;
};

// "$16.99$26.99", as the original's files have it.
std::string PricingText(const Product& product) {
  if (!product.price_range) return product.price_tag;
  return absl::StrCat("$", FloatRepr(product.price_range->first), "$",
                      FloatRepr(product.price_range->second));
}

Json ProductJson(const Product& product) {
  Json options = Json::object();
  for (const OptionGroup& group : product.options) {
    Json& values = options[group.name] = Json::array();
    for (const std::string& value : group.values) {
      values.push_back({{"value", absl::StrReplaceAll(value, {{" | ", "/"}})}});
    }
  }
  return {{"asin", product.asin},
          {"name", product.title},
          {"full_description", product.description},
          {"small_description", product.features},
          {"pricing", PricingText(product)},
          {"category", product.category},
          {"query", product.query},
          {"product_category", product.product_category},
          {"images", {""}},
          {"customization_options", options}};
}

std::string Dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

DataFiles FindDataFiles(const std::string& directory) {
  constexpr char kFolder[] = "webshop";
  struct Kind {
    std::string DataFiles::*path;
    std::vector<std::string_view> prefixes;
  };
  static const auto* const kinds =
      new std::vector<Kind>{// the first that fits
                            {&DataFiles::human, {"items_human_ins"}},
                            {&DataFiles::instructions, {"items_ins", "instructions"}},
                            {&DataFiles::products, {"items_shuffle", "products", "documents"}},
                            {&DataFiles::prices, {"prices", "webshop_prices"}}};
  DataFiles files;
  std::map<std::string, std::pair<uintmax_t, std::string>> sizes;
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->is_regular_file(error)) paths.push_back(entry->path());
  }
  std::sort(paths.begin(), paths.end());
  for (const Kind& kind : *kinds) {
    uintmax_t largest = 0;
    for (const fs::path& path : paths) {
      const std::string name = path.filename().string();
      std::string_view bare = name;
      if (bare.ends_with(".xz")) bare.remove_suffix(3);
      if (!bare.ends_with(".json") && !bare.ends_with(".jsonl")) continue;
      const bool fits = std::any_of(kind.prefixes.begin(), kind.prefixes.end(),
                                    [&](std::string_view p) { return bare.starts_with(p); });
      const uintmax_t size = fits ? fs::file_size(path, error) : 0;
      if (!fits || error || ((files.*kind.path) != "" && size <= largest)) continue;
      largest = size;
      files.*kind.path = path.string();
    }
  }
  if (files.products.empty() && fs::path(directory).filename() != kFolder) {
    const fs::path below = fs::path(directory) / kFolder;
    if (fs::is_directory(below, error)) return FindDataFiles(below.string());
  }
  return files;
}

absl::StatusOr<Loaded> LoadData(const std::string& directory, uint32_t price_seed) {
  return Loader().Load(directory, price_seed);
}

absl::Status WriteData(const std::string& directory, const std::vector<Product>& products) {
  std::string items = "[", prices = "{", instructions = "{", human = "{";
  const char* separator = "\n";
  const char* human_separator = "\n";
  for (const Product& product : products) {
    absl::StrAppend(&items, separator, Dump(ProductJson(product)));
    const std::string key = absl::StrCat(separator, Dump(product.asin), ": ");
    absl::StrAppend(&prices, key, Dump(product.price));
    Json entry = {{"attributes", product.attributes}};
    if (!product.synthetic.empty()) {
      entry["instruction"] = product.synthetic.front().text;
      entry["instruction_attributes"] = product.synthetic.front().attributes;
    }
    absl::StrAppend(&instructions, key, Dump(entry));
    separator = ",\n";
    if (product.human.empty()) continue;
    Json list = Json::array();
    for (const Instruction& instruction : product.human) {
      Json options = instruction.options_are_named ? Json::object() : Json::array();
      for (const auto& [name, value] : instruction.options) {
        if (instruction.options_are_named) {
          options[name] = value;
        } else {
          options.push_back(value);
        }
      }
      list.push_back({{"instruction", instruction.text},
                      {"instruction_attributes", instruction.attributes},
                      {"instruction_options", options}});
    }
    absl::StrAppend(&human, human_separator, Dump(product.asin), ": ", Dump(list));
    human_separator = ",\n";
  }
  const std::pair<const char*, std::string> files[] = {
      {"items_shuffle.json", items + "\n]\n"},
      {"items_ins_v2.json", instructions + "\n}\n"},
      {"items_human_ins.json", human + "\n}\n"},
      {"prices.json", prices + "\n}\n"}};
  for (const auto& [name, text] : files) {
    const absl::Status written = WriteFileAtomically(absl::StrCat(directory, "/", name), text);
    if (!written.ok()) return written;
  }
  return absl::OkStatus();
}

DataReport CheckWebShopData(const std::string& directory) {
  DataReport report;
  const DataFiles files = FindDataFiles(directory);
  if (files.products.empty()) return report;
  auto loaded = LoadData(directory, 0);
  if (!loaded.ok()) {
    report.faults.emplace_back(loaded.status().message());
    return report;
  }
  report.faults = std::move(loaded->faults);
  report.found.push_back({"products", static_cast<int64_t>(loaded->products.size()),
                          "the shop sells them: --option data=" + directory});
  const auto goals = [&](GoalKind kind) {
    return static_cast<int64_t>(MakeGoals(loaded->products, kind).size());
  };
  if (const int64_t count = goals(GoalKind::kSynthetic); count > 0) {
    report.found.push_back({"synthetic goals", count, "tasks, with goals=synthetic (default)"});
  }
  if (const int64_t count = goals(GoalKind::kHuman); count > 0) {
    report.found.push_back({"goals from human instructions", count, "tasks, with goals=human"});
  }
  return report;
}

}  // namespace sojourn::envs::webshop
