#include "policy/chat_template.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/chat_template_filters.h"
#include "policy/chat_template_parser.h"
#include "policy/chat_template_value.h"
#include "policy/pretokenizer_unicode.h"

namespace sojourn::policy {
namespace chat_template {

struct Scope {
  Dict names;
  std::shared_ptr<Scope> outer;
};

struct Macro {
  const Statement* definition;
  std::weak_ptr<Scope> scope;  // where it was defined; it is called only while that lives
  bool is_caller = false;
};

namespace {

using ExprKind = Expression::Kind;
using Kind = Value::Kind;

constexpr int kDeepest = 600;  // statements and expressions under evaluation: bounds the stack

class Renderer {
 public:
  Renderer(const nlohmann::ordered_json& variables, absl::Time now) : now_(now) {
    scope_ = std::make_shared<Scope>();
    for (const auto& [name, value] : variables.items())
      scope_->names.emplace_back(name, Value::FromJson(value));
  }

  std::string Run(const Body& body) {
    scope_ = std::make_shared<Scope>(Scope{{}, scope_});
    Execute(body);
    return std::move(out_);
  }

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  // A scope of its own while it lives.
  class Inner {
   public:
    Inner(Renderer* renderer, std::shared_ptr<Scope> outer)
        : renderer_(renderer), saved_(renderer->scope_) {
      renderer_->scope_ = std::make_shared<Scope>(Scope{{}, std::move(outer)});
    }
    explicit Inner(Renderer* renderer) : Inner(renderer, renderer->scope_) {}
    ~Inner() { renderer_->scope_ = std::move(saved_); }
    Inner(const Inner&) = delete;

   private:
    Renderer* renderer_;
    std::shared_ptr<Scope> saved_;
  };

  struct Level {
    explicit Level(int* depth) : depth(depth) {
      if (++*depth > kDeepest) Fail("calls or expressions are nested too deep");
    }
    ~Level() { --*depth; }
    int* depth;
  };

  void Emit(std::string_view text) {
    budget_.Spend(text.size() / 16);
    if (out_.size() + text.size() > kMostText)
      Fail(absl::StrCat("the output is longer than ", kMostText, " bytes"));
    out_ += text;
  }

  // What `run` writes.
  template <typename Run>
  std::string Capture(Run run) {
    std::string saved = std::exchange(out_, "");
    run();
    return std::exchange(out_, std::move(saved));
  }

  void Assign(const std::string& name, Value value) {
    for (auto& [known, old] : scope_->names) {
      if (known == name) return (void)(old = std::move(value));
    }
    scope_->names.emplace_back(name, std::move(value));
  }

  void AssignTo(const Target& target, const Value& value) {
    if (!target.attribute.empty()) {
      const Value space = Name(target.names[0]);
      if (!space.is(Kind::kNamespace)) Fail("cannot assign attribute on non-namespace object");
      if (value.is(Kind::kNamespace) || value.is(Kind::kMacro) || value.is(Kind::kMethod))
        Fail(absl::StrCat("a ", value.Type(), " in a namespace is not supported"));
      if (target.attribute[0] == '_') Fail("a namespace's attribute cannot begin with _");
      for (auto& [known, old] : space.space().members) {
        if (known == target.attribute) return (void)(old = value);
      }
      space.space().members.emplace_back(target.attribute, value);
      return;
    }
    if (!target.unpack) return Assign(target.names[0], value);
    const List items = value.Iterate();
    if (items.size() != target.names.size()) {
      Fail(absl::StrCat("cannot unpack ", items.size(), " values into ", target.names.size(),
                        " names"));
    }
    for (size_t i = 0; i < items.size(); ++i) Assign(target.names[i], items[i]);
  }

  Value Name(const std::string& name) const {
    for (const Scope* scope = scope_.get(); scope != nullptr; scope = scope->outer.get()) {
      for (const auto& [known, value] : scope->names) {
        if (known == name) return value;
      }
    }
    for (const char* global : {"namespace", "raise_exception", "strftime_now", "range", "dict"}) {
      if (name == global) return Value::Function(name);
    }
    return Value::Undefined(name);
  }

  // --- statements

  Flow Execute(const Body& body) {
    const Level level(&depth_);
    for (const Statement& statement : body) {
      try {
        budget_.Spend(1);
        const Flow flow = Execute(statement);
        if (flow != Flow::kNormal) return flow;
      } catch (Error& error) {
        if (error.line == 0) error.line = statement.line;
        throw;
      }
    }
    return Flow::kNormal;
  }

  Flow Execute(const Statement& statement) {
    switch (statement.kind) {
      case Statement::Kind::kText:
        Emit(statement.text);
        break;
      case Statement::Kind::kOutput:
        Emit(Evaluate(*statement.value).Str());
        break;
      case Statement::Kind::kIf:
        return Execute(Evaluate(*statement.value).Truth() ? statement.body : statement.other);
      case Statement::Kind::kFor:
        return Loop(statement);
      case Statement::Kind::kSet:
        AssignTo(statement.target, Evaluate(*statement.value));
        break;
      case Statement::Kind::kSetBlock: {
        Value value = budget_.Text(Capture([&] {
          const Inner inner(this);
          Execute(statement.body);
        }));
        if (statement.value != nullptr) value = Evaluate(*statement.value, &value);
        AssignTo(statement.target, value);
        break;
      }
      case Statement::Kind::kMacro:
        Assign(statement.name, Value::Of(std::make_shared<const Macro>(Macro{&statement, scope_})));
        break;
      case Statement::Kind::kCall: {
        const Value caller =
            Value::Of(std::make_shared<const Macro>(Macro{&statement, scope_, true}));
        Emit(CallOf(*statement.value, &caller).Str());
        break;
      }
      case Statement::Kind::kFilter: {
        const Value value = budget_.Text(Capture([&] {
          const Inner inner(this);
          Execute(statement.body);
        }));
        Emit(Evaluate(*statement.value, &value).Str());
        break;
      }
      case Statement::Kind::kGroup: {
        const Inner inner(this);
        return Execute(statement.body);
      }
      case Statement::Kind::kBreak:
        return Flow::kBreak;
      case Statement::Kind::kContinue:
        return Flow::kContinue;
    }
    return Flow::kNormal;
  }

  Flow Loop(const Statement& statement) {
    List items = Evaluate(*statement.value).Iterate();
    budget_.Spend(items.size());
    if (statement.condition != nullptr) {
      List kept;
      for (Value& item : items) {
        const Inner inner(this);
        AssignTo(statement.target, item);
        if (Evaluate(*statement.condition).Truth()) kept.push_back(std::move(item));
      }
      items = std::move(kept);
    }
    const int64_t size = static_cast<int64_t>(items.size());
    bool whole = false;
    for (int64_t i = 0; i < size; ++i) {
      budget_.Spend(20);
      const Inner inner(this);
      Dict loop = {
          {"index", Value::Int(i + 1)},       {"index0", Value::Int(i)},
          {"revindex", Value::Int(size - i)}, {"revindex0", Value::Int(size - i - 1)},
          {"first", Value::Bool(i == 0)},     {"last", Value::Bool(i + 1 == size)},
          {"length", Value::Int(size)},       {"depth", Value::Int(1)},  // of recursive loops
          {"depth0", Value::Int(0)}};
      // Without them, there is none.
      if (i > 0) loop.emplace_back("previtem", items[i - 1]);
      if (i + 1 < size) loop.emplace_back("nextitem", items[i + 1]);
      Assign("loop", Value::Of(std::move(loop)));
      AssignTo(statement.target, items[i]);
      const Flow flow = Execute(statement.body);
      whole = whole || flow == Flow::kNormal;
      if (flow == Flow::kBreak) break;
    }
    if (whole) return Flow::kNormal;  // as jinja2: else follows where no round came to its end
    const Inner inner(this);
    return Execute(statement.other);
  }

  // --- expressions. `block`: what filters of a block are about.

  Value Evaluate(const Expression& node, const Value* block = nullptr) {
    const Level level(&depth_);
    budget_.Spend(1);
    try {
      return Compute(node, block);
    } catch (Error& error) {
      if (error.line == 0) error.line = node.line;
      throw;
    }
  }

  Value Part(const Expression& node, size_t i, const Value* block = nullptr) {
    return Evaluate(*node.parts[i], block);
  }

  Value Compute(const Expression& node, const Value* block) {
    switch (node.kind) {
      case ExprKind::kConstant:
        return node.constant;
      case ExprKind::kName:
        return Name(node.name);
      case ExprKind::kList:
      case ExprKind::kTuple: {
        List items;
        for (size_t i = 0; i < node.parts.size(); ++i) items.push_back(Part(node, i));
        return Value::Of(std::move(items), node.kind == ExprKind::kTuple);
      }
      case ExprKind::kDict:
        return DictOf(node);
      case ExprKind::kCondition:
        if (Part(node, 1).Truth()) return Part(node, 0);
        return node.parts[2] == nullptr ? Value::Undefined("the inline if's missing else")
                                        : Part(node, 2);
      case ExprKind::kOr: {
        Value left = Part(node, 0);
        return left.Truth() ? left : Part(node, 1);
      }
      case ExprKind::kAnd: {
        Value left = Part(node, 0);
        return left.Truth() ? Part(node, 1) : left;
      }
      case ExprKind::kNot:
        return Value::Bool(!Part(node, 0).Truth());
      case ExprKind::kCompare:
        return Comparison(node);
      case ExprKind::kBinary: {
        const Value left = Part(node, 0);
        return Binary(node.name, left, Part(node, 1), &budget_);
      }
      case ExprKind::kConcat: {
        std::string text;
        for (size_t i = 0; i < node.parts.size(); ++i) {
          text += Part(node, i).Str();
          CheckText(text.size());
        }
        return budget_.Text(std::move(text));
      }
      case ExprKind::kNegative:
      case ExprKind::kPositive:
        return Binary(node.kind == ExprKind::kNegative ? "-" : "+", Value::Int(0), Part(node, 0),
                      &budget_);
      case ExprKind::kAttribute: {
        const Value value = Part(node, 0);
        // The loop's own attributes, and not a dict's.
        if (node.parts[0]->kind == ExprKind::kName && node.parts[0]->name == "loop" &&
            (node.name == "cycle" || node.name == "changed") && value.is(Kind::kDict))
          return Value::Method(value, node.name);
        return Attribute(value, node.name);
      }
      case ExprKind::kItem: {
        const Value value = Part(node, 0);
        return Item(value, Part(node, 1));
      }
      case ExprKind::kSlice: {
        const Value value = Part(node, 0);
        const auto bound = [&](size_t i) {
          return node.parts[i] == nullptr ? Value::None() : Part(node, i);
        };
        const Value start = bound(1), stop = bound(2), step = bound(3);
        return Slice(value, start, stop, step, &budget_);
      }
      case ExprKind::kCall:
        return CallOf(node, nullptr);
      case ExprKind::kFilter: {
        const Value value = node.parts[0] == nullptr ? *block : Part(node, 0, block);
        return CallFilter(value, ArgumentsOf(node), &budget_);
      }
      case ExprKind::kTest: {
        if (node.name == "filter" || node.name == "test") {
          const std::string name = Part(node, 0).Str();
          return Value::Bool(node.name == "filter" ? IsFilter(name) : IsTest(name));
        }
        const Value value = Part(node, 0);
        return Value::Bool(CallTest(value, ArgumentsOf(node)));
      }
    }
    Fail("an expression that is not known");
  }

  Value DictOf(const Expression& node) {
    Dict members;
    for (size_t i = 0; i < node.parts.size(); i += 2) {
      const Value key = Part(node, i);
      if (!key.is(Kind::kString)) Fail("a dict's key that is not a string is not supported");
      Set(key.text(), Part(node, i + 1), &members);
    }
    return Value::Of(std::move(members));
  }

  static void Set(const std::string& key, Value value, Dict* members) {
    for (auto& [known, old] : *members) {
      if (known == key) return (void)(old = std::move(value));
    }
    members->emplace_back(key, std::move(value));
  }

  Value Comparison(const Expression& node) {
    Value left = Part(node, 0);
    for (size_t i = 0; i < node.operators.size(); ++i) {
      Value right = Part(node, i + 1);
      const std::string& op = node.operators[i];
      if (right.is(Kind::kString)) budget_.Spend(right.text().size() / 64);
      if (right.is_list()) budget_.Spend(right.items().size());
      bool holds;
      if (op == "==" || op == "!=") {
        holds = Equal(left, right) == (op == "==");
      } else if (op == "in" || op == "not in") {
        holds = Contains(right, left) == (op == "in");
      } else {
        if (left.is(Kind::kUndefined)) Fail(absl::StrCat("'", left.text(), "' is undefined"));
        const int order = Compare(left, right);
        holds = op == "<"    ? order < 0
                : op == ">"  ? order > 0
                : op == "<=" ? order <= 0
                             : order >= 0;
      }
      if (!holds) return Value::Bool(false);
      left = std::move(right);
    }
    return Value::Bool(true);
  }

  Call ArgumentsOf(const Expression& node) {
    Call call{.name = node.name};
    for (const ExpressionPtr& argument : node.arguments.positional)
      call.positional.push_back(Evaluate(*argument));
    for (const auto& [name, argument] : node.arguments.named)
      call.named.emplace_back(name, Evaluate(*argument));
    if (node.arguments.list != nullptr) {
      const List items = Evaluate(*node.arguments.list).Iterate();
      call.positional.insert(call.positional.end(), items.begin(), items.end());
    }
    if (node.arguments.dict != nullptr) {
      const Value dict = Evaluate(*node.arguments.dict);
      if (!dict.is(Kind::kDict)) Fail("the argument after ** must be a mapping");
      call.named.insert(call.named.end(), dict.members().begin(), dict.members().end());
    }
    return call;
  }

  Value CallOf(const Expression& node, const Value* caller) {
    const Value what = Part(node, 0);
    Call call = ArgumentsOf(node);
    switch (what.kind()) {
      case Kind::kUndefined:
        Fail(absl::StrCat("'", what.text(), "' is undefined"));
      case Kind::kMethod:
        call.name = what.text();
        if (call.name == "cycle" && what.self().is(Kind::kDict)) {
          if (call.positional.empty()) Fail("no items for cycling given");
          return call.positional[what.self().Find("index0")->integer() % call.positional.size()];
        }
        if (call.name == "changed") Fail("loop.changed is not supported");
        return CallMethod(what.self(), call, &budget_);
      case Kind::kFunction:
        call.name = what.text();
        return CallGlobal(call);
      case Kind::kMacro:
        return CallMacro(*what.macro(), std::move(call), caller);
      default:
        Fail(absl::StrCat("'", what.Type(), "' object is not callable"));
    }
  }

  Value CallGlobal(const Call& call) {
    if (call.name == "raise_exception")
      Fail(absl::StrCat("the template says: ", call.Text(0, "message", "")));
    if (call.name == "strftime_now") {
      return budget_.Text(absl::FormatTime(call.Text(0, "format", ""), now_, absl::UTCTimeZone()));
    }
    if (call.name == "range") {
      int64_t start = 0, stop = call.Integer(0, "", 0);
      if (call.positional.size() > 1) {
        start = stop;
        stop = call.Integer(1, "", 0);
      }
      const int64_t step = call.Integer(2, "", 1);
      if (step == 0) Fail("range() arg 3 must not be zero");
      List items;
      for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
        items.push_back(Value::Int(i));
        if (items.size() > 100000) Fail("a range is too long");
        if (__builtin_add_overflow(i, step, &i)) break;
      }
      return Value::Of(std::move(items));
    }
    Dict members;
    for (const Value& base : call.positional) {
      if (!base.is(Kind::kDict))
        Fail(absl::StrCat(call.name, "() of a ", base.Type(), " is not supported"));
      for (const auto& [key, value] : base.members()) Set(key, value, &members);
    }
    for (const auto& [key, value] : call.named) {
      if (value.is(Kind::kNamespace) || value.is(Kind::kMacro) || value.is(Kind::kMethod))
        Fail(absl::StrCat("a ", value.Type(), " in another value is not supported"));
      Set(key, value, &members);
    }
    if (call.name == "dict") return Value::Of(std::move(members));
    auto space = std::make_shared<Namespace>();
    space->members = std::move(members);
    return Value::Of(std::move(space));
  }

  Value CallMacro(const Macro& macro, Call call, const Value* caller) {
    const Statement& definition = *macro.definition;
    std::shared_ptr<Scope> outer = macro.scope.lock();
    if (outer == nullptr) Fail("a macro is called outside of where it was defined");
    const Inner inner(this, std::move(outer));
    const size_t parameters = definition.parameters.size();
    const size_t required = parameters - definition.defaults.size();
    for (size_t i = 0; i < parameters; ++i) {
      const std::string& name = definition.parameters[i];
      const Value* const given = call.Find(i, name);
      Assign(name, given != nullptr ? *given
                   : i >= required  ? Evaluate(*definition.defaults[i - required])
                                    : Value::Undefined(name));
    }
    if (call.positional.size() > parameters) {
      Assign("varargs",
             Value::Of(List(call.positional.begin() + parameters, call.positional.end()), true));
    }
    for (const auto& [name, value] : call.named) {
      if (std::find(definition.parameters.begin(), definition.parameters.end(), name) ==
          definition.parameters.end())
        Fail(absl::StrCat("the macro takes no argument \"", name, "\""));
    }
    if (caller != nullptr) Assign("caller", *caller);
    std::string text = Capture([&] { Execute(definition.body); });
    return budget_.Text(std::move(text));
  }

  const absl::Time now_;
  Budget budget_;
  std::shared_ptr<Scope> scope_;
  std::string out_;
  int depth_ = 0;
};

// Refuses unknown filters and tests when a template is read, not when it first uses them.
class Checker {
 public:
  void Check(const Body& body) {
    for (const Statement& statement : body) {
      if (statement.value != nullptr) Check(*statement.value);
      if (statement.condition != nullptr) Check(*statement.condition);
      for (const ExpressionPtr& value : statement.defaults) Check(*value);
      Check(statement.body);
      Check(statement.other);
    }
  }

 private:
  void Check(const Expression& node) {
    if (node.kind == ExprKind::kFilter && !IsFilter(node.name))
      throw Error{absl::StrCat("the filter \"", node.name, "\" is not supported"), node.line};
    if (node.kind == ExprKind::kTest && !IsTest(node.name) && node.name != "filter" &&
        node.name != "test")
      throw Error{absl::StrCat("the test \"", node.name, "\" is not supported"), node.line};
    for (const ExpressionPtr& part : node.parts) {
      if (part != nullptr) Check(*part);
    }
    for (const ExpressionPtr& part : node.arguments.positional) Check(*part);
    for (const auto& [name, part] : node.arguments.named) Check(*part);
    if (node.arguments.list != nullptr) Check(*node.arguments.list);
    if (node.arguments.dict != nullptr) Check(*node.arguments.dict);
  }
};

absl::Status ToStatus(const std::string& name, const Error& error) {
  return absl::InvalidArgumentError(absl::StrCat(
      name, ": ", error.line > 0 ? absl::StrCat("line ", error.line, ": ") : "", error.message));
}

}  // namespace
}  // namespace chat_template

struct ChatTemplate::Parsed {
  std::string name;
  chat_template::Body body;
};

absl::StatusOr<ChatTemplate> ChatTemplate::Parse(std::string_view source, const std::string& name) {
  if (ValidUtf8Prefix(source) != source.size())
    return absl::InvalidArgumentError(absl::StrCat(name, ": not UTF-8"));
  if (source.size() > chat_template::kMostText)
    return absl::InvalidArgumentError(absl::StrCat(name, ": the template is too long"));
  auto parsed = std::make_shared<Parsed>();
  parsed->name = name;
  try {
    parsed->body = chat_template::Parse(source);
    chat_template::Checker().Check(parsed->body);
  } catch (const chat_template::Error& error) {
    return chat_template::ToStatus(name, error);
  }
  return ChatTemplate(std::move(parsed));
}

absl::StatusOr<std::string> ChatTemplate::Render(const nlohmann::ordered_json& variables,
                                                 absl::Time now) const {
  try {
    return chat_template::Renderer(variables, now).Run(parsed_->body);
  } catch (const chat_template::Error& error) {
    return chat_template::ToStatus(parsed_->name, error);
  }
}

}  // namespace sojourn::policy
