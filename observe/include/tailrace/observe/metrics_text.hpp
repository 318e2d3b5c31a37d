// MetricsText: figures as a monitoring system reads them: OpenMetrics 1.0, or the older text format
// of Prometheus.
//
// Names come from the figures: "tailrace_reader" and "lag_ns" are tailrace_reader_lag_seconds.
// Units are base units, a counter ends with _total. A value that isn't there, or that nobody knows,
// is no sample: zero would be a lie, and a sum over NaN is none. One thread.
#pragma once

#include <tailrace/observe/figure.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tailrace::observe {

enum class MetricsFormat : std::uint8_t { open_metrics, prometheus_text };

// What a client that sends this header `Accept` wants.
[[nodiscard]] MetricsFormat accepted_format(std::string_view accept);
[[nodiscard]] std::string_view content_type_of(MetricsFormat format) noexcept;

// {stream="orders",reader="risk"}. Names come from shared memory: what isn't UTF-8, or is a control
// character, becomes a question mark.
class MetricLabels {
public:
    MetricLabels() = default;
    MetricLabels(std::initializer_list<std::pair<std::string_view, std::string_view>> labels);

    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    void add(std::string_view name, std::string_view value);

private:
    std::string text_;  // without the braces
};

template <typename Row>
struct MetricRow {
    MetricLabels labels;
    const Row* row = nullptr;
};

// Two rows with the same labels would be one, and the page invalid: the second one of "risk" gets
// twin="2".
template <typename Row>
void tell_twins_apart(std::vector<MetricRow<Row>>& rows) {
    std::map<std::string, int> seen;
    for (MetricRow<Row>& row : rows) {
        const int count = ++seen[row.labels.text()];
        if (count > 1) row.labels.add("twin", std::to_string(count));
    }
}

class MetricsText {
public:
    explicit MetricsText(MetricsFormat format) noexcept : format_(format) {}

    // Every figure that is a quantity or a flag, each with a sample for each row that has it.
    // Texts and what only names (a pid, an errno) are none.
    template <typename Row>
    void add(std::string_view prefix,
             std::span<const Figure<Row>> figures,
             std::span<const MetricRow<Row>> rows) {
        for (const Figure<Row>& figure : figures) {
            const Family family = family_of(prefix, figure.name, figure.unit, figure.kind);
            if (family.name.empty()) continue;
            bool is_opened = false;
            for (const MetricRow<Row>& row : rows) {
                const std::string text = sample_text(figure.get(*row.row), figure.unit);
                if (text.empty()) continue;
                if (!is_opened) open(family, figure.help);
                is_opened = true;
                add_sample(family.sample, row.labels.text(), text);
            }
        }
    }

    // What is a word: a sample of 1 with the word as a label.
    template <typename Row>
    void add_words(std::string_view prefix,
                   const Figure<Row>& figure,
                   std::span<const MetricRow<Row>> rows) {
        if (rows.empty()) return;
        const std::string name = std::string(prefix) + "_" + std::string(figure.name);
        open({name, name, {}, "gauge"}, figure.help);
        for (const MetricRow<Row>& row : rows) {
            MetricLabels labels = row.labels;
            labels.add(figure.name, value_text(figure.get(*row.row), figure.unit));
            add_sample(name, labels.text(), "1");
        }
    }

    void add_gauge(std::string_view name, std::string_view help, double value);
    // Facts, as labels of a sample of 1; its name gets an _info.
    void add_info(std::string_view name, std::string_view help, const MetricLabels& labels);

    // The page. Nothing is added any more.
    [[nodiscard]] std::string finish();

private:
    struct Family {
        std::string name;    // empty: it is none
        std::string sample;  // the name of its samples
        std::string_view unit;
        std::string_view type;
    };

    [[nodiscard]] static Family family_of(std::string_view prefix,
                                          std::string_view figure,
                                          Unit unit,
                                          Kind kind);
    // Empty: there is none.
    [[nodiscard]] static std::string sample_text(const Value& value, Unit unit);
    void open(const Family& family, std::string_view help);
    void add_sample(std::string_view name, std::string_view labels, std::string_view value);

    MetricsFormat format_;
    std::string text_;
};

}  // namespace tailrace::observe
