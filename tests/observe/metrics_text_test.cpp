#include <tailrace/observe/metrics_text.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <string>

namespace metrics_text_test {

using namespace tailrace::observe;

namespace {

struct Pump {
    std::string name;
    Value litres;
    Value age_ns;
};

constexpr auto kFigures = std::to_array<Figure<Pump>>({
    {"name",
     Unit::text,
     "its name",
     [](const Pump& row) -> Value {
         return row.name;
     }},
    {"pid",
     Unit::number,
     "its process",
     [](const Pump&) -> Value {
         return std::uint64_t{7};
     }},
    {"litres",
     Unit::count,
     "that it has \"moved\"",
     [](const Pump& row) -> Value { return row.litres; },
     Kind::counter},
    {"rest.age_ns",
     Unit::nanoseconds,
     "of it",
     [](const Pump& row) -> Value {
         return row.age_ns;
     }},
});

std::string page_of(MetricsFormat format, const Pump& pump) {
    const std::array<MetricRow<Pump>, 1> rows{{{MetricLabels{{"pump", pump.name}}, &pump}}};
    MetricsText text(format);
    text.add<Pump>("house_pump", kFigures, rows);
    return text.finish();
}

const Pump kPump{"a\"b\\c\nd\x01\xFF\xC3\xA9", std::uint64_t{3}, std::uint64_t{1'500'000'001}};

}  // namespace

TEST_CASE("metrics text: OpenMetrics has families, units and an end.") {
    CHECK(page_of(MetricsFormat::open_metrics, kPump) ==
          "# HELP house_pump_litres that it has \\\"moved\\\"\n"
          "# TYPE house_pump_litres counter\n"
          "house_pump_litres_total{pump=\"a\\\"b\\\\c\\nd??\xC3\xA9\"} 3\n"
          "# HELP house_pump_rest_age_seconds of it\n"
          "# TYPE house_pump_rest_age_seconds gauge\n"
          "# UNIT house_pump_rest_age_seconds seconds\n"
          "house_pump_rest_age_seconds{pump=\"a\\\"b\\\\c\\nd??\xC3\xA9\"} 1.500000001\n"
          "# EOF\n");
}

TEST_CASE("metrics text: the older format has a counter under its whole name.") {
    CHECK(page_of(MetricsFormat::prometheus_text, {"p", std::uint64_t{3}, Absent{}}) ==
          "# HELP house_pump_litres_total that it has \"moved\"\n"
          "# TYPE house_pump_litres_total counter\n"
          "house_pump_litres_total{pump=\"p\"} 3\n");
}

TEST_CASE("metrics text: what isn't there or isn't known is no sample.") {
    CHECK(page_of(MetricsFormat::open_metrics, {"p", Unknown{}, Absent{}}) == "# EOF\n");
}

TEST_CASE("metrics text: rows with the same labels are told apart.") {
    const Pump pump;
    std::vector<MetricRow<Pump>> rows;
    for (const char* const name : {"a", "b", "a", "a"})
        rows.push_back({MetricLabels{{"pump", name}}, &pump});
    tell_twins_apart(rows);
    CHECK(rows[0].labels.text() == "pump=\"a\"");
    CHECK(rows[1].labels.text() == "pump=\"b\"");
    CHECK(rows[2].labels.text() == "pump=\"a\",twin=\"2\"");
    CHECK(rows[3].labels.text() == "pump=\"a\",twin=\"3\"");
}

TEST_CASE("metrics text: bytes that are no UTF-8 become question marks.") {
    for (const char* const bytes : {"\xC0\x80",
                                    "\xE0\x80\x80",
                                    "\xED\xA0\x80",
                                    "\xF4\x90\x80\x80",
                                    "\xF5\x80\x80\x80",
                                    "\xC3",
                                    "\xE2\x82",
                                    "\x80"}) {
        const std::string shown = MetricLabels{{"a", bytes}}.text();
        CHECK(shown == "a=\"" + std::string(std::string(bytes).size(), '?') + "\"");
    }
    CHECK(MetricLabels{{"a", "\xF0\x9F\x90\x9F"}}.text() == "a=\"\xF0\x9F\x90\x9F\"");
}

TEST_CASE("metrics text: OpenMetrics is for those who ask for it.") {
    const auto is_open = [](std::string_view accept) {
        return accepted_format(accept) == MetricsFormat::open_metrics;
    };
    CHECK(is_open("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    // As Prometheus asks.
    CHECK(
        is_open("application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
                "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
    CHECK_FALSE(is_open(""));
    CHECK_FALSE(is_open("*/*"));
    CHECK_FALSE(is_open("text/plain;version=0.0.4"));
    CHECK_FALSE(is_open("application/openmetrics-text;q=0.2,text/plain;q=0.5"));
    CHECK_FALSE(is_open("application/openmetrics-text;q=0"));
    CHECK_FALSE(is_open("application/openmetrics-text;q=soon"));
}

}  // namespace metrics_text_test
