#include "condition_tree.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace tailrace::schema {

namespace {

// More than anybody types, and less than a stack holds.
constexpr std::size_t kMostSteps = 2048;
constexpr std::size_t kDeepest = 100;

constexpr const char* kGrammar = "price > 100 and (instrument == 7 or not symbol == 'ABC')";

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kPathCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.[]";

struct RelationRow {
    std::string_view sign;
    std::uint8_t relation;
};
// Longer ones first.
constexpr std::array<RelationRow, 8> kRelations = {{{"==", kEqual},
                                                    {"!=", kLess | kGreater | kUnordered},
                                                    {"<>", kLess | kGreater | kUnordered},
                                                    {"<=", kLess | kEqual},
                                                    {">=", kGreater | kEqual},
                                                    {"=", kEqual},
                                                    {"<", kLess},
                                                    {">", kGreater}}};

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_keyword(std::string_view text, std::string_view word) noexcept {
    return std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) {
        return lower(a) == b;
    });
}

class TreeParser {
public:
    explicit TreeParser(std::string_view text) : text_(text) {}

    [[nodiscard]] Result<std::vector<TreeStep>> parse() {
        auto whole = condition(0);
        if (!whole) return whole.error();
        skip_blanks();
        if (at_ < text_.size())
            return refused(at_,
                           "'" + rest() +
                               "' is too much: 'and', 'or' or the end is to stand "
                               "here");
        return std::move(steps_);
    }

private:
    using Index = Result<std::uint16_t>;

    [[nodiscard]] Index condition(std::size_t depth);
    [[nodiscard]] Index conjunction(std::size_t depth);
    [[nodiscard]] Index statement(std::size_t depth);
    [[nodiscard]] Index comparison();
    [[nodiscard]] Index add(TreeStep step);
    [[nodiscard]] Result<Operand> operand();
    [[nodiscard]] Result<Operand> number();
    [[nodiscard]] Result<Operand> quoted();

    [[nodiscard]] Error refused(std::size_t offset, const std::string& what) const;
    void skip_blanks() noexcept;
    [[nodiscard]] std::string rest() const;
    // The word of letters that stands here.
    [[nodiscard]] std::string_view word() const noexcept;
    [[nodiscard]] bool takes(std::string_view sign) noexcept;
    [[nodiscard]] bool takes_word(std::string_view word) noexcept;

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<TreeStep> steps_;
};

// Counted in characters, as an editor does.
std::size_t column_at(std::string_view text, std::size_t offset) noexcept {
    const std::string_view before = text.substr(0, std::min(offset, text.size()));
    return 1 + static_cast<std::size_t>(std::count_if(before.begin(), before.end(), [](char c) {
               return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
           }));
}

Error TreeParser::refused(std::size_t offset, const std::string& what) const {
    return condition_error(column_at(text_, offset), what, kGrammar);
}

void TreeParser::skip_blanks() noexcept {
    at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
}

std::string TreeParser::rest() const {
    constexpr std::size_t kShown = 20;
    const std::string_view text = text_.substr(at_);
    if (text.size() <= kShown) return std::string(text);
    // Not through the middle of a character.
    std::size_t end = kShown;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U)
        --end;
    return std::string(text.substr(0, end)) + "…";
}

std::string_view TreeParser::word() const noexcept {
    const std::size_t end = std::min(text_.find_first_not_of(kPathCharacters, at_), text_.size());
    return text_.substr(at_, end - at_);
}

bool TreeParser::takes(std::string_view sign) noexcept {
    skip_blanks();
    if (!text_.substr(at_).starts_with(sign)) return false;
    at_ += sign.size();
    return true;
}

bool TreeParser::takes_word(std::string_view wanted) noexcept {
    skip_blanks();
    if (!is_keyword(word(), wanted)) return false;
    at_ += wanted.size();
    return true;
}

TreeParser::Index TreeParser::add(TreeStep step) {
    if (steps_.size() == kMostSteps) return refused(at_, "it is too long");
    steps_.push_back(std::move(step));
    return static_cast<std::uint16_t>(steps_.size() - 1);
}

TreeParser::Index TreeParser::condition(std::size_t depth) {
    if (depth > kDeepest) return refused(at_, "there is too much inside of each other");
    auto left = conjunction(depth);
    while (left && (takes_word("or") || takes("||"))) {
        auto right = conjunction(depth);
        if (!right) return right;
        left = add({.kind = TreeStep::Kind::either,
                    .left = *left,
                    .right = *right,
                    .first = {},
                    .second = {}});
    }
    return left;
}

TreeParser::Index TreeParser::conjunction(std::size_t depth) {
    auto left = statement(depth);
    while (left && (takes_word("and") || takes("&&"))) {
        auto right = statement(depth);
        if (!right) return right;
        left = add({.kind = TreeStep::Kind::both,
                    .left = *left,
                    .right = *right,
                    .first = {},
                    .second = {}});
    }
    return left;
}

TreeParser::Index TreeParser::statement(std::size_t depth) {
    if (depth > kDeepest) return refused(at_, "there is too much inside of each other");
    if (takes_word("not") || takes("!")) {
        auto denied = statement(depth + 1);
        if (!denied) return denied;
        return add({.kind = TreeStep::Kind::contrary, .left = *denied, .first = {}, .second = {}});
    }
    if (!takes("(")) return comparison();
    const std::size_t begin = at_ - 1;
    auto inner = condition(depth + 1);
    if (!inner || takes(")")) return inner;
    return refused(at_ < text_.size() ? at_ : begin,
                   at_ < text_.size() ? "'" + rest() + "' is too much: ')' is to stand here"
                                      : "this ( isn't closed");
}

TreeParser::Index TreeParser::comparison() {
    skip_blanks();
    TreeStep step;
    step.first_column = column_at(text_, at_);
    auto first = operand();
    if (!first) return first.error();
    step.first = std::move(*first);
    skip_blanks();
    const auto* const found =
        std::find_if(kRelations.begin(), kRelations.end(), [&](const RelationRow& row) {
            return text_.substr(at_).starts_with(row.sign);
        });
    if (found == kRelations.end()) {
        step.kind = TreeStep::Kind::flag;
        step.second = true;
        return add(std::move(step));
    }
    at_ += found->sign.size();
    step.relation = found->relation;
    skip_blanks();
    step.second_column = column_at(text_, at_);
    auto second = operand();
    if (!second) return second.error();
    step.second = std::move(*second);
    return add(std::move(step));
}

Result<Operand> TreeParser::operand() {
    if (at_ == text_.size())
        return refused(at_, "it ends where a field, a number or a text is to stand");
    const char c = text_[at_];
    const bool is_number =
        kDigits.find(c) != std::string_view::npos || c == '-' || c == '+' || c == '.';
    if (is_number) return number();
    if (c == '\'' || c == '"') return quoted();
    const std::string_view path = word();
    const bool is_reserved =
        is_keyword(path, "and") || is_keyword(path, "or") || is_keyword(path, "not");
    if (kLetters.find(c) == std::string_view::npos || is_reserved)
        return refused(at_, "a field, a number or a text is to stand here, not '" + rest() + "'");
    at_ += path.size();
    if (is_keyword(path, "true")) return Operand(true);
    if (is_keyword(path, "false")) return Operand(false);
    return Operand(FieldPath{std::string(path)});
}

Result<Operand> TreeParser::number() {
    const std::size_t begin = at_;
    std::size_t from = begin;
    const bool is_negative = text_[from] == '-';
    if (is_negative || text_[from] == '+') ++from;
    const bool is_hex =
        text_.substr(from).starts_with("0x") || text_.substr(from).starts_with("0X");
    // What belongs to it: the sign of an exponent as well.
    std::size_t end = from;
    while (end < text_.size()) {
        const bool is_sign = (text_[end] == '-' || text_[end] == '+') && !is_hex && end > from &&
                             lower(text_[end - 1]) == 'e';
        if (!is_sign && kPathCharacters.find(text_[end]) == std::string_view::npos) break;
        ++end;
    }
    const std::string shown(text_.substr(begin, end - begin));
    at_ = end;
    const char* const first = text_.data() + from + (is_hex ? 2 : 0);
    const char* const last = text_.data() + end;
    std::uint64_t whole = 0;
    const auto as_whole = std::from_chars(first, last, whole, is_hex ? 16 : 10);
    const bool is_whole = as_whole.ec == std::errc{} && as_whole.ptr == last;
    constexpr std::uint64_t kMostNegative = std::uint64_t{1} << 63U;
    if (is_whole && !is_negative) return Operand(whole);
    if (is_whole && whole <= kMostNegative) return Operand(static_cast<std::int64_t>(0 - whole));
    double real = 0;
    const auto as_real = std::from_chars(first, last, real);
    if (!is_hex && as_real.ec == std::errc{} && as_real.ptr == last)
        return Operand(is_negative ? -real : real);
    return refused(begin, "'" + shown + "' is no number");
}

int digit_of(char c) noexcept {
    constexpr std::string_view kHex = "0123456789abcdef";
    const std::size_t digit = kHex.find(lower(c));
    return digit == std::string_view::npos ? -1 : static_cast<int>(digit);
}

// What stands behind a backslash, taken from the front of `text`.
std::optional<char> take_escaped(std::string_view& text) noexcept {
    if (text.empty()) return std::nullopt;
    const char c = text.front();
    text.remove_prefix(1);
    if (c == 'n') return '\n';
    if (c == 't') return '\t';
    if (c == '\\' || c == '\'' || c == '"') return c;
    if (c != 'x' || text.size() < 2) return std::nullopt;
    const int high = digit_of(text[0]);
    const int low = digit_of(text[1]);
    if (high < 0 || low < 0) return std::nullopt;
    text.remove_prefix(2);
    return static_cast<char>(high * 16 + low);
}

Result<Operand> TreeParser::quoted() {
    const std::size_t begin = at_;
    const char quote = text_[at_++];
    std::string value;
    while (at_ < text_.size() && text_[at_] != quote) {
        const char c = text_[at_++];
        if (c != '\\') {
            value += c;
            continue;
        }
        std::string_view behind = text_.substr(at_);
        const auto byte = take_escaped(behind);
        if (!byte) return refused(at_ - 1, "no such byte: \\' \\\" \\\\ \\n \\t \\xHH");
        value += *byte;
        at_ = text_.size() - behind.size();
    }
    if (at_ == text_.size()) return refused(begin, "this text has no end: its quote is missing");
    ++at_;
    return Operand(std::move(value));
}

}  // namespace

Error condition_error(std::size_t column, const std::string& what, std::string hint) {
    return invalid_argument("column " + std::to_string(column) + ": " + what, std::move(hint));
}

Result<std::vector<TreeStep>> parse_condition(std::string_view text) {
    return TreeParser(text).parse();
}

}  // namespace tailrace::schema
