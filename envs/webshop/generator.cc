#include "envs/webshop/generator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "envs/webshop/goals.h"
#include "envs/webshop/python_strings.h"

namespace sojourn::envs::webshop {
namespace {

constexpr int kTestPeriod = 5;      // one in five instructions is for testing
constexpr int kDraws = 100'000;     // of a goal, until one fits
constexpr int kFewestAttributes = 6, kMostAttributes = 9;

// An attribute stands before the kind of product ("machine wash"), or after it: "+" with, "=" for.
struct Department {
  std::string_view category;
  std::string_view attributes;  // separated by |
};

constexpr Department kDepartments[] = {
    {"fashion",
     "machine wash|hand wash|slim fit|loose fit|light weight|quick drying|moisture wicking|water "
     "resistant|+long sleeve|+short sleeve|+elastic waist|+drawstring closure|+button closure|+zipper "
     "pocket|+contrast color|+faux fur lining|+polyester spandex|+cotton blend|+rubber sole|+arch "
     "support|=daily wear|=gym workout|=dry clean|=teen girls|=everyday travel|=evening parties"},
    {"beauty",
     "long lasting|easy apply|cruelty free|paraben free|alcohol free|fragrance free|travel size|dermatologist "
     "tested|non greasy|high quality|+tea tree|+coconut oil|+hyaluronic acid|+natural "
     "ingredients|+argan oil|+shea butter|+vitamin c|+aloe vera|=sensitive skin|=dry skin|=damaged "
     "hair|=fine lines|=dark circles|=daily care|=oily hair|=nail art"},
    {"garden",
     "easy clean|easy assemble|space saving|heavy duty|height adjustable|eco friendly|non slip|mid "
     "century|wall mounted|fully assembled|+solid wood|+metal legs|+stainless steel|+storage "
     "space|+tempered glass|+memory foam|+glass shade|+faux leather|+bronze finish|=living "
     "room|=dining room|=small spaces|=home office|=guest bedroom|=kitchen island|=front porch"},
    {"electronics",
     "wireless charging|fast charging|high speed|noise cancelling|hands free|plug play|heavy duty|gold "
     "plated|high definition|water proof|+quick release|+carrying case|+usb port|+long battery "
     "life|+stereo sound|+touch controls|+tempered glass|+carbon fiber|+remote control|=home "
     "theater|=video calls|=outdoor sports|=travel use|=online gaming|=night vision|=desk setups"},
    {"grocery",
     "gluten free|dairy free|soy free|sugar free|low sodium|plant based|keto friendly|non gmo|kosher "
     "certified|individually wrapped|+high protein|+natural flavors|+artificial colors free|+real "
     "fruit|+dietary fiber|+resealable bags|+cocoa butter|+sea salt|+low calorie|=birthday "
     "parties|=gift baskets|=school lunches|=quick breakfast|=baking needs|=office snacks|=road trips"}};

// Groups of options by a letter.
struct OptionPool {
  char letter;
  std::string_view name, values;
};

constexpr OptionPool kOptionPools[] = {
    {'c', "color",
     "black|white|navy blue|wine red|army green|light grey|dusty pink|mustard yellow|chocolate "
     "brown|royal purple|burnt orange|beige|teal|khaki|lavender|coral"},
    {'s', "size", "x-small|small|medium|large|x-large|xx-large|3x-large"},
    {'w', "size", "6|6.5|7|7.5|8|8.5|9|9.5|10|10.5|11|12"},
    {'f', "fit type", "men|women|youth|regular|tall"},
    {'v', "size", "50 ml|100 ml|200 ml|500 ml|1 ounce|3.4 ounce|8 ounce (pack of 2)"},
    {'n', "scent", "unscented|vanilla|citrus|rose garden|eucalyptus|cedar|ocean breeze|jasmine"},
    {'d', "size", "18 inch|24 inch|30 inch|36 inch|48 inch|60 inch|72 inch"},
    {'y', "style", "classic|modern|vintage|industrial|with drawers|set of 2|set of 4"},
    {'l', "size", "3 feet|6 feet|10 feet|15 feet|25 feet|50 feet"},
    {'m', "model", "basic|pro|mini|plus|bundle|kit with adapter"},
    {'t', "flavor name",
     "original|milk chocolate|peanut butter|sweet chili|maple|cinnamon|salted caramel|lemon|variety "
     "pack|barbecue"},
    {'p', "pack", "single|pack of 2|pack of 4|pack of 6|pack of 12|pack of 24"}};

struct Kind {
  int department;
  std::string_view query, path, noun;
  int lowest, highest;       // dollars
  std::string_view options;  // letters of kOptionPools
};

constexpr Kind kKinds[] = {
    {0, "women's dresses", "Women \u203a Clothing \u203a Dresses", "Women's Dress", 15, 80, "csf"},
    {0, "men's shirts", "Men \u203a Clothing \u203a Shirts", "Men's Shirt", 12, 60, "csf"},
    {0, "women's fashion hoodies & sweatshirts", "Women \u203a Clothing \u203a Hoodies",
     "Women's Hoodie Sweatshirt", 18, 70, "csf"},
    {0, "men's pants", "Men \u203a Clothing \u203a Pants", "Men's Pants", 20, 90, "csf"},
    {0, "women's tops, tees & blouses", "Women \u203a Clothing \u203a Tops",
     "Women's Tunic Blouse", 10, 50, "csf"},
    {0, "men's sandals", "Men \u203a Shoes \u203a Sandals", "Men's Sandals", 20, 110, "cwy"},
    {0, "women's pumps", "Women \u203a Shoes \u203a Pumps", "Women's Pumps Heels", 25, 130, "cwy"},
    {0, "men's fashion sneakers", "Men \u203a Shoes \u203a Sneakers", "Men's Sneakers", 30, 140,
     "cwy"},
    {0, "women's jackets", "Women \u203a Clothing \u203a Coats", "Women's Jacket", 30, 180, "csf"},
    {0, "men's socks", "Men \u203a Clothing \u203a Socks", "Men's Crew Socks", 6, 30, "cps"},
    {1, "shampoo & conditioner", "Hair Care \u203a Shampoo", "Shampoo", 6, 40, "nvp"},
    {1, "face moisturizers", "Skin Care \u203a Face", "Face Cream Moisturizer", 8, 70, "nvp"},
    {1, "body lotions", "Skin Care \u203a Body", "Body Lotion", 6, 35, "nvp"},
    {1, "hair masks", "Hair Care \u203a Hair Masks", "Hair Mask Treatment", 9, 50, "nvp"},
    {1, "lip balms", "Makeup \u203a Lips", "Lip Balm Set", 4, 20, "tcp"},
    {1, "nail polish", "Foot, Hand & Nail Care \u203a Nail", "Nail Polish Set", 5, 30, "cvp"},
    {1, "makeup brushes", "Tools & Accessories \u203a Brushes", "Makeup Brush Set", 8, 45, "cym"},
    {1, "men's fragrance", "Fragrance \u203a Men", "Cologne Spray", 20, 120, "nvm"},
    {1, "bathing accessories", "Personal Care \u203a Bath", "Bath Sponge Set", 5, 25, "cpy"},
    {1, "eyes care", "Skin Care \u203a Eyes", "Eye Gel Patches", 7, 40, "nvp"},
    {2, "console tables", "Furniture \u203a Living Room Furniture \u203a Tables",
     "Console Sofa Table", 70, 600, "cdy"},
    {2, "dining chairs", "Furniture \u203a Dining Room Furniture \u203a Chairs", "Dining Chair", 50,
     400, "cyd"},
    {2, "pendants and chandeliers", "Lighting & Ceiling Fans \u203a Ceiling Lights",
     "Pendant Light Chandelier", 30, 300, "cdy"},
    {2, "decorative pillows", "Bedding \u203a Decorative Pillows", "Throw Pillow Covers", 8, 40,
     "cdy"},
    {2, "book cases", "Furniture \u203a Home Office Furniture \u203a Bookcases",
     "Bookcase Shelf", 60, 500, "cdy"},
    {2, "office chairs", "Furniture \u203a Home Office Furniture \u203a Desk Chairs",
     "Office Desk Chair", 80, 450, "cym"},
    {2, "area rugs", "Home D\u00e9cor \u203a Rugs", "Area Rug", 25, 300, "cdy"},
    {2, "table lamps", "Lighting \u203a Lamps", "Table Lamp", 20, 120, "cdy"},
    {2, "bed frames", "Furniture \u203a Bedroom Furniture \u203a Beds", "Platform Bed Frame", 100,
     700, "cdy"},
    {2, "window curtains", "Window Treatments \u203a Curtains", "Window Curtain Panels", 12, 80,
     "cdy"},
    {3, "hdmi cables", "Accessories & Supplies \u203a Cables", "HDMI Cable", 6, 60, "lcm"},
    {3, "bluetooth headsets", "Headphones \u203a Earbud", "Bluetooth Headset Earbuds", 15, 160,
     "cmy"},
    {3, "iphone accessories", "Cell Phones & Accessories \u203a Mounts", "iPhone Car Mount Holder",
     9, 60, "cmy"},
    {3, "home theater systems", "Home Audio \u203a Speakers", "Soundbar Speaker", 40, 500, "cmy"},
    {3, "wall chargers", "Portable Power \u203a Chargers", "USB Wall Charger", 8, 50, "cpl"},
    {3, "webcams", "Computer Accessories \u203a Webcams", "Webcam Camera", 18, 150, "cmy"},
    {3, "smartwatch bands", "Wearable Technology \u203a Bands", "Smartwatch Band", 6, 45, "csm"},
    {3, "projectors", "Television & Video \u203a Projectors", "Video Projector", 60, 800, "cmy"},
    {3, "game controllers", "Video Games \u203a Controllers", "Game Controller Gamepad", 20, 90,
     "cmp"},
    {3, "security cameras", "Surveillance \u203a Cameras", "Security Camera", 25, 250, "cmp"},
    {4, "snack bars", "Snacks & Sweets \u203a Bars", "Snack Bars", 6, 40, "tp"},
    {4, "breads & bakery", "Breads & Bakery \u203a Cookies", "Cookies", 5, 35, "tp"},
    {4, "tea beverages", "Beverages \u203a Tea", "Tea Bags", 4, 30, "tp"},
    {4, "coffee beverages", "Beverages \u203a Coffee", "Ground Coffee", 8, 45, "tp"},
    {4, "chocolates", "Snacks & Sweets \u203a Chocolate", "Chocolate Truffles", 7, 60, "tp"},
    {4, "nuts & seeds", "Snacks & Sweets \u203a Nuts", "Roasted Nuts Mix", 8, 50, "tp"},
    {4, "sauces & dressings", "Pantry Staples \u203a Sauces", "Cooking Sauce", 5, 30, "tp"},
    {4, "breakfast cereals", "Breakfast Foods \u203a Cereals", "Granola Cereal", 5, 35, "tp"},
    {4, "dried fruits", "Produce \u203a Dried Fruits", "Dried Fruit Slices", 6, 40, "tp"},
    {4, "protein drinks", "Beverages \u203a Protein", "Protein Shake", 15, 80, "tp"}};

constexpr std::string_view kCategoryNames[] = {"Clothing, Shoes & Jewelry",
                                               "Beauty & Personal Care", "Home & Kitchen",
                                               "Electronics", "Grocery & Gourmet Food"};

std::vector<std::string> Parts(std::string_view list) { return absl::StrSplit(list, '|'); }

std::string Bare(const std::string& attribute) {
  return attribute[0] == '+' || attribute[0] == '=' ? attribute.substr(1) : attribute;
}

std::string TitleCase(std::string text) {
  bool begins = true;
  for (char& c : text) {
    if (begins && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    begins = c == ' ';
  }
  return text;
}

std::string Brand(Random& random) {
  constexpr std::string_view kFirst[] = {"Nor", "Vel", "Ama", "Kir", "Sol", "Bex", "Tal", "Ori",
                                         "Lum", "Fen", "Dra", "Zev", "Pax", "Ely", "Mar", "Hux"};
  constexpr std::string_view kMiddle[] = {"va", "ri", "do", "le", "mi", "to", "na", "shi"};
  constexpr std::string_view kLast[] = {"ra", "co", "lux", "ne", "dor", "wen", "tek", "sy", "mont"};
  const auto pick = [&](const auto& parts) { return parts[random.Below(std::size(parts))]; };
  const bool is_short = random.Below(3) == 0;
  return absl::StrCat(pick(kFirst), is_short ? std::string_view() : pick(kMiddle), pick(kLast));
}

// Different for different numbers: a bijection of 40 bits in base 32.
std::string Asin(uint64_t seed, int number) {
  constexpr char kDigits[] = "0123456789ABCDEFGHJKLMNPQRSTVWXY";
  constexpr uint64_t kMask = (uint64_t{1} << 40) - 1;
  uint64_t value = (static_cast<uint64_t>(number) * 0x9e3779b97f4a7c15u + seed * 0x632be59bd9b4e019u) &
                   kMask;
  value ^= value >> 21;
  value = (value * 0xd6e8feb86659fd93u) & kMask;
  value ^= value >> 19;
  std::string asin = "B0";
  for (int shift = 35; shift >= 0; shift -= 5) asin += kDigits[(value >> shift) & 31];
  return asin;
}

// What an instruction's attributes make of it, before options and price.
std::string InstructionText(const Product& product, const std::vector<std::string>& attributes) {
  std::array<std::vector<std::string>, 3> places;  // before, with, for
  const auto kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                 [&](const Kind& k) { return k.query == product.query; });
  const std::vector<std::string> known = Parts(kDepartments[kind->department].attributes);
  for (const std::string& attribute : attributes) {
    size_t place = 0;
    for (const std::string& entry : known) {
      if (Bare(entry) == attribute) place = entry[0] == '+' ? 1 : entry[0] == '=' ? 2 : 0;
    }
    places[place].push_back(attribute);
  }
  std::string text = "Find me";
  const auto add = [&](std::string_view word, const std::vector<std::string>& list) {
    if (!list.empty()) absl::StrAppend(&text, word, " ", absl::StrJoin(list, ", "));
  };
  add("", places[0]);
  absl::StrAppend(&text, " ", product.query);
  add(" with", places[1]);
  add(" for", places[2]);
  return text;
}

template <typename T>
std::vector<T> Draw(std::vector<T> values, size_t count, Random& random) {
  random.Shuffle(values);
  values.resize(std::min(count, values.size()));
  return values;
}

// Keeps the order that they have in `all`.
std::vector<std::string> DrawInOrder(const std::vector<std::string>& all, size_t count,
                                     Random& random) {
  std::vector<size_t> numbers(all.size());
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
  numbers = Draw(std::move(numbers), count, random);
  std::sort(numbers.begin(), numbers.end());
  std::vector<std::string> drawn;
  for (const size_t number : numbers) drawn.push_back(all[number]);
  return drawn;
}

double DrawPrice(const Kind& kind, Random& random) {
  const double dollars = kind.lowest + (kind.highest - kind.lowest) * random.Uniform();
  return std::floor(dollars) + (random.Below(2) == 0 ? 0.99 : 0.49);
}

Product MakeProduct(const Kind& kind, std::string asin, Random random) {
  const Department& department = kDepartments[kind.department];
  Product product{.asin = std::move(asin),
                  .category = std::string(department.category),
                  .query = std::string(kind.query),
                  .product_category = absl::StrCat(kCategoryNames[kind.department], " \u203a ",
                                                   kind.path)};
  const int attributes =
      kFewestAttributes + static_cast<int>(random.Below(kMostAttributes - kFewestAttributes + 1));
  for (const std::string& attribute :
       DrawInOrder(Parts(department.attributes), attributes, random)) {
    product.attributes.push_back(Bare(attribute));
  }

  const std::vector<std::string> shown =
      DrawInOrder(product.attributes, 2 + random.Below(3), random);
  product.title = absl::StrCat(Brand(random), " ", std::string(kind.noun));
  for (const std::string& attribute : shown) {
    absl::StrAppend(&product.title, ", ", TitleCase(attribute));
  }

  for (const char letter : kind.options) {
    const OptionPool& pool = *std::find_if(std::begin(kOptionPools), std::end(kOptionPools),
                                           [&](const OptionPool& p) { return p.letter == letter; });
    const auto values = Parts(pool.values);
    // The first two groups are always there, so that every product can be asked for with options.
    if (product.options.size() >= 2 && random.Below(3) == 0) continue;
    product.options.push_back({std::string(pool.name),
                               DrawInOrder(values, 2 + random.Below(values.size() - 1), random)});
  }

  // The first feature can be searched, too; the others are read only on the product's page.
  std::vector<std::string> rest;
  for (const std::string& attribute : product.attributes) {
    if (std::find(shown.begin(), shown.end(), attribute) == shown.end()) rest.push_back(attribute);
  }
  random.Shuffle(rest);
  const std::string noun = Lower(kind.noun);
  const size_t split = (rest.size() + 1) / 2;
  product.features = {absl::StrCat(
      "This ", noun, ": ", absl::StrJoin(rest.begin(), rest.begin() + split, ", "), ".")};
  for (size_t i = split; i < rest.size(); ++i) {
    product.features.push_back(absl::StrCat(TitleCase(rest[i]), ": as described."));
  }
  for (const std::string& attribute : shown) {
    product.features.push_back(absl::StrCat(TitleCase(attribute), "."));
  }
  if (random.Below(4) != 0) {
    product.description =
        absl::StrCat("A ", noun, " by ", product.title.substr(0, product.title.find(' ')), ".");
  }

  product.price = DrawPrice(kind, random);
  product.price_tag = absl::StrCat("$", FloatRepr(product.price));
  product.synthetic = {{.attributes = DrawInOrder(product.attributes, 2 + random.Below(3), random)}};
  product.synthetic[0].text = InstructionText(product, product.synthetic[0].attributes);
  return product;
}

}  // namespace

std::vector<std::string> NamesOfWares() {
  std::set<std::string> words;
  const auto add = [&](std::string_view text) {
    for (const std::string_view word : absl::StrSplit(text, absl::ByAnyChar(" |&,'()"))) {
      const bool is_word =
          word.size() > 2 && std::all_of(word.begin() + 1, word.end(), absl::ascii_islower);
      if (is_word && absl::ascii_isalpha(word[0])) words.insert(Lower(word));
    }
  };
  for (const Kind& kind : kKinds) {
    add(kind.query);
    add(kind.noun);
  }
  for (const OptionPool& pool : kOptionPools) {
    if (pool.name != "size" && pool.name != "pack" && pool.name != "model") add(pool.values);
  }
  // What instructions and packs say as well.
  for (const char* word : {"and", "with", "for", "set", "pack", "original"}) words.erase(word);
  std::vector<std::string> names;
  for (const std::string& word : words) {
    const bool is_plural =
        (word.ends_with("s") && words.contains(word.substr(0, word.size() - 1))) ||
        (word.ends_with("es") && words.contains(word.substr(0, word.size() - 2)));
    if (is_plural) continue;
    names.push_back(word);
    for (const char* ending : {"s", "es"}) {
      if (words.contains(word + ending)) absl::StrAppend(&names.back(), "|", word, ending);
    }
  }
  return names;
}

int DifficultyOf(int constraints) { return std::clamp((constraints + 1) / 2, 1, kDifficulties); }

Split SplitOf(std::string_view instruction) {
  const uint64_t hash = RandomKey(0).With("webshop split").With(instruction).value();
  return hash % kTestPeriod == 0 ? Split::kTest : Split::kTrain;
}

std::vector<Product> MakeProducts(uint64_t seed, int count) {
  std::vector<Product> products;
  products.reserve(count);
  const RandomKey key = RandomKey(seed).With("webshop product");
  for (int i = 0; i < count; ++i) {
    products.push_back(
        MakeProduct(kKinds[i % std::size(kKinds)], Asin(seed, i), Random(key.With(i))));
  }
  return products;
}

std::optional<Goal> MakeGoal(const std::vector<Product>& products, Split split, int difficulty,
                             RandomKey key) {
  Random random(key);
  for (int i = 0; i < kDraws; ++i) {
    const auto number = static_cast<int32_t>(random.Below(products.size()));
    const Product& product = products[number];
    const size_t constraints = 2 * difficulty - random.Below(2);
    // About a third of the constraints are options.
    const size_t options = std::min<size_t>(product.options.size(), (constraints + random.Below(2)) / 3);
    const size_t attributes = constraints - options;
    if (attributes == 0 || attributes > product.attributes.size()) continue;
    Goal goal{.product = number,
              .attributes = DrawInOrder(product.attributes, attributes, random)};
    goal.instruction_text = InstructionText(product, goal.attributes);
    if (SplitOf(goal.instruction_text) != split) continue;
    std::vector<OptionGroup> groups = Draw(product.options, options, random);
    std::sort(groups.begin(), groups.end(),
              [](const OptionGroup& a, const OptionGroup& b) { return a.name < b.name; });
    for (const OptionGroup& group : groups) {
      goal.options.emplace_back(group.name, group.values[random.Below(group.values.size())]);
      absl::StrAppend(&goal.instruction_text, goal.options.size() == 1 ? " with " : ", and ",
                      group.name, ": ", goal.options.back().second);
    }
    goal.price_upper = 10 * (std::floor(product.price / 10) + 1 + static_cast<double>(random.Below(3)));
    goal.instruction_text += PriceText(goal.price_upper);
    return goal;
  }
  return std::nullopt;
}

}  // namespace sojourn::envs::webshop
