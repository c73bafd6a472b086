// Porter's stemmer: what is left of an English word without its endings.
#ifndef SOJOURN_ENVS_SEARCH_PORTER_STEMMER_H_
#define SOJOURN_ENVS_SEARCH_PORTER_STEMMER_H_

#include <string>

namespace sojourn::envs::search {

// M. F. Porter, "An algorithm for suffix stripping", Program 14 (1980), with the two departures of
// his own programs (-bli becomes -ble, -logi becomes -log), as Lucene's PorterStemFilter has it.
// `word` is UTF-8 in lower case; what is not one of its letters a-z counts as a consonant, and
// words of one or two characters stay.
void PorterStem(std::string* word);

}  // namespace sojourn::envs::search

#endif  // SOJOURN_ENVS_SEARCH_PORTER_STEMMER_H_
