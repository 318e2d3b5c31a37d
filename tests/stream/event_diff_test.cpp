#include "stream/recorded_stream.hpp"
#include "support/seeded_random.hpp"
#include "support/test_length.hpp"
#include "support/watchdog.hpp"

#include <tailrace/stream/event_diff.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace event_diff_test {

namespace {

using namespace tailrace;
using namespace tailrace::stream;
using namespace tailrace::test;

struct Item {
    std::string payload;
    EventType type = 0;
    std::optional<std::uint64_t> key = {};
    std::uint64_t event_time_ns = 0;
    friend bool operator==(const Item&, const Item&) = default;
};

using Items = std::vector<Item>;

// The bytes of an event as they lie in a ring.
std::vector<std::byte> record_of(const Item& item) {
    std::uint8_t flags = 0;
    std::vector<std::uint64_t> words;
    if (item.event_time_ns != 0) {
        flags |= kHasEventTime;
        words.push_back(item.event_time_ns);
    }
    if (item.key) {
        flags |= kHasKey;
        words.push_back(*item.key);
    }
    const EventHeader header{0,
                             static_cast<std::uint32_t>(item.payload.size()),
                             item.type,
                             flags,
                             static_cast<std::uint8_t>(words.size())};
    const std::size_t words_bytes = words.size() * sizeof(std::uint64_t);
    std::vector<std::byte> bytes(sizeof(header) + words_bytes + item.payload.size());
    std::memcpy(bytes.data(), &header, sizeof(header));
    if (!words.empty()) std::memcpy(bytes.data() + sizeof(header), words.data(), words_bytes);
    std::copy_n(std::as_bytes(std::span(item.payload)).begin(),
                item.payload.size(),
                bytes.begin() + static_cast<std::ptrdiff_t>(sizeof(header) + words_bytes));
    return bytes;
}

template <typename Use>
void with_event(const Item& item, Sequence sequence, Use&& use) {
    const std::vector<std::byte> bytes = record_of(item);
    EventHeader header{};
    std::memcpy(&header, bytes.data(), sizeof(header));
    use(Event(sequence, header, bytes.data()));
}

class Account final : public DiffSink {
public:
    bool on_difference(const Difference& difference) override {
        differences.push_back(difference);
        return differences.size() < most;
    }
    bool on_gap(DiffSide side, bus::Gap gap) override {
        gaps.emplace_back(side, gap);
        return true;
    }

    std::vector<Difference> differences;
    std::vector<std::pair<DiffSide, bus::Gap>> gaps;
    std::size_t most = SIZE_MAX;
    DiffCounts counts;
    std::optional<Error> error;
};

// Compares two lists whose sequences are their indices, in pieces of up to `piece` events.
void run(Account& account,
         const Items& a,
         const Items& b,
         const DiffOptions& options,
         std::uint64_t piece = 64) {
    EventDiff diff(options, account);
    std::size_t next_a = 0;
    std::size_t next_b = 0;
    while (!diff.is_finished()) {
        const DiffSide side = diff.wanted();
        const Items& items = side == DiffSide::a ? a : b;
        std::size_t& next = side == DiffSide::a ? next_a : next_b;
        if (next == items.size()) diff.end(side);
        for (std::uint64_t left = piece; left != 0 && next < items.size(); --left, ++next)
            with_event(items[next], next, [&](const Event& event) { diff.add(side, event); });
        if (auto settled = diff.settle(); !settled) {
            account.error = settled.error();
            return;
        }
    }
    account.counts = diff.counts();
}

// What is told, made with A: B, or nothing when it doesn't fit.
std::optional<Items> applied(const Items& a, const Items& b, const std::vector<Difference>& told) {
    Items made;
    std::size_t at = 0;
    for (const Difference& one : told) {
        const std::size_t place = one.a == kNoSequence ? a.size() : one.a;
        if (place < at || place > a.size()) return std::nullopt;
        while (at < place)
            made.push_back(a[at++]);
        if ((one.b == kNoSequence ? b.size() : one.b) != made.size()) return std::nullopt;
        if (one.kind != DifferenceKind::only_in_a) made.push_back(b.at(one.b));
        if (one.kind == DifferenceKind::changed && made.back() == a.at(at)) return std::nullopt;
        if (one.kind != DifferenceKind::only_in_b) ++at;
    }
    while (at < a.size())
        made.push_back(a[at++]);
    return made;
}

bool counts_fit(const DiffCounts& counts,
                const std::vector<Difference>& told,
                std::size_t a_size,
                std::size_t b_size) {
    const auto of = [&](DifferenceKind kind) {
        return static_cast<std::uint64_t>(std::count_if(
            told.begin(), told.end(), [&](const Difference& one) { return one.kind == kind; }));
    };
    return counts.changed == of(DifferenceKind::changed) &&
           counts.only_in_a == of(DifferenceKind::only_in_a) &&
           counts.only_in_b == of(DifferenceKind::only_in_b) &&
           counts.same + counts.changed + counts.only_in_a == a_size &&
           counts.same + counts.changed + counts.only_in_b == b_size;
}

Item random_item(SeededRandom& random, std::uint64_t kinds, std::uint64_t keys) {
    Item item{"payload " + std::to_string(random.below(kinds))};
    item.type = static_cast<EventType>(random.below(2));
    if (keys != 0 && !random.one_in(8)) item.key = random.below(keys);
    if (random.one_in(4)) item.event_time_ns = random.below(3);
    return item;
}

Items random_items(SeededRandom& random,
                   std::uint64_t count,
                   std::uint64_t kinds,
                   std::uint64_t keys) {
    Items items;
    while (items.size() < count)
        items.push_back(random_item(random, kinds, keys));
    return items;
}

// Inserts, deletes, changes or moves some events in a row.
void edit(SeededRandom& random, Items& items, std::uint64_t kinds, std::uint64_t keys) {
    const std::size_t at = random.below(items.size() + 1);
    const std::size_t length = random.one_in(3) ? random.below(100) : 1;
    const std::size_t end = std::min(at + length, items.size());
    const auto where = [&](std::size_t index) {
        return items.begin() + static_cast<std::ptrdiff_t>(index);
    };
    switch (random.below(4)) {
        case 0: {
            const Items more = random_items(random, length, kinds, keys);
            items.insert(where(at), more.begin(), more.end());
            break;
        }
        case 1:
            items.erase(where(at), where(end));
            break;
        case 2:
            for (std::size_t index = at; index < end; ++index)
                items[index] = random_item(random, kinds, keys);
            break;
        default: {
            const Items moved(where(at), where(end));
            items.erase(where(at), where(end));
            const std::size_t to = random.below(items.size() + 1);
            items.insert(where(to), moved.begin(), moved.end());
            break;
        }
    }
}

std::uint64_t rounds() {
    return test_length(300, 20'000, "TAILRACE_DIFF_ROUNDS");
}

std::map<std::uint64_t, std::vector<std::size_t>> indices_by_key(const Items& items) {
    constexpr std::uint64_t kKeyless = ~std::uint64_t{0};
    std::map<std::uint64_t, std::vector<std::size_t>> found;
    for (std::size_t index = 0; index < items.size(); ++index)
        found[items[index].key.value_or(kKeyless)].push_back(index);
    return found;
}

// The differences of one key, with indices among the events of that key.
std::vector<Difference> within(const std::vector<Difference>& told,
                               const std::vector<std::size_t>& in_a,
                               const std::vector<std::size_t>& in_b) {
    const auto place = [](const std::vector<std::size_t>& indices, Sequence sequence) {
        const auto found = std::find(indices.begin(), indices.end(), sequence);
        return found == indices.end() ? kNoSequence
                                      : static_cast<Sequence>(found - indices.begin());
    };
    std::vector<Difference> found;
    for (const Difference& one : told) {
        const bool is_mine = one.kind == DifferenceKind::only_in_b
                                 ? place(in_b, one.b) != kNoSequence
                                 : place(in_a, one.a) != kNoSequence;
        if (is_mine) found.push_back({one.kind, place(in_a, one.a), place(in_b, one.b)});
    }
    return found;
}

Items chosen(const Items& items, const std::vector<std::size_t>& indices) {
    Items some;
    for (const std::size_t index : indices)
        some.push_back(items[index]);
    return some;
}

// Without the order among different keys.
Items interleaved_anew(SeededRandom& random, const Items& items) {
    auto by_key = indices_by_key(items);
    Items made;
    while (!by_key.empty()) {
        auto one = by_key.begin();
        std::advance(one, static_cast<std::ptrdiff_t>(random.below(by_key.size())));
        auto& indices = one->second;
        const std::size_t count = std::min<std::size_t>(1 + random.below(20), indices.size());
        for (std::size_t taken = 0; taken < count; ++taken)
            made.push_back(items[indices[taken]]);
        indices.erase(indices.begin(), indices.begin() + static_cast<std::ptrdiff_t>(count));
        if (indices.empty()) by_key.erase(one);
    }
    return made;
}

Items numbered_items(std::size_t count) {
    Items items;
    for (std::size_t number = 0; number < count; ++number)
        items.push_back({"event " + std::to_string(number)});
    return items;
}

}  // namespace

TEST_CASE("event diff: what it tells, applied to one side, gives the other, whatever was edited",
          "[stream][event_diff]") {
    const Watchdog watchdog("event diff by order", 110);
    SeededRandom random("event diff by order");
    for (std::uint64_t round = 0; round < rounds(); ++round) {
        // Few kinds: the same event comes again and again.
        const std::uint64_t kinds = random.one_in(3) ? 1 + random.below(3) : 1'000'000;
        const Items a = random_items(random, random.below(2'000), kinds, 3);
        Items b = a;
        for (std::uint64_t left = random.below(40); left != 0; --left)
            edit(random, b, kinds, 3);
        DiffOptions options;
        const std::uint32_t windows[] = {1, 2, 7, 64, 1024, 1024};
        options.window_events = windows[random.below(6)];
        Account account;
        run(account, a, b, options, 1 + random.below(300));
        CAPTURE(round, kinds, options.window_events, a.size(), b.size());
        REQUIRE_FALSE(account.error);
        REQUIRE(counts_fit(account.counts, account.differences, a.size(), b.size()));
        REQUIRE(account.counts.are_equal() == (a == b));
        REQUIRE(applied(a, b, account.differences) == b);
    }
}

TEST_CASE("event diff: by key, what it tells gives each key's events, however both are interleaved",
          "[stream][event_diff]") {
    const Watchdog watchdog("event diff by key", 110);
    SeededRandom random("event diff by key");
    for (std::uint64_t round = 0; round < rounds(); ++round) {
        const std::uint64_t kinds = random.one_in(3) ? 1 + random.below(3) : 1'000'000;
        const std::uint64_t keys = 1 + random.below(50);
        const Items a = random_items(random, random.below(2'000), kinds, keys);
        Items b = a;
        for (std::uint64_t left = random.below(20); left != 0; --left)
            edit(random, b, kinds, keys);
        b = interleaved_anew(random, b);
        DiffOptions options;
        options.pairing = DiffPairing::by_key;
        options.window_events = random.one_in(2) ? 8 : 1024;
        Account account;
        run(account, a, b, options, 1 + random.below(300));
        CAPTURE(round, kinds, keys, options.window_events, a.size(), b.size());
        REQUIRE_FALSE(account.error);
        REQUIRE(counts_fit(account.counts, account.differences, a.size(), b.size()));
        auto in_a = indices_by_key(a);
        auto in_b = indices_by_key(b);
        for (const auto& [key, indices] : in_a)
            in_b[key];
        std::size_t told = 0;
        for (const auto& [key, indices] : in_b) {
            const Items of_a = chosen(a, in_a[key]);
            const Items of_b = chosen(b, indices);
            const auto mine = within(account.differences, in_a[key], indices);
            told += mine.size();
            REQUIRE(applied(of_a, of_b, mine) == of_b);
        }
        REQUIRE(told == account.differences.size());
    }
}

TEST_CASE("event diff: edits that lie apart are told one by one, where they are",
          "[stream][event_diff]") {
    SeededRandom random("event diff apart");
    for (std::uint64_t round = 0; round < 50; ++round) {
        const Items a = numbered_items(4'000);
        Items b;
        std::vector<Difference> expected;
        std::size_t next_edit = random.below(100);
        for (std::size_t at = 0; at < a.size(); ++at) {
            if (at < next_edit) {
                b.push_back(a[at]);
                continue;
            }
            next_edit = at + 20 + random.below(400);
            const std::uint64_t what = random.below(3);
            if (what == 0) {
                expected.push_back({DifferenceKind::changed, at, b.size()});
                b.push_back({"another " + std::to_string(at)});
            } else if (what == 1) {
                const Sequence behind = at + 1 == a.size() ? kNoSequence : b.size();
                expected.push_back({DifferenceKind::only_in_a, at, behind});
            } else {
                expected.push_back({DifferenceKind::only_in_b, at, b.size()});
                b.push_back({"new " + std::to_string(at)});
                b.push_back(a[at]);
            }
        }
        Account account;
        run(account, a, b, {});
        CAPTURE(round);
        REQUIRE(account.differences == expected);
    }
}

TEST_CASE("event diff: an event that has moved is told twice, and nothing else is",
          "[stream][event_diff]") {
    const Items a = numbered_items(1'000);
    Items b = a;
    std::rotate(b.begin() + 100, b.begin() + 101, b.begin() + 104);
    Account account;
    run(account, a, b, {});
    CHECK(account.differences == std::vector<Difference>{{DifferenceKind::only_in_a, 100, 100},
                                                         {DifferenceKind::only_in_b, 104, 103}});
}

TEST_CASE("event diff: events that come again and again put nothing out of step",
          "[stream][event_diff]") {
    Items a;
    for (const Item& item : numbered_items(1'000)) {
        a.push_back(item);
        a.insert(a.end(), 3, Item{"heartbeat"});
    }
    Items b = a;
    b.insert(b.begin() + 400, {Item{"heartbeat"}, Item{"new"}, Item{"heartbeat"}});
    Account account;
    run(account, a, b, {});
    CHECK(account.counts.same == a.size());
    CHECK(account.counts.only_in_b == 3);
}

TEST_CASE("event diff: a run that only one side has is found up to the window",
          "[stream][event_diff]") {
    const Items a = numbered_items(5'000);
    const auto with_run = [&](std::size_t length) {
        Items b = a;
        b.insert(b.begin() + 50, length, Item{"more"});
        Account account;
        run(account, a, b, {});
        CHECK(applied(a, b, account.differences) == b);
        return account.counts;
    };
    CHECK(with_run(1'000).only_in_b == 1'000);
    CHECK(with_run(1'000).changed == 0);
    // Beyond it, it doesn't find back, and what follows is told as changed.
    CHECK(with_run(1'100).changed > 4'000);
}

TEST_CASE("event diff: each field counts unless it is left out", "[stream][event_diff]") {
    const Item one{"x", 1, 7, 100};
    const auto is_same = [&](const Item& other, const DiffOptions& options) {
        Account account;
        run(account, {one}, {other}, options);
        return account.counts.are_equal();
    };
    const DiffOptions all;
    DiffOptions no_type;
    no_type.compares_type = false;
    DiffOptions no_key;
    no_key.compares_key = false;
    DiffOptions no_time;
    no_time.compares_event_time = false;
    CHECK(is_same(one, all));
    CHECK_FALSE(is_same({"y", 1, 7, 100}, all));
    CHECK_FALSE(is_same({"x", 2, 7, 100}, all));
    CHECK(is_same({"x", 2, 7, 100}, no_type));
    CHECK_FALSE(is_same({"x", 1, 8, 100}, all));
    CHECK(is_same({"x", 1, 8, 100}, no_key));
    CHECK(is_same({"x", 1, {}, 100}, no_key));
    CHECK_FALSE(is_same({"x", 1, 7, 101}, all));
    CHECK(is_same({"x", 1, 7, 0}, no_time));

    // A key of 0 isn't none.
    Account account;
    run(account, {{"x", 0, 0}}, {{"x"}}, {});
    CHECK(account.counts.changed == 1);

    with_event(one, 1, [&](const Event& event) {
        with_event({"xy", 1, {}, 100}, 2, [&](const Event& other) {
            const EventDifference difference = difference_of(event, other);
            CHECK_FALSE(difference.type);
            CHECK(difference.key);
            CHECK_FALSE(difference.event_time);
            CHECK(difference.payload);
            CHECK(difference.first_byte == 1);
        });
        CHECK_FALSE(difference_of(event, event).payload);
    });
}

TEST_CASE("event diff: by key it keeps no more than its bound", "[stream][event_diff]") {
    Items a;
    Items b;
    for (std::uint64_t key = 0; key < 1'000; ++key) {
        a.push_back({"event", 0, key});
        b.push_back({"event", 0, 999 - key});
    }
    DiffOptions options;
    options.pairing = DiffPairing::by_key;
    options.max_waiting_events = 1'100;
    Account enough;
    run(enough, a, b, options, 1);
    CHECK_FALSE(enough.error);
    CHECK(enough.counts.same == 1'000);
    options.max_waiting_events = 900;
    Account too_few;
    run(too_few, a, b, options, 1);
    REQUIRE(too_few.error);
    CHECK(too_few.error->code == ErrorCode::too_large);
    CHECK_FALSE(too_few.error->hint.empty());
}

TEST_CASE("event diff: it stops when the sink says so, and passes over tombstones",
          "[stream][event_diff]") {
    Account account;
    account.most = 3;
    run(account, numbered_items(100), Items(100, Item{"x"}), {});
    CHECK(account.differences.size() == 3);

    Account none;
    EventDiff diff({}, none);
    CHECK_FALSE(diff.is_finished());
    const EventHeader dead{0, 0, 0, kTombstone, 0};
    std::vector<std::byte> bytes(sizeof(dead));
    diff.add(DiffSide::a, Event(0, dead, bytes.data()));
    diff.add_gap(DiffSide::b, {5, 2});
    diff.end(DiffSide::a);
    diff.end(DiffSide::b);
    REQUIRE(diff.settle());
    CHECK(diff.is_finished());
    CHECK(none.differences.empty());
    CHECK(none.gaps.size() == 1);
    CHECK(diff.counts().lost_in_b == 2);
    CHECK_FALSE(diff.counts().are_equal());
}

namespace {

StreamReader observer(const TestStream& stream, const std::string& journal = {}) {
    StreamReaderOptions options;
    options.policy = bus::SlowPolicy::observe;
    options.from = Position::start();
    options.bus_directory = stream.directory();
    options.journal_directory = journal;
    return expect(StreamReader::attach(stream.name(), options), "attach");
}

}  // namespace

TEST_CASE("event diff: a stream and its journal are the same, and a ring that is behind has a gap",
          "[stream][event_diff]") {
    const Watchdog watchdog("event diff of a stream");
    const RecordedStream recorded;
    auto recorder = recorded.recorder();
    auto publisher = recorded.stream().publisher();
    constexpr std::uint64_t kEvents = 3'000;  // several times what the ring holds
    for (std::uint64_t number = 0; number < kEvents; number += 100) {
        REQUIRE(publish_numbered(publisher, 1, number, 100));
        REQUIRE(record_all(recorder, *recorded.stream().open()));
    }
    StreamReaderOptions from_start;
    from_start.from = Position::start();
    const auto of_journal = [&] {
        return DiffInput{
            expect(StreamReader::open_journal(recorded.journal_directory(), from_start), "open"),
            kEvents};
    };
    for (const DiffPairing pairing : {DiffPairing::by_order, DiffPairing::by_key}) {
        DiffOptions options;
        options.pairing = pairing;
        DiffInput whole{observer(recorded.stream(), recorded.journal_directory()), kEvents};
        DiffInput journal = of_journal();
        Account account;
        const DiffCounts counts = expect(compare(whole, journal, options, account), "compare");
        CHECK(counts.are_equal());
        CHECK(counts.same == kEvents);
    }

    // One that is lapped after it has attached, without a journal to go on in.
    const TestStream alone;
    auto copier = alone.publisher();
    REQUIRE(publish_numbered(copier, 1, 0, 10));
    DiffInput lapped{observer(alone), kEvents};
    REQUIRE(publish_numbered(copier, 1, 10, kEvents - 10));
    DiffInput journal = of_journal();
    Account account;
    const DiffCounts counts = expect(compare(lapped, journal, {}, account), "compare");
    REQUIRE(account.gaps.size() == 1);
    CHECK(account.gaps[0].first == DiffSide::a);
    CHECK(account.gaps[0].second.first == 0);
    CHECK(counts.lost_in_a == account.gaps[0].second.count);
    CHECK(counts.lost_in_b == 0);
    CHECK_FALSE(counts.are_equal());
}

TEST_CASE("event diff: it doesn't wait for ever for an event that nobody finishes",
          "[stream][event_diff]") {
    const Watchdog watchdog("event diff of a claim");
    const TestStream stream;
    auto publisher = stream.publisher();
    REQUIRE(publish_numbered(publisher, 1, 0, 10));
    bus::Claim claim;
    REQUIRE(publisher.try_claim(claim, 8, 1) == bus::PublishStatus::ok);
    DiffInput a{observer(stream), 11};
    DiffInput b{observer(stream), 11};
    Account account;
    const auto counts = compare(a, b, {}, account);
    REQUIRE_FALSE(counts);
    CHECK(counts.error().code == ErrorCode::timed_out);
    REQUIRE(publisher.commit(claim) == bus::PublishStatus::ok);
    DiffInput again{observer(stream), 11};
    DiffInput against{observer(stream), 11};
    CHECK(expect(compare(again, against, {}, account), "compare").same == 11);
}

}  // namespace event_diff_test
