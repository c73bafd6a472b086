// Chat templates: the part of Jinja2 that model families' templates use, with the results of
// `transformers`' apply_chat_template (its environment: trim_blocks, lstrip_blocks, loop controls,
// raise_exception, strftime_now, its own tojson).
#ifndef SOJOURN_POLICY_CHAT_TEMPLATE_H_
#define SOJOURN_POLICY_CHAT_TEMPLATE_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sojourn::policy {

// Immutable, thread-safe; copies share the template.
class ChatTemplate {
 public:
  // InvalidArgument names the line and what is wrong or not supported; `name` is what errors call
  // the template. Nesting is bounded.
  static absl::StatusOr<ChatTemplate> Parse(std::string_view source, const std::string& name);

  // `variables`: an object, e.g. messages, tools, add_generation_prompt, bos_token; `now` is what
  // strftime_now tells, in UTC. InvalidArgument names the line: of what cannot be done with the
  // values, of a limit on steps or output, or of the template's own raise_exception.
  absl::StatusOr<std::string> Render(const nlohmann::ordered_json& variables, absl::Time now) const;

 private:
  struct Parsed;
  explicit ChatTemplate(std::shared_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}
  std::shared_ptr<const Parsed> parsed_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_CHAT_TEMPLATE_H_
