#include "policy/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/files.h"
#include "common/random.h"

namespace sojourn::policy {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

const absl::Time kNow = absl::FromUnixSeconds(1721995200);  // 2024-07-26 12:00 UTC

absl::StatusOr<std::string> Render(std::string_view source,
                                   const Json& variables = Json::object()) {
  const auto parsed = ChatTemplate::Parse(source, "t");
  if (!parsed.ok()) return parsed.status();
  return parsed->Render(variables, kNow);
}

std::string ErrorOf(std::string_view source) {
  return std::string(Render(source).status().message());
}

Json Fixture() { return Json::parse(*ReadFile("policy/testdata/chat_templates.json")); }

// tests/oracles/make_chat_template_fixtures.py
TEST(ChatTemplate, RendersAsJinja2Does) {
  const Json fixture = Fixture();
  ASSERT_GE(fixture["cases"].size(), 90);
  for (const Json& answer : fixture["cases"]) {
    const std::string source = answer[0];
    const auto rendered = Render(source, fixture["variables"]);
    if (answer[1].is_null()) {
      EXPECT_FALSE(rendered.ok()) << source << "\ngave " << *rendered;
    } else {
      ASSERT_TRUE(rendered.ok()) << source << "\n" << rendered.status();
      EXPECT_EQ(*rendered, answer[1].get<std::string>()) << source;
    }
  }
}

TEST(ChatTemplate, ErrorsNameTheLineAndWhatIsNotSupported) {
  EXPECT_THAT(ErrorOf("a\n{% include 'x' %}"), AllOf(HasSubstr("t: line 2"), HasSubstr("include")));
  EXPECT_THAT(ErrorOf("a\n\n{{ 1 | nothing }}"), AllOf(HasSubstr("line 3"), HasSubstr("nothing")));
  EXPECT_THAT(ErrorOf("{{ 1 is nothing }}"), HasSubstr("the test \"nothing\" is not supported"));
  EXPECT_THAT(ErrorOf("{% if true %}\n{{ 'a'.encode() }}{% endif %}"),
              AllOf(HasSubstr("line 2"), HasSubstr("str.encode")));
  EXPECT_THAT(ErrorOf("\n{{ raise_exception('roles must alternate') }}"),
              AllOf(HasSubstr("line 2"), HasSubstr("roles must alternate")));
  EXPECT_THAT(ErrorOf("{% for x in [1] recursive %}{% endfor %}"), HasSubstr("recursive"));
  EXPECT_THAT(ErrorOf("{{ \xFF }}"), HasSubstr("UTF-8"));
}

TEST(ChatTemplate, StepsOutputAndNestingAreBounded) {
  const std::string loops =
      "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
  EXPECT_THAT(ErrorOf(loops), HasSubstr("steps"));
  EXPECT_THAT(ErrorOf("{% set n = namespace(s='aaaaaaaa') %}{% for a in range(99) %}{% set n.s = "
                      "n.s + n.s %}{% endfor %}"),
              HasSubstr("longer than"));
  EXPECT_THAT(ErrorOf("{% for a in range(9999) %}" + std::string(1000, 'x') + "{% endfor %}"),
              HasSubstr("output"));
  EXPECT_THAT(ErrorOf("{{ 'a' * 1000000000 }}"), HasSubstr("too much"));
  EXPECT_THAT(ErrorOf("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), HasSubstr("too deep"));
  EXPECT_THAT(ErrorOf("{% set n = namespace(l=[]) %}{% for a in range(9999) %}{% set n.l = [n.l] "
                      "%}{% endfor %}"),
              HasSubstr("too deep"));
  for (const char* bracket : {"(", "[", "{", "-", "not "}) {
    std::string deep = "{{ ";
    for (int i = 0; i < 100000; ++i) deep += bracket;
    EXPECT_FALSE(Render(deep).ok());
  }
  std::string ifs, sum = "{{ 1", filters = "{{ 1";
  for (int i = 0; i < 100000; ++i) ifs += "{% if true %}";
  for (int i = 0; i < 100000; ++i) sum += " + 1";
  for (int i = 0; i < 100000; ++i) filters += "|abs";
  EXPECT_FALSE(Render(ifs).ok());
  EXPECT_FALSE(Render(sum + "}}").ok());
  EXPECT_FALSE(Render(filters + "}}").ok());
}

TEST(ChatTemplate, BrokenTemplatesAreErrorsNotCrashes) {
  const Json fixture = Fixture();
  Random random{RandomKey(41)};
  std::vector<std::string> sources;
  for (const Json& answer : fixture["cases"]) sources.push_back(answer[0]);
  constexpr std::string_view kPieces = "{}%#-+|.,:()[]'\"\\~*/<>=! \nx1e_";
  for (int round = 0; round < 3000; ++round) {
    std::string source = sources[random.Below(sources.size())];
    for (int i = 0; i < 3 && !source.empty(); ++i) {
      const size_t at = random.Below(source.size());
      switch (random.Below(4)) {
        case 0:
          source.erase(at, 1 + random.Below(5));
          break;
        case 1:
          source.insert(at, 1, kPieces[random.Below(kPieces.size())]);
          break;
        case 2:
          source.insert(at, sources[random.Below(sources.size())].substr(0, 12));
          break;
        default:
          source.resize(at);
      }
    }
    (void)Render(source, fixture["variables"]);
  }
}

}  // namespace
}  // namespace sojourn::policy
