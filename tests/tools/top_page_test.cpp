#include "top/top_page.hpp"

#include "text_flow.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace top_page_test {

using namespace tailrace;
using namespace tailrace::tool;

namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

observe::ReaderHealth reader(std::string stream,
                             std::string name,
                             Sequence sequence,
                             observe::ReaderState state = observe::ReaderState::ok) {
    observe::ReaderHealth health;
    health.stream = std::move(stream);
    health.reader = std::move(name);
    health.pid = 7;
    health.policy = "gate";
    health.picture.is_alive = true;
    health.picture.sequence = sequence;
    health.state = state;
    return health;
}

observe::StreamLook stream(const std::string& name,
                           Sequence end,
                           std::vector<observe::ReaderHealth> readers = {}) {
    observe::StreamLook look;
    look.picture.stream = name;
    look.picture.status.end_sequence = end;
    look.picture.status.bytes = end * 64;
    look.health.stream = name;
    for (observe::ReaderHealth& one : readers) {
        one.end_sequence = end;
        one.picture.lag.events = end - one.picture.sequence;
    }
    look.health.readers = std::move(readers);
    return look;
}

observe::Look look_of(std::vector<observe::StreamLook> streams) {
    observe::Look look;
    look.time_ns = 1'795'384'806 * kSecondNs;
    look.streams = std::move(streams);
    return look;
}

std::vector<std::string> names(const TopPicture& picture) {
    std::vector<std::string> found;
    for (const TopRow& row : picture.rows)
        found.push_back(row.is_stream() ? row.stream : row.stream + "/" + row.reader);
    return found;
}

std::vector<std::string> texts(const std::vector<TopLine>& lines) {
    std::vector<std::string> found;
    for (const TopLine& line : lines) {
        std::string text;
        for (const TopSpan& span : line.spans)
            text += span.text;
        found.push_back(std::move(text));
    }
    return found;
}

// Two looks, a second apart.
std::unique_ptr<TopPicture> sample(TopModel& model) {
    using observe::ReaderState;
    (void)model.take(look_of({stream("busy", 1000, {reader("busy", "fast", 1000)}),
                              stream("calm", 10, {reader("calm", "slow", 0)}),
                              stream("empty", 0)}),
                     5 * kSecondNs);
    auto look = look_of({stream("busy", 3000, {reader("busy", "fast", 2500)}),
                         stream("calm", 11, {reader("calm", "slow", 1, ReaderState::stalled)}),
                         stream("empty", 0)});
    look.problems.push_back({"broken", "its file is cut off"});
    return model.take(std::move(look), 6 * kSecondNs);
}

}  // namespace

TEST_CASE("top page: rates are of two looks, and a stream that begins anew has none", "[top]") {
    TopModel model;
    auto picture = sample(model);
    CHECK(picture->rows[0].rate() == Approx(2000));
    CHECK(picture->rows[0].bytes_per_s == Approx(2000 * 64));
    CHECK(picture->rows[1].rate() == Approx(1500));
    CHECK(picture->events_per_s() == Approx(2001));
    CHECK(picture->readers() == 2);
    picture = model.take(look_of({stream("busy", 5, {reader("busy", "fast", 0)})}), 7 * kSecondNs);
    CHECK(picture->rows[0].rate() == 0);
    CHECK(picture->rows[0].rates.size() == 3);
    // What has gone is forgotten.
    (void)model.take(look_of({}), 8 * kSecondNs);
    picture = model.take(look_of({stream("busy", 6)}), 9 * kSecondNs);
    CHECK(picture->rows[0].rates.size() == 1);
}

TEST_CASE("top page: streams are sorted whole, each with its readers", "[top]") {
    using Names = std::vector<std::string>;
    TopModel model;
    const auto picture = sample(model);
    sort_rows(*picture, TopSort::name);
    CHECK(names(*picture) == Names{"broken", "busy", "busy/fast", "calm", "calm/slow", "empty"});
    sort_rows(*picture, TopSort::trouble);
    CHECK(names(*picture) == Names{"broken", "calm", "calm/slow", "busy", "busy/fast", "empty"});
    sort_rows(*picture, TopSort::rate);
    CHECK(names(*picture) == Names{"busy", "busy/fast", "calm", "calm/slow", "broken", "empty"});
    sort_rows(*picture, TopSort::lag);
    CHECK(names(*picture).front() == "busy");
    TopSort sort = TopSort::trouble;
    for (int step = 0; step < 4; ++step)
        sort = sort_after(sort);
    CHECK(sort == TopSort::trouble);
}

TEST_CASE("top page: it fits a screen of any size, whatever is shown", "[top]") {
    TopModel model;
    auto picture = sample(model);
    for (const TopView view : {TopView::list, TopView::details, TopView::help}) {
        for (std::size_t columns = 1; columns <= 220; columns += columns < 40 ? 1 : 9) {
            for (std::size_t rows = 1; rows <= 61; rows += 4) {
                TopChoice choice;
                choice.view = view;
                choice.stream = "calm";
                choice.reader = rows % 8 == 1 ? "slow" : "";
                const auto lines = texts(top_lines(*picture, choice, {columns, rows, true}));
                INFO(columns << " x " << rows);
                REQUIRE(lines.size() <= rows);
                for (const std::string& line : lines)
                    REQUIRE(width_of(line) <= columns);
            }
        }
    }
}

TEST_CASE("top page: what is worth most stays on a narrow screen", "[top]") {
    TopModel model;
    const auto picture = sample(model);
    TopChoice choice;
    const auto heading = [&](std::size_t columns) {
        return texts(top_lines(*picture, choice, {columns, 24, true})).at(1);
    };
    CHECK(heading(20).starts_with("STREAM   STATE"));
    CHECK(heading(80).find("RATE") != std::string::npos);
    CHECK(heading(80).find("LAG-TIME") != std::string::npos);
    CHECK(heading(80).find("BYTES") == std::string::npos);
    CHECK(heading(200).find("P99") != std::string::npos);
    CHECK(heading(200).find("BYTES") != std::string::npos);
    const auto lines = texts(top_lines(*picture, choice, {20, 24, true}));
    CHECK(std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
        return line.find("slow") != std::string::npos && line.find("STALLED") != std::string::npos;
    }));
}

TEST_CASE("top page: the mark stays with its row, and its row on the screen", "[top]") {
    TopModel model;
    std::vector<observe::StreamLook> many;
    for (int number = 100; number < 300; ++number)
        many.push_back(stream("s" + std::to_string(number), 0));
    auto picture = model.take(look_of(many), kSecondNs);
    TopChoice choice;
    choice.sort = TopSort::name;
    move_choice(*picture, choice, 1'000'000);
    CHECK(choice.stream == "s299");
    (void)top_lines(*picture, choice, {80, 24, true});
    CHECK(choice.first == 200 - 21);
    move_choice(*picture, choice, -250);
    CHECK(choice.stream == "s100");
    (void)top_lines(*picture, choice, {80, 24, true});
    CHECK(choice.first == 0);
    move_choice(*picture, choice, 7);
    std::reverse(picture->rows.begin(), picture->rows.end());
    CHECK(chosen_row(*picture, choice) == 192U);
    const auto lines = top_lines(*picture, choice, {80, 24, true});
    CHECK(std::count_if(lines.begin(), lines.end(), [](const TopLine& line) {
              return line.is_marked && line.spans[0].text.starts_with("s107");
          }) == 1);
    // It may go, too.
    picture = model.take(look_of({stream("other", 0)}), 2 * kSecondNs);
    CHECK(chosen_row(*picture, choice) == 0U);
    choice.view = TopView::details;
    CHECK(texts(top_lines(*picture, choice, {80, 24, true})).at(2) == "this stream has gone");
    picture = model.take(look_of({}), 3 * kSecondNs);
    choice.view = TopView::list;
    CHECK(texts(top_lines(*picture, choice, {80, 24, true})).at(2).starts_with("there are no"));
}

TEST_CASE("top page: a sparkline shows the newest rates, and whatever moves at all", "[top]") {
    CHECK(sparkline({}, 3, true) == "   ");
    CHECK(sparkline({0, 0}, 3, true) == "   ");
    CHECK(sparkline({0, 1, 1000}, 3, true) == " ▁█");
    CHECK(sparkline({5, 0, 500, 1000}, 3, false) == " =@");
}

}  // namespace top_page_test
