// WebShop: the first byte says what the rest is: P products, I instructions, H human instructions, anything
// else actions in a made-up shop, one a line.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "envs/webshop/data_files.h"
#include "envs/webshop/generator.h"
#include "envs/webshop/session.h"
#include "envs/webshop/shop.h"
#include "envs/webshop/shopper.h"

namespace {

using namespace sojourn::envs::webshop;

constexpr int kSteps = 30;
constexpr size_t kMostGoals = 3;
constexpr char kProduct[] =
    R"([{"asin":"B000000001","name":"Nor Dress","full_description":"","small_description":["wash"],)"
    R"("pricing":"$5","category":"fashion","query":"dresses","product_category":"",)"
    R"("customization_options":{"size":[{"value":"s/m"}]}}])";

void Expect(bool holds) {
  if (!holds) __builtin_trap();
}

const std::string& Folder() {
  static const auto& folder = *[] {
    auto* path = new std::string(
        absl::StrCat(std::filesystem::temp_directory_path().string(), "/fuzz_webshop_", getpid()));
    std::filesystem::create_directories(*path);
    static const struct Remover {
      ~Remover() { std::filesystem::remove_all(Folder()); }
    } remover;
    return path;
  }();
  return folder;
}

void Write(const char* name, std::string_view text) {
  Expect(static_cast<bool>(std::ofstream(absl::StrCat(Folder(), "/", name)) << text));
}

void Play(Session& session, std::string_view actions) {
  int left = kSteps;
  for (const absl::string_view line :
       absl::StrSplit(absl::string_view(actions.data(), actions.size()), '\n')) {
    if (left-- == 0) break;
    (void)session.Step({line.data(), line.size()});
    (void)session.Observation();
    (void)session.GetAvailableActions();
    (void)session.InstructionText();
  }
}

// Whatever loads can be played, and written and read back.
void Load() {
  const auto loaded = LoadData(Folder(), 0);
  if (!loaded.ok()) return;
  for (const GoalKind kind : {GoalKind::kSynthetic, GoalKind::kHuman}) {
    const auto shop = Shop::Make(loaded->products, kind);
    for (size_t i = 0; i < std::min(shop->goals.size(), kMostGoals); ++i) {
      Session session(shop->catalogue, sojourn::RandomKey(0));
      session.Begin(shop->goal(i));
      Shopper shopper(shop->goal(i));
      for (int step = 0; step < kSteps && !session.score(); ++step) {
        const auto advice = shopper.Advise(session);
        if (!advice.ok()) break;
        Play(session, advice->action);
      }
      Expect(!session.score() || session.score()->reward == 1);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const char what = static_cast<char>(data[0]);
  if (what == 'P' || what == 'I' || what == 'H') {
    Write("products.json", what == 'P' ? text : kProduct);
    Write("items_ins_v2.json", what == 'I' ? text : "{}");
    Write("items_human_ins.json", what == 'H' ? text : "{}");
    Load();
    return 0;
  }
  static const auto& shop = *new std::shared_ptr<const Shop>(
      Shop::Make(MakeProducts(0, kFewestProducts), GoalKind::kSynthetic));
  Session session(shop->catalogue, sojourn::RandomKey(0));
  session.Begin(shop->goal(0));
  Play(session, text);
  return 0;
}
