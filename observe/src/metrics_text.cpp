#include <tailrace/base/clock.hpp>
#include <tailrace/observe/metrics_text.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace tailrace::observe {

namespace {

std::string_view stripped(std::string_view text) noexcept {
    const auto is_blank = [](char c) {
        return c == ' ' || c == '\t';
    };
    while (!text.empty() && is_blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back()))
        text.remove_suffix(1);
    return text;
}

// What stands before the next separator, which is taken off the rest.
std::string_view next_part(std::string_view& rest, char separator) noexcept {
    const std::size_t end = rest.find(separator);
    const std::string_view part = stripped(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    return part;
}

// How much a client wants the media type of one entry of `Accept`:
// "text/plain;version=0.0.4;q=0.5".
double quality_of(std::string_view parameters) noexcept {
    double quality = 1;
    while (!parameters.empty()) {
        const std::string_view parameter = next_part(parameters, ';');
        if (!parameter.starts_with("q=")) continue;
        const std::string_view digits = parameter.substr(2);
        const auto [end, status] =
            std::from_chars(digits.data(), digits.data() + digits.size(), quality);
        if (status != std::errc()) return 0;
    }
    return quality;
}

// The number of bytes of the character that begins there; 0: it isn't one.
std::size_t utf8_size(std::string_view text) noexcept {
    const auto byte = [&](std::size_t index) {
        return static_cast<unsigned char>(text[index]);
    };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
    for (std::size_t index = 1; index < size; ++index) {
        if ((byte(index) & 0xC0U) != 0x80U) return 0;
    }
    // Overlong, surrogates, and beyond the last one.
    const unsigned char second = byte(1);
    if (first == 0xE0 && second < 0xA0) return 0;
    if (first == 0xED && second > 0x9F) return 0;
    if (first == 0xF0 && second < 0x90) return 0;
    if (first == 0xF4 && second > 0x8F) return 0;
    return size;
}

// With backslashes where the format wants them.
std::string escaped(std::string_view text, bool with_quotes) {
    std::string result;
    while (!text.empty()) {
        const std::size_t size = utf8_size(text);
        const char first = text.front();
        if (size == 0 || (size == 1 && first != '\n' && (first < ' ' || first == '\x7F'))) {
            result += '?';
        } else if (first == '\n') {
            result += "\\n";
        } else {
            if (first == '\\' || (with_quotes && first == '"')) result += '\\';
            result += text.substr(0, size);
        }
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return result;
}

// Exactly: a double would lose digits of a time.
std::string seconds_text(std::uint64_t ns) {
    constexpr std::size_t kDigits = 9;
    std::string fraction = std::to_string(ns % kNsPerSecond);
    fraction.insert(0, kDigits - fraction.size(), '0');
    return std::to_string(ns / kNsPerSecond) + "." + fraction;
}

std::string real_text(double value) {
    std::array<char, 32> text{};
    const auto [end, status] = std::to_chars(text.data(), text.data() + text.size(), value);
    return {text.data(), end};
}

// A figure's name as a metric's: "end_seq", "lag_ns", "created_ns", "latency.p50_ns".
std::string metric_name(std::string_view prefix, std::string_view figure, Unit unit) {
    std::string name = std::string(prefix) + "_" + std::string(figure);
    std::replace(name.begin(), name.end(), '.', '_');
    const auto replace_end = [&](std::string_view end, std::string_view by) {
        if (name.ends_with(end)) name.replace(name.size() - end.size(), end.size(), by);
    };
    if (unit == Unit::nanoseconds) replace_end("_ns", "_seconds");
    if (unit == Unit::time_ns) replace_end("_ns", "_timestamp_seconds");
    if (unit == Unit::sequence) replace_end("seq", "sequence");
    if (unit == Unit::change_per_s) replace_end("_per_s", "_per_second");
    return name;
}

}  // namespace

MetricsFormat accepted_format(std::string_view accept) {
    double open_metrics = 0;
    double text = 0;
    while (!accept.empty()) {
        std::string_view entry = next_part(accept, ',');
        const std::string_view type = next_part(entry, ';');
        const double quality = quality_of(entry);
        if (type == "application/openmetrics-text") {
            open_metrics = std::max(open_metrics, quality);
        } else if (type == "text/plain" || type == "text/*" || type == "*/*") {
            text = std::max(text, quality);
        }
    }
    // Whoever doesn't ask for it may not know it.
    return open_metrics > 0 && open_metrics >= text ? MetricsFormat::open_metrics
                                                    : MetricsFormat::prometheus_text;
}

std::string_view content_type_of(MetricsFormat format) noexcept {
    return format == MetricsFormat::open_metrics
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

MetricLabels::MetricLabels(
    std::initializer_list<std::pair<std::string_view, std::string_view>> labels) {
    for (const auto& [name, value] : labels)
        add(name, value);
}

void MetricLabels::add(std::string_view name, std::string_view value) {
    if (!text_.empty()) text_ += ',';
    text_.append(name).append("=\"").append(escaped(value, true)).append("\"");
}

MetricsText::Family MetricsText::family_of(std::string_view prefix,
                                           std::string_view figure,
                                           Unit unit,
                                           Kind kind) {
    if (unit == Unit::text || unit == Unit::number) return {};
    Family family;
    family.name = metric_name(prefix, figure, unit);
    family.sample = family.name + (kind == Kind::counter ? "_total" : "");
    family.type = kind == Kind::counter ? "counter" : "gauge";
    for (const std::string_view unit_word : {"seconds", "bytes", "ratio"}) {
        if (family.name.ends_with("_" + std::string(unit_word))) family.unit = unit_word;
    }
    return family;
}

std::string MetricsText::sample_text(const Value& value, Unit unit) {
    if (const bool* const flag = std::get_if<bool>(&value)) return *flag ? "1" : "0";
    if (const double* const real = std::get_if<double>(&value)) return real_text(*real);
    const std::uint64_t* const count = std::get_if<std::uint64_t>(&value);
    if (count == nullptr) return {};
    const bool is_time = unit == Unit::nanoseconds || unit == Unit::time_ns;
    return is_time ? seconds_text(*count) : std::to_string(*count);
}

void MetricsText::open(const Family& family, std::string_view help) {
    const bool is_open = format_ == MetricsFormat::open_metrics;
    // The older format knows no families: there a counter's name has its _total.
    const std::string& name = is_open ? family.name : family.sample;
    text_.append("# HELP ").append(name).append(" ");
    text_.append(escaped(help, is_open)).append("\n");
    text_.append("# TYPE ").append(name).append(" ");
    text_.append(is_open || family.type != "info" ? family.type : "gauge").append("\n");
    if (is_open && !family.unit.empty())
        text_.append("# UNIT ").append(name).append(" ").append(family.unit).append("\n");
}

void MetricsText::add_sample(std::string_view name,
                             std::string_view labels,
                             std::string_view value) {
    text_.append(name);
    if (!labels.empty()) text_.append("{").append(labels).append("}");
    text_.append(" ").append(value).append("\n");
}

void MetricsText::add_gauge(std::string_view name, std::string_view help, double value) {
    const std::string text(name);
    open({text, text, text.ends_with("_seconds") ? "seconds" : "", "gauge"}, help);
    add_sample(text, {}, real_text(value));
}

void MetricsText::add_info(std::string_view name,
                           std::string_view help,
                           const MetricLabels& labels) {
    const std::string text(name);
    open({text, text + "_info", {}, "info"}, help);
    add_sample(text + "_info", labels.text(), "1");
}

std::string MetricsText::finish() {
    if (format_ == MetricsFormat::open_metrics) text_ += "# EOF\n";
    return std::move(text_);
}

}  // namespace tailrace::observe
