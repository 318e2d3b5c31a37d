#include "support/child_process.hpp"
#include "support/test_stream.hpp"
#include "support/watchdog.hpp"

#include <tailrace/bus/declared_types.hpp>

#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace declared_types_test {

using namespace tailrace;
using namespace tailrace::bus;
using namespace tailrace::test;
using Catch::Matchers::Contains;

namespace {

struct Trade {
    static constexpr EventType kEventType = 1;
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
};

namespace grown {
struct Trade {
    static constexpr EventType kEventType = 1;
    double price;
    std::int32_t quantity;
    std::uint32_t instrument;
    std::uint64_t order = 77;
};
}  // namespace grown

namespace changed {
struct Trade {
    static constexpr EventType kEventType = 1;
    float price;
    std::int32_t quantity;
};
}  // namespace changed

template <typename... Types>
schema::StreamSchema types_of() {
    schema::StreamSchema types;
    (types.add<Types>(), ...);
    return types;
}

std::string schema_file(const TestStream& stream) {
    return stream.directory() + "/" + stream.name() + "/schema";
}

Result<Publisher> publisher_of(const TestStream& stream, const schema::StreamSchema& types) {
    PublisherOptions options;
    options.directory = stream.directory();
    options.types = types;
    return Publisher::attach(stream.name(), options);
}

Result<Subscriber> reader_of(const TestStream& stream,
                             const schema::StreamSchema& types,
                             SlowPolicy policy = SlowPolicy::gate) {
    SubscriberOptions options;
    options.directory = stream.directory();
    options.policy = policy;
    options.start = Start::oldest();
    options.types = types;
    return Subscriber::attach(stream.name(), options);
}

}  // namespace

TEST_CASE("declared types: a stream without any has no file, and is asked in vain", "[bus]") {
    const TestStream stream;
    CHECK(declared_types(*stream.open(RegionAccess::observe))->is_empty());
    REQUIRE(publisher_of(stream, {}));
    CHECK_FALSE(std::filesystem::exists(schema_file(stream)));
}

TEST_CASE("declared types: those of create and of publishers are there for all", "[bus]") {
    StreamOptions options = small_stream();
    options.types.add_opaque(9, "Note", "text");
    const TestStream stream(options);
    const auto region = stream.open(RegionAccess::observe);
    CHECK(declared_types(*region).value() == options.types);

    REQUIRE(publisher_of(stream, types_of<Trade>()));
    schema::StreamSchema both = types_of<Trade>();
    both.add_opaque(9, "Note", "text");
    CHECK(declared_types(*region).value() == both);

    // What is known already isn't written again.
    struct stat before {};
    struct stat after {};
    REQUIRE(::stat(schema_file(stream).c_str(), &before) == 0);
    REQUIRE(publisher_of(stream, types_of<Trade>()));
    REQUIRE(::stat(schema_file(stream).c_str(), &after) == 0);
    CHECK(before.st_ino == after.st_ino);
}

TEST_CASE("declared types: the file is owned as the others, and goes with the stream", "[bus]") {
    StreamOptions options = small_stream();
    options.mode = 0664;
    const TestStream stream(options);
    REQUIRE(publisher_of(stream, types_of<Trade>()));
    struct stat status {};
    REQUIRE(::stat(schema_file(stream).c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0664U);
    std::ofstream(schema_file(stream) + ".new") << "half of it";  // of a killed publisher
    REQUIRE(publisher_of(stream, types_of<grown::Trade>()));
    CHECK_FALSE(std::filesystem::exists(schema_file(stream) + ".new"));
    std::ofstream(schema_file(stream) + ".new") << "half of it";
    REQUIRE(Region::unlink(stream.name(), false, stream.directory()));
    CHECK(std::filesystem::is_empty(stream.directory()));
}

TEST_CASE("declared types: a struct that grew is read beside what it was", "[bus]") {
    const TestStream stream;
    auto old = publisher_of(stream, types_of<Trade>()).value();
    auto fresh = publisher_of(stream, types_of<grown::Trade>()).value();
    CHECK(declared_types(*stream.open())->find(1)->versions.size() == 2);
    REQUIRE(old.publish(Trade{1.5, 2, 3}) == PublishStatus::ok);
    REQUIRE(fresh.publish(grown::Trade{2.5, 4, 5, 6}) == PublishStatus::ok);

    auto old_reader = reader_of(stream, types_of<Trade>()).value();
    double sum = 0;
    CHECK(old_reader
              .poll(
                  [&](const Event& event) {
                      REQUIRE(event.is<Trade>());
                      sum += event.as<Trade>().price;
                  },
                  10)
              .events == 2);
    CHECK(sum == 4.0);

    auto new_reader = reader_of(stream, types_of<grown::Trade>()).value();
    std::uint64_t orders = 0;
    static_cast<void>(new_reader.poll(
        [&](const Event& event) {
            orders = orders * 100 + event.as_grown<grown::Trade>().order;
            CHECK(event.is<grown::Trade>() == (event.sequence() == 1));
        },
        10));
    CHECK(orders == 7706);
}

TEST_CASE("declared types: who differs is refused at attach, and told in what", "[bus]") {
    const TestStream stream;
    REQUIRE(publisher_of(stream, types_of<Trade>()));
    const auto check = [&stream](const auto& refused) {
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == ErrorCode::incompatible);
        CHECK_THAT(refused.error().message, Contains("stream 'stream' and this program"));
        CHECK_THAT(refused.error().message, Contains("type 1 'Trade' differs"));
        CHECK_THAT(refused.error().message, Contains("'price' is f32 at byte 0, not f64"));
        CHECK_THAT(refused.error().hint, Contains("cat " + schema_file(stream)));
    };
    check(publisher_of(stream, types_of<changed::Trade>()));
    check(reader_of(stream, types_of<changed::Trade>()));
    check(reader_of(stream, types_of<changed::Trade>(), SlowPolicy::observe));
    // Whoever was refused holds nothing.
    CHECK(Region::unlink(stream.name(), false, stream.directory()));
}

TEST_CASE("declared types: a reader declares nothing", "[bus]") {
    const TestStream stream;
    REQUIRE(reader_of(stream, types_of<Trade>()));
    REQUIRE(reader_of(stream, types_of<Trade>(), SlowPolicy::observe));
    CHECK(declared_types(*stream.open())->is_empty());
}

TEST_CASE("declared types: a file that can't be read is told, and hurts nobody else", "[bus]") {
    const TestStream stream;
    REQUIRE(publisher_of(stream, types_of<Trade>()));
    SECTION("damaged") {
        std::ofstream(schema_file(stream)) << "tailrace-schema 1\ntype one Trade struct\n";
        CHECK(declared_types(*stream.open()).error().code == ErrorCode::corrupt);
    }
    SECTION("of a later version") {
        std::ofstream(schema_file(stream)) << "tailrace-schema 2\n";
        CHECK(declared_types(*stream.open()).error().code == ErrorCode::incompatible);
    }
    SECTION("too large") {
        std::ofstream(schema_file(stream)) << std::string(2U << 20U, '#');
        CHECK(declared_types(*stream.open()).error().code == ErrorCode::too_large);
    }
    SECTION("no file") {
        std::filesystem::remove(schema_file(stream));
        std::filesystem::create_directory(schema_file(stream));
        CHECK_FALSE(declared_types(*stream.open()));
        std::filesystem::remove(schema_file(stream));
        REQUIRE(::mkfifo(schema_file(stream).c_str(), 0600) == 0);
        CHECK_FALSE(declared_types(*stream.open()));
    }
    SECTION("a link") {
        std::filesystem::remove(schema_file(stream));
        std::filesystem::create_symlink("/etc/passwd", schema_file(stream));
        CHECK_FALSE(declared_types(*stream.open()));
    }
    CHECK_FALSE(publisher_of(stream, types_of<Trade>()));
    auto publisher = stream.publisher();
    CHECK(publisher.publish(Trade{1, 2, 3}) == PublishStatus::ok);
    auto reader = stream.subscriber();
    CHECK(reader.poll([](const Event&) {}, 10).events == 1);
}

TEST_CASE("declared types: of many who declare at once nobody's are lost", "[bus]") {
    const Watchdog watchdog("declared types at once");
    constexpr EventType kDeclarers = 6;
    constexpr EventType kEach = 8;
    const TestStream stream;
    std::vector<ChildProcess> children;
    for (EventType child = 0; child < kDeclarers; ++child) {
        children.emplace_back([&stream, child] {
            const auto region = stream.open();
            for (EventType nth = 0; nth < kEach; ++nth) {
                const auto type = static_cast<EventType>(child * kEach + nth);
                schema::StreamSchema types;
                types.add_opaque(type, "Type" + std::to_string(type), "text");
                if (!declare_types(*region, types)) return 1;
            }
            return 0;
        });
    }
    for (ChildProcess& child : children)
        CHECK(child.wait().exit_code == 0);
    CHECK(declared_types(*stream.open())->types().size() == kDeclarers * kEach);
}

TEST_CASE("declared types: a schema that contradicts itself makes no stream", "[bus]") {
    const TemporaryDirectory directory;
    StreamOptions options = small_stream();
    options.types = types_of<Trade, changed::Trade>();
    CHECK_FALSE(Region::create("stream", options, directory.path()));
    CHECK(Region::list(directory.path())->empty());
}

}  // namespace declared_types_test
