#include "policy/chat_template_parser.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "policy/chat_template_lexer.h"

namespace sojourn::policy::chat_template {
namespace {

using Kind = Expression::Kind;

constexpr int kMostNested = 100;  // statements in statements, brackets in brackets
constexpr int kDeepest = 400;     // an expression's tree: a + b + c + ... counts

class Parser {
 public:
  explicit Parser(std::string_view source) : tokens_(Tokenize(source)) {}

  Body Run() {
    Body body = Statements({});
    if (Current().kind != Token::Kind::kEnd) Unexpected();
    return body;
  }

 private:
  struct Nesting {  // counts a level while it lives
    explicit Nesting(Parser* parser) : parser(parser) {
      if (++parser->nested_ > kMostNested) parser->FailHere("nested too deep");
    }
    ~Nesting() { --parser->nested_; }
    Parser* parser;
  };

  const Token& Current() const { return tokens_[at_]; }
  const Token& Next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  int line() const { return Current().line; }

  [[noreturn]] void FailHere(std::string message) { throw Error{std::move(message), line()}; }
  [[noreturn]] void Unexpected(std::string_view expected = "") {
    FailHere(absl::StrCat("unexpected ", Current().text, expected.empty() ? "" : "; expected ",
                          expected));
  }

  bool IsOperator(std::string_view text) const {
    return Current().kind == Token::Kind::kOperator && Current().text == text;
  }
  bool IsName(std::string_view text) const {
    return Current().kind == Token::Kind::kName && Current().text == text;
  }
  bool SkipOperator(std::string_view text) {
    if (!IsOperator(text)) return false;
    Take();
    return true;
  }
  bool SkipName(std::string_view text) {
    if (!IsName(text)) return false;
    Take();
    return true;
  }
  void ExpectOperator(std::string_view text) {
    if (!SkipOperator(text)) Unexpected(text);
  }
  void ExpectName(std::string_view text) {
    if (!SkipName(text)) Unexpected(text);
  }
  std::string ExpectAnyName() {
    if (Current().kind != Token::Kind::kName) Unexpected("a name");
    return Take().text;
  }
  void ExpectBlockEnd() {
    if (Current().kind != Token::Kind::kBlockEnd) Unexpected("%}");
    Take();
  }

  // --- statements

  // Up to a block that begins with one of `ends`, whose name is then current.
  Body Statements(const std::vector<std::string>& ends) {
    const Nesting nesting(this);
    Body body;
    for (;;) {
      const Token& token = Current();
      switch (token.kind) {
        case Token::Kind::kEnd:
          if (!ends.empty()) Unexpected(ends.back());
          return body;
        case Token::Kind::kData:
          body.push_back({.kind = Statement::Kind::kText, .line = token.line, .text = token.text});
          Take();
          break;
        case Token::Kind::kOutputBegin: {
          Take();
          Statement statement{.kind = Statement::Kind::kOutput, .line = line()};
          statement.value = Tuple(true);
          if (Current().kind != Token::Kind::kOutputEnd) Unexpected("}}");
          Take();
          body.push_back(std::move(statement));
          break;
        }
        case Token::Kind::kBlockBegin:
          Take();
          if (Current().kind != Token::Kind::kName) Unexpected("a tag's name");
          if (std::find(ends.begin(), ends.end(), Current().text) != ends.end()) return body;
          body.push_back(Block());
          break;
        default:
          Unexpected();
      }
    }
  }

  // A block's body and its end, both "%}".
  Body BodyUntil(const std::string& end) {
    ExpectBlockEnd();
    Body body = Statements({end});
    Take();
    ExpectBlockEnd();
    return body;
  }

  Statement Block() {
    Statement statement{.kind = Statement::Kind::kGroup, .line = line()};
    const std::string name = ExpectAnyName();
    if (name == "if") {
      If(&statement);
    } else if (name == "for") {
      For(&statement);
    } else if (name == "set") {
      Set(&statement);
    } else if (name == "macro") {
      statement.kind = Statement::Kind::kMacro;
      statement.name = ExpectAnyName();
      Parameters(&statement);
      statement.body = BodyUntil("endmacro");
    } else if (name == "call") {
      statement.kind = Statement::Kind::kCall;
      if (IsOperator("(")) Parameters(&statement);
      statement.value = Expr();
      if (statement.value->kind != Kind::kCall) FailHere("expected a call");
      statement.body = BodyUntil("endcall");
    } else if (name == "filter") {
      statement.kind = Statement::Kind::kFilter;
      statement.value = Filters(nullptr, /*inline_start=*/true);
      statement.body = BodyUntil("endfilter");
    } else if (name == "generation") {  // marks the assistant's part, and changes nothing
      statement.body = BodyUntil("endgeneration");
    } else if (name == "break" || name == "continue") {
      if (loops_ == 0) FailHere(absl::StrCat(name, " outside of a loop"));
      statement.kind = name == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue;
      ExpectBlockEnd();
    } else {
      throw Error{absl::StrCat("the tag \"", name,
                               "\" is not supported; known: break, call, "
                               "continue, filter, for, generation, if, macro, raw, set"),
                  statement.line};
    }
    return statement;
  }

  void If(Statement* statement) {
    const Nesting nesting(this);  // branches nest in `other`
    statement->kind = Statement::Kind::kIf;
    statement->value = Tuple(false);
    ExpectBlockEnd();
    statement->body = Statements({"elif", "else", "endif"});
    const Token end = Take();
    if (end.text == "elif") {
      Statement branch{.kind = Statement::Kind::kIf, .line = end.line};
      If(&branch);
      statement->other.push_back(std::move(branch));
    } else if (end.text == "else") {
      statement->other = BodyUntil("endif");
    } else {
      ExpectBlockEnd();
    }
  }

  void For(Statement* statement) {
    statement->kind = Statement::Kind::kFor;
    statement->target = Targets(/*attribute=*/false);
    ExpectName("in");
    statement->value = Tuple(false);
    if (SkipName("if")) statement->condition = Expr();
    if (IsName("recursive")) FailHere("a recursive loop is not supported");
    ExpectBlockEnd();
    ++loops_;
    statement->body = Statements({"endfor", "else"});
    --loops_;
    if (Take().text == "else") {
      statement->other = BodyUntil("endfor");
    } else {
      ExpectBlockEnd();
    }
  }

  void Set(Statement* statement) {
    statement->target = Targets(/*attribute=*/true);
    if (SkipOperator("=")) {
      statement->kind = Statement::Kind::kSet;
      statement->value = Tuple(true);
      ExpectBlockEnd();
      return;
    }
    statement->kind = Statement::Kind::kSetBlock;
    if (IsOperator("|")) statement->value = Filters(nullptr, false);
    statement->body = BodyUntil("endset");
  }

  Target Targets(bool attribute) {
    Target target;
    const bool bracket = SkipOperator("(");
    do {
      if (!target.names.empty() && Current().kind != Token::Kind::kName)
        break;  // a comma at the end
      target.names.push_back(ExpectAnyName());
      for (const char* word : {"true", "false", "none", "True", "False", "None"}) {
        if (target.names.back() == word) FailHere(absl::StrCat("cannot assign to ", word));
      }
      if (attribute && SkipOperator(".")) {
        target.attribute = ExpectAnyName();
        break;
      }
      if (IsName("in")) break;
      target.unpack = target.unpack || IsOperator(",");
    } while (SkipOperator(","));
    if (bracket) ExpectOperator(")");
    return target;
  }

  void Parameters(Statement* statement) {
    ExpectOperator("(");
    while (!IsOperator(")")) {
      if (!statement->parameters.empty()) ExpectOperator(",");
      statement->parameters.push_back(ExpectAnyName());
      if (SkipOperator("=")) {
        statement->defaults.push_back(Expr());
      } else if (!statement->defaults.empty()) {
        FailHere("a parameter without a default after one with a default");
      }
    }
    ExpectOperator(")");
  }

  // --- expressions

  std::unique_ptr<Expression> Node(Kind kind, int line) {
    auto node = std::make_unique<Expression>();
    node->kind = kind;
    node->line = line;
    return node;
  }

  // Sets the depth, which bounds every walk over the tree.
  ExpressionPtr Done(std::unique_ptr<Expression> node) {
    const auto count = [&](const ExpressionPtr& part) {
      if (part != nullptr) node->depth = std::max(node->depth, part->depth + 1);
    };
    for (const ExpressionPtr& part : node->parts) count(part);
    for (const ExpressionPtr& part : node->arguments.positional) count(part);
    for (const auto& [name, part] : node->arguments.named) count(part);
    count(node->arguments.list);
    count(node->arguments.dict);
    if (node->depth > kDeepest) FailHere("an expression is too long");
    return node;
  }

  template <typename... Parts>
  ExpressionPtr Make(Kind kind, int line, std::string name, Parts... parts) {
    auto node = Node(kind, line);
    node->name = std::move(name);
    (node->parts.push_back(std::move(parts)), ...);
    return Done(std::move(node));
  }

  ExpressionPtr Constant(Value value, int line) {
    auto node = Node(Kind::kConstant, line);
    node->constant = std::move(value);
    return node;
  }

  bool IsTupleEnd() const {
    const Token::Kind kind = Current().kind;
    return kind == Token::Kind::kOutputEnd || kind == Token::Kind::kBlockEnd || IsOperator(")");
  }

  // One expression, or several with commas: a tuple. `conditions`: a bare "if" belongs to it.
  ExpressionPtr Tuple(bool conditions, bool brackets = false) {
    auto node = Node(Kind::kTuple, line());
    bool tuple = false;
    for (;;) {
      if (!node->parts.empty()) ExpectOperator(",");
      if (IsTupleEnd()) break;
      node->parts.push_back(conditions ? Expr() : Or());
      if (!IsOperator(",")) break;
      tuple = true;
    }
    if (!tuple && !node->parts.empty()) return std::move(node->parts[0]);
    if (!tuple && !brackets) Unexpected("an expression");
    return Done(std::move(node));
  }

  ExpressionPtr Expr() {
    const Nesting nesting(this);
    ExpressionPtr node = Or();
    while (IsName("if")) {
      const int at = Take().line;
      ExpressionPtr condition = Or(), otherwise;
      if (SkipName("else")) otherwise = Expr();
      node = Make(Kind::kCondition, at, "", std::move(node), std::move(condition),
                  std::move(otherwise));
    }
    return node;
  }

  ExpressionPtr Or() {
    ExpressionPtr left = And();
    while (IsName("or")) {
      const int at = Take().line;
      left = Make(Kind::kOr, at, "", std::move(left), And());
    }
    return left;
  }

  ExpressionPtr And() {
    ExpressionPtr left = Not();
    while (IsName("and")) {
      const int at = Take().line;
      left = Make(Kind::kAnd, at, "", std::move(left), Not());
    }
    return left;
  }

  ExpressionPtr Not() {
    if (!IsName("not")) return Comparison();
    const Nesting nesting(this);
    const int at = Take().line;
    return Make(Kind::kNot, at, "", Not());
  }

  ExpressionPtr Comparison() {
    auto node = Node(Kind::kCompare, line());
    node->parts.push_back(Sum());
    for (;;) {
      std::string text;
      for (const char* candidate : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (IsOperator(candidate)) text = candidate;
      }
      if (IsName("in")) text = "in";
      if (IsName("not") && Next().kind == Token::Kind::kName && Next().text == "in") {
        text = "not in";
        Take();
      }
      if (text.empty()) break;
      Take();
      node->operators.push_back(text);
      node->parts.push_back(Sum());
    }
    if (node->operators.empty()) return std::move(node->parts[0]);
    return Done(std::move(node));
  }

  // Left to right over operators of one rank.
  ExpressionPtr Chain(std::initializer_list<const char*> operators,
                      ExpressionPtr (Parser::*operand)()) {
    ExpressionPtr left = (this->*operand)();
    for (;;) {
      const auto found = std::find_if(operators.begin(), operators.end(),
                                      [&](const char* text) { return IsOperator(text); });
      if (found == operators.end()) return left;
      const int at = Take().line;
      left = Make(Kind::kBinary, at, *found, std::move(left), (this->*operand)());
    }
  }

  ExpressionPtr Sum() { return Chain({"+", "-"}, &Parser::Concat); }

  ExpressionPtr Concat() {
    auto node = Node(Kind::kConcat, line());
    do node->parts.push_back(Product());
    while (SkipOperator("~"));
    if (node->parts.size() == 1) return std::move(node->parts[0]);
    return Done(std::move(node));
  }

  ExpressionPtr Product() { return Chain({"*", "/", "//", "%"}, &Parser::Power); }
  ExpressionPtr Power() { return Chain({"**"}, &Parser::Filtered); }
  ExpressionPtr Filtered() { return Unary(true); }

  ExpressionPtr Unary(bool filters) {
    const Nesting nesting(this);
    ExpressionPtr node;
    if (IsOperator("-") || IsOperator("+")) {
      const Token sign = Take();
      node =
          Make(sign.text == "-" ? Kind::kNegative : Kind::kPositive, sign.line, "", Unary(false));
    } else {
      node = Primary();
    }
    node = Postfix(std::move(node));
    return filters ? FiltersAndTests(std::move(node)) : std::move(node);
  }

  ExpressionPtr Primary() {
    const Token token = Current();
    switch (token.kind) {
      case Token::Kind::kName:
        Take();
        if (token.text == "true" || token.text == "True")
          return Constant(Value::Bool(true), token.line);
        if (token.text == "false" || token.text == "False")
          return Constant(Value::Bool(false), token.line);
        if (token.text == "none" || token.text == "None")
          return Constant(Value::None(), token.line);
        return Make(Kind::kName, token.line, token.text);
      case Token::Kind::kString: {
        std::string text;
        while (Current().kind == Token::Kind::kString) text += Take().text;
        return Constant(Value::String(std::move(text)), token.line);
      }
      case Token::Kind::kInteger:
        Take();
        return Constant(Value::Int(token.integer), token.line);
      case Token::Kind::kFloat:
        Take();
        return Constant(Value::Float(token.number), token.line);
      default:
        break;
    }
    if (SkipOperator("(")) {
      ExpressionPtr node = Tuple(true, /*brackets=*/true);
      ExpectOperator(")");
      return node;
    }
    const bool list = IsOperator("[");
    if (!list && !IsOperator("{")) Unexpected();
    Take();
    const char* const close = list ? "]" : "}";
    auto node = Node(list ? Kind::kList : Kind::kDict, token.line);
    while (!IsOperator(close)) {
      if (!node->parts.empty()) ExpectOperator(",");
      if (IsOperator(close)) break;
      node->parts.push_back(Expr());
      if (list) continue;
      ExpectOperator(":");
      node->parts.push_back(Expr());
    }
    ExpectOperator(close);
    return Done(std::move(node));
  }

  ExpressionPtr Postfix(ExpressionPtr node) {
    for (;;) {
      const int at = line();
      if (SkipOperator(".")) {
        if (Current().kind == Token::Kind::kInteger) {
          ExpressionPtr key = Constant(Value::Int(Take().integer), at);
          node = Make(Kind::kItem, at, "", std::move(node), std::move(key));
        } else {
          std::string name = ExpectAnyName();
          node = Make(Kind::kAttribute, at, std::move(name), std::move(node));
        }
      } else if (SkipOperator("[")) {
        node = Subscript(std::move(node), at);
      } else if (IsOperator("(")) {
        node = Call(std::move(node));
      } else {
        return node;
      }
    }
  }

  ExpressionPtr Subscript(ExpressionPtr value, int at) {
    ExpressionPtr parts[3];
    bool slice = false;
    for (int i = 0; i < 3; ++i) {
      if (!IsOperator(":") && !IsOperator("]")) parts[i] = Expr();
      if (i == 2 || !SkipOperator(":")) break;
      slice = true;
    }
    if (!slice && parts[0] == nullptr) Unexpected("a key");
    ExpectOperator("]");
    if (!slice) return Make(Kind::kItem, at, "", std::move(value), std::move(parts[0]));
    return Make(Kind::kSlice, at, "", std::move(value), std::move(parts[0]), std::move(parts[1]),
                std::move(parts[2]));
  }

  Arguments CallArguments() {
    Arguments arguments;
    ExpectOperator("(");
    bool first = true;
    while (!IsOperator(")")) {
      if (!first) ExpectOperator(",");
      if (IsOperator(")")) break;
      first = false;
      if (arguments.dict != nullptr) Unexpected(")");
      if (arguments.list == nullptr && SkipOperator("*")) {
        arguments.list = Expr();
      } else if (SkipOperator("**")) {
        arguments.dict = Expr();
      } else if (Current().kind == Token::Kind::kName && Next().kind == Token::Kind::kOperator &&
                 Next().text == "=") {
        std::string name = Take().text;
        Take();
        arguments.named.emplace_back(std::move(name), Expr());
      } else {
        if (!arguments.named.empty() || arguments.list != nullptr)
          FailHere("an argument without a name after one with a name");
        arguments.positional.push_back(Expr());
      }
    }
    ExpectOperator(")");
    return arguments;
  }

  ExpressionPtr Call(ExpressionPtr what) {
    auto node = Node(Kind::kCall, line());
    node->parts.push_back(std::move(what));
    node->arguments = CallArguments();
    return Done(std::move(node));
  }

  ExpressionPtr FiltersAndTests(ExpressionPtr node) {
    for (;;) {
      if (IsOperator("|")) {
        node = Filters(std::move(node), false);
      } else if (IsName("is")) {
        node = Test(std::move(node));
      } else if (IsOperator("(")) {
        node = Call(std::move(node));
      } else {
        return node;
      }
    }
  }

  ExpressionPtr Filters(ExpressionPtr value, bool inline_start) {
    while (inline_start || SkipOperator("|")) {
      inline_start = false;
      auto node = Node(Kind::kFilter, line());
      node->name = ExpectAnyName();
      node->parts.push_back(std::move(value));
      if (IsOperator("(")) node->arguments = CallArguments();
      value = Done(std::move(node));
    }
    return value;
  }

  ExpressionPtr Test(ExpressionPtr value) {
    const int at = Take().line;
    const bool negated = SkipName("not");
    auto node = Node(Kind::kTest, at);
    node->name = ExpectAnyName();
    node->parts.push_back(std::move(value));
    const Token& next = Current();
    const bool value_follows =
        next.kind == Token::Kind::kString || next.kind == Token::Kind::kInteger ||
        next.kind == Token::Kind::kFloat || IsOperator("[") || IsOperator("{") ||
        (next.kind == Token::Kind::kName && next.text != "else" && next.text != "or" &&
         next.text != "and" && next.text != "is" && next.text != "if");
    if (IsOperator("(")) {
      node->arguments = CallArguments();
    } else if (value_follows) {
      if (IsName("is")) FailHere("tests cannot be chained with is");
      node->arguments.positional.push_back(Postfix(Primary()));
    }
    ExpressionPtr done = Done(std::move(node));
    return negated ? Make(Kind::kNot, at, "", std::move(done)) : std::move(done);
  }

  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nested_ = 0;
  int loops_ = 0;
};

}  // namespace

Body Parse(std::string_view source) { return Parser(source).Run(); }

}  // namespace sojourn::policy::chat_template
