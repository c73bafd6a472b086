#include "envs/searchqa/world.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace sojourn::envs::searchqa {
namespace {

enum Kind { kBook, kMuseum, kCompany, kPerson, kTown, kRiver, kCountry, kYear };

// In hundredths of all entities.
constexpr std::array<uint32_t, 7> kShares = {16, 10, 16, 30, 18, 7, 3};

// $s is the subject's name, $o the object's.
struct Relation {
  Kind subject, object;
  const char* keyword;  // of a query
  const char* phrase;   // what is looked for
  const char* questions[2];
  const char* statements[2];
  int first_year = 0, years = 0;
};

constexpr Relation kRelations[] = {
    {kBook,
     kPerson,
     "author written",
     "the author of $s",
     {"Who wrote $s?", "Who is the author of $s?"},
     {"It was written by $o.", "Its author is $o."}},
    {kBook,
     kCompany,
     "publisher published",
     "the company that published $s",
     {"Which company published $s?", "By which company was $s published?"},
     {"It was published by $o.", "The publisher was $o."}},
    {kBook,
     kYear,
     "first published",
     "the year in which $s was published",
     {"In what year was $s published?", "When was $s first published?"},
     {"It first appeared in $o.", "The first edition was published in $o."},
     1800,
     220},
    {kMuseum,
     kPerson,
     "architect designed",
     "the architect of $s",
     {"Who designed $s?", "Who was the architect of $s?"},
     {"The building was designed by $o.", "Its architect was $o."}},
    {kMuseum,
     kTown,
     "town stands",
     "the town in which $s stands",
     {"In which town does $s stand?", "In which town is $s?"},
     {"It stands in the centre of $o.", "It is in the town of $o."}},
    {kMuseum,
     kYear,
     "opened",
     "the year in which $s was opened",
     {"In what year was $s opened?", "When did $s open?"},
     {"It was opened in $o.", "Its doors opened in $o."},
     1750,
     270},
    {kCompany,
     kPerson,
     "founder founded",
     "the founder of $s",
     {"Who founded $s?", "Who was the founder of $s?"},
     {"It was founded by $o.", "Its founder was $o."}},
    {kCompany,
     kTown,
     "head office",
     "the town in which $s has its head office",
     {"In which town does $s have its head office?", "Where is the head office of $s?"},
     {"It has its head office in $o.", "The head office is in $o."}},
    {kCompany,
     kYear,
     "founded",
     "the year in which $s was founded",
     {"In what year was $s founded?", "When was $s founded?"},
     {"The firm was founded in $o.", "It was founded in the year $o."},
     1700,
     320},
    {kPerson,
     kTown,
     "birth born town",
     "the birthplace of $s",
     {"In which town was $s born?", "What is the birthplace of $s?"},
     {"The place of birth is $o.", "$s was born in the town of $o."}},
    {kPerson,
     kYear,
     "birth born year",
     "the year in which $s was born",
     {"In what year was $s born?", "When was $s born?"},
     {"The year of birth is $o.", "$s was born in $o."},
     1650,
     340},
    {kTown,
     kRiver,
     "river",
     "the river on which $s lies",
     {"On which river does $s lie?", "Which river flows through $s?"},
     {"It lies on the $o.", "The $o flows through it."}},
    {kTown,
     kCountry,
     "country",
     "the country in which $s lies",
     {"In which country does $s lie?", "In which country is $s?"},
     {"It is in the country of $o.", "It belongs to the country of $o."}},
    {kTown,
     kYear,
     "settled",
     "the year in which $s was settled",
     {"In what year was $s settled?", "When was $s settled?"},
     {"It was settled in $o.", "It was first settled in $o."},
     800,
     900},
    {kRiver,
     kCountry,
     "rises source country",
     "the country in which $s rises",
     {"In which country does $s rise?", "In which country is the source of $s?"},
     {"It rises in the hills of $o.", "Its source is in $o."}},
    {kCountry,
     kTown,
     "capital",
     "the capital of $s",
     {"What is the capital of $s?", "Which town is the capital of $s?"},
     {"The capital is $o.", "Its capital is the town of $o."}},
    {kCountry,
     kYear,
     "independence",
     "the year in which $s became independent",
     {"In what year did $s become independent?", "When did $s become independent?"},
     {"It won its independence in $o.", "Its independence dates from $o."},
     1500,
     450},
};
constexpr int kRelationCount = std::size(kRelations);

constexpr const char* kOpenings[7][2] = {
    {"$s is a novel.", "$s is a book of fiction."},
    {"$s is a museum.", "$s is a collection that is open to the public."},
    {"$s is a company.", "$s is a firm that trades abroad."},
    {"$s is known to many readers of the papers.", "$s has been honoured more than once."},
    {"$s is a market town.", "$s is a town with an old quarter."},
    {"The $s is a river.", "The $s is a river that is used by barges."},
    {"$s is a country.", "$s is a state with a long coast."},
};

// What says nothing. $o is another of the kind.
constexpr const char* kFillers[7][4] = {
    {"Critics compared it to $o.", "A sequel was planned and given up.",
     "Readers often take it for $o.", "It has been translated several times."},
    {"Its collection is smaller than that of $o.", "Guided tours are given on most days.",
     "Some of its paintings came from $o.", "A wing was added later."},
    {"Its rival is $o.", "It makes tools and household goods.", "It once tried to buy $o.",
     "Its workers have a brass band."},
    {"A friendship with $o lasted for life.", "The letters were edited after some years.",
     "There is no kinship with $o.", "The papers are kept in an archive."},
    {"It is twinned with $o.", "A fair is held every autumn.", "A road leads from there to $o.",
     "The old walls can still be seen."},
    {"It is shorter than the $o.", "Trout are caught in its upper part.",
     "A canal joins it to the $o.", "In spring it often floods the meadows."},
    {"It has a treaty of trade with $o.", "Most of it is covered with forest.",
     "Its football team lost to that of $o.", "Wool and timber are sold abroad."},
};

constexpr const char* kChatterOpenings[] = {"Much has been said of $s.",
                                            "A postage stamp shows $s."};
constexpr const char* kChatter[] = {"One letter mentions $o as well.",
                                    "An exhibition showed $o beside it.",
                                    "A lecture was followed by one on $o.",
                                    "The same journal also wrote about $o.",
                                    "Another stamp shows $o.",
                                    "The next page is about $o."};

constexpr const char* kOnsets[16] = {"b", "d", "f", "g", "h", "j", "k", "l",
                                     "m", "n", "p", "r", "s", "t", "v", "z"};
constexpr const char* kVowels[4] = {"a", "e", "i", "o"};
constexpr const char* kFirstNames[] = {
    "Ada",   "Anton", "Astrid", "Boris", "Clara",  "Dora",  "Edgar", "Elsa", "Emil",   "Erik",
    "Fanny", "Felix", "Greta",  "Hanna", "Hugo",   "Ida",   "Irma",  "Ivan", "Jakob",  "Jonas",
    "Klara", "Lena",  "Leo",    "Lydia", "Magnus", "Marta", "Max",   "Mila", "Nora",   "Olga",
    "Oskar", "Paula", "Peter",  "Rosa",  "Rudolf", "Selma", "Tilda", "Vera", "Viktor", "Wanda"};
constexpr const char* kAdjectives[] = {"Silent",  "Broken",  "Golden",   "Hidden",
                                       "Last",    "Burning", "Frozen",   "Hollow",
                                       "Crimson", "Distant", "Sleeping", "Lost"};
constexpr const char* kNouns[] = {"Harbour", "Lantern", "Garden", "Winter", "Mirror", "Orchard",
                                  "Bridge",  "Summer",  "Letter", "Tower",  "Voyage", "Clock"};
constexpr const char* kMuseums[] = {"Museum", "Gallery", "Collection"};
constexpr const char* kCompanies[] = {"Works", "Mills", "Press", "Trading Company", "Brothers"};
constexpr const char* kTowns[] = {"ton", "ford", "wick", "burg", "ham", "mouth"};
constexpr const char* kCodas[] = {"n", "r", "l", "s", "k", "v"};
constexpr const char* kCountries[] = {"nia", "land", "via", "stan"};

template <size_t n>
std::string_view Pick(const char* const (&from)[n], uint64_t hash) {
  return from[hash % n];
}

std::string Fill(std::string_view form, std::string_view subject, std::string_view object = "") {
  return absl::StrReplaceAll(form, {{"$s", subject}, {"$o", object}});
}

std::string Capitalized(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] -= 'a' - 'A';
  return text;
}

}  // namespace

// A Feistel network of four rounds on the two halves.
uint64_t MixBits(RandomKey key, uint64_t value, int bits) {
  const int half = bits / 2;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  uint64_t left = value >> half, right = value & mask;
  for (uint64_t round = 0; round < 4; ++round) {
    left ^= Random(key.With(round).With(right)).Next64() & mask;
    std::swap(left, right);
  }
  return left << half | right;
}

World::World(uint64_t seed, Split split, uint32_t passages)
    : key_(RandomKey(seed).With("searchqa world")), split_(split), passages_(passages) {
  static_assert(kShares.size() == kKinds && kYear == kKinds);
  const uint32_t most = passages - passages / 4;
  for (int kind = 0; kind < kKinds; ++kind) {
    counts_[kind] = static_cast<uint32_t>(uint64_t{most} * kShares[kind] / 100);
    entities_ += counts_[kind];
  }
  // Three syllables of six bits, or four: enough for both splits' entities of one kind.
  word_bits_ = *std::max_element(counts_.begin(), counts_.end()) * 2 <= 1u << 18 ? 18 : 24;

  paths_[0] = {{}};
  for (int hops = 1; hops <= kMostHops; ++hops) {
    int64_t questions = 0;
    for (const std::vector<int>& shorter : paths_[hops - 1]) {
      for (int relation = 0; relation < kRelationCount; ++relation) {
        const Relation& next = kRelations[relation];
        const auto leads_back = [&](int before) {
          return kRelations[before].subject == next.object;
        };
        if (!shorter.empty() && kRelations[shorter.back()].object != next.subject) continue;
        if (std::any_of(shorter.begin(), shorter.end(), leads_back)) continue;
        std::vector<int> path = shorter;
        path.push_back(relation);
        questions += counts_[kRelations[path[0]].subject];
        paths_[hops].push_back(std::move(path));
        path_ends_[hops].push_back(questions);
      }
    }
  }
}

Random World::Draw(std::string_view what, Entity entity) const {
  return Random(key_.With(what).With(SplitName(split_)).With(entity.kind).With(entity.number));
}

// No word is made twice for a kind, in either split: syllables are a consonant and a vowel, so they
// can be told apart again.
std::string World::MadeWord(int kind, uint32_t number) const {
  const uint64_t id = uint64_t{number} * 2 + (split_ == Split::kTest ? 1 : 0);
  uint64_t mixed = MixBits(key_.With("word").With(kind), id, word_bits_);
  std::string word;
  for (int bits = 0; bits < word_bits_; bits += 6, mixed >>= 6) {
    absl::StrAppend(&word, kOnsets[mixed & 15], kVowels[mixed >> 4 & 3]);
  }
  return Capitalized(std::move(word));
}

std::string World::Name(Entity entity) const {
  const std::string word = MadeWord(entity.kind, entity.number);
  const uint64_t hash = Draw("name", entity).Next64();
  switch (entity.kind) {
    case kBook:
      return absl::StrCat("The ", Pick(kAdjectives, hash), " ", Pick(kNouns, hash >> 16), " of ",
                          word);
    case kMuseum:
      return absl::StrCat(word, " ", Pick(kMuseums, hash));
    case kCompany:
      return absl::StrCat(word, " ", Pick(kCompanies, hash));
    case kPerson:
      return absl::StrCat(Pick(kFirstNames, hash), " ", word, Pick(kCodas, hash >> 16));
    case kTown:
      return absl::StrCat(word, Pick(kTowns, hash));
    case kRiver:
      return absl::StrCat(word, " River");
    default:
      return absl::StrCat(word, Pick(kCountries, hash));
  }
}

std::vector<std::string> World::OtherNames(Entity entity) const {
  if (entity.kind != kRiver) return {};
  const std::string word = MadeWord(entity.kind, entity.number);
  return {word, absl::StrCat("River ", word)};
}

World::Object World::Follow(Entity subject, int relation) const {
  const Relation& fact = kRelations[relation];
  Random random = Draw(fact.phrase, subject);
  if (fact.object == kYear) {
    return {{kYear, 0}, absl::StrCat(fact.first_year + random.Below(fact.years))};
  }
  const Entity object{fact.object, static_cast<uint32_t>(random.Below(counts_[fact.object]))};
  return {object, Name(object)};
}

World::Entity World::EntityOf(uint32_t passage) const {
  for (int kind = 0; kind < kKinds; ++kind) {
    if (passage < counts_[kind]) return {kind, passage};
    passage -= counts_[kind];
  }
  return {0, 0};
}

World::Entity World::Another(Entity entity, Random& random) const {
  const uint32_t count = counts_[entity.kind];
  if (count < 2) return entity;
  return {entity.kind,
          static_cast<uint32_t>((entity.number + 1 + random.Below(count - 1)) % count)};
}

std::string World::Passage(uint32_t number) const {
  if (number < entities_) {
    const Entity entity = EntityOf(number);
    const std::string name = Name(entity);
    Random random = Draw("passage", entity);
    std::string passage =
        absl::StrCat("\"", name, "\"\n", Fill(Pick(kOpenings[entity.kind], random.Next32()), name));
    std::vector<std::string> sentences;
    for (int relation = 0; relation < kRelationCount; ++relation) {
      const Relation& fact = kRelations[relation];
      if (fact.subject != entity.kind) continue;
      sentences.push_back(
          Fill(Pick(fact.statements, random.Next32()), name, Follow(entity, relation).text));
    }
    const size_t first = random.Below(4);
    for (const size_t filler : {first, (first + 1 + random.Below(3)) % 4}) {
      sentences.push_back(Fill(kFillers[entity.kind][filler], name, Name(Another(entity, random))));
    }
    random.Shuffle(sentences);
    for (const std::string& sentence : sentences) absl::StrAppend(&passage, " ", sentence);
    return passage;
  }
  Random random(key_.With("chatter").With(SplitName(split_)).With(number));
  // Every third entity, so that none has so many that its own passage is not among the first found.
  const Entity entity = EntityOf((number - entities_) * 3 % entities_);
  const std::string name = Name(entity);
  const uint64_t first = random.Next32();
  std::string passage =
      absl::StrCat("\"", name, "\"\n", Fill(Pick(kChatterOpenings, first >> 8), name));
  for (int i = 0; i < 3; ++i) {
    const Entity other =
        i < 2 ? Another(entity, random) : EntityOf(static_cast<uint32_t>(random.Below(entities_)));
    absl::StrAppend(&passage, " ", Fill(Pick(kChatter, first + i), name, Name(other)));
  }
  return passage;
}

Question World::MakeQuestion(int hops, int64_t index) const {
  // Mixed among the numbers of as many bits, and again until it is one of those that count.
  const int64_t total = QuestionCount(hops);
  int bits = 2;
  while (int64_t{1} << bits < total) bits += 2;
  const RandomKey key = key_.With("questions").With(SplitName(split_)).With(hops);
  uint64_t place = index;
  do {
    place = MixBits(key, place, bits);
  } while (place >= static_cast<uint64_t>(total));

  const std::vector<int64_t>& ends = path_ends_[hops];
  const size_t chosen =
      std::upper_bound(ends.begin(), ends.end(), static_cast<int64_t>(place)) - ends.begin();
  const std::vector<int>& path = paths_[hops][chosen];
  const uint64_t before = chosen == 0 ? 0 : ends[chosen - 1];
  Entity entity{kRelations[path[0]].subject, static_cast<uint32_t>(place - before)};

  Question question{.hops = hops};
  std::string described = Name(entity);  // the way to the entity
  std::string name = described, known;
  for (size_t hop = 0; hop < path.size(); ++hop) {
    const Relation& relation = kRelations[path[hop]];
    const Object object = Follow(entity, path[hop]);
    const std::string wanted = Fill(relation.phrase, name);
    question.steps.push_back({.query = absl::StrCat(name, " ", relation.keyword),
                              .title = name,
                              .found = object.text,
                              .thought = absl::StrCat(known, "I need ", wanted, ".")});
    if (hop + 1 == path.size()) {
      question.text = Fill(Pick(relation.questions, key.With(index).value()), described);
      question.answers = {object.text};
      for (std::string& other : OtherNames(object.entity)) {
        question.answers.push_back(std::move(other));
      }
      question.conclusion = Capitalized(absl::StrCat(wanted, " is ", object.text, "."));
    }
    known = Capitalized(absl::StrCat(wanted, " is ", object.text, ". "));
    described = Fill(relation.phrase, described);
    entity = object.entity;
    name = object.text;
  }
  return question;
}

}  // namespace sojourn::envs::searchqa
