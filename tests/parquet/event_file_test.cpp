// What can be seen of a file while it is made: that it is bounded, and that failures come through.

#include <tailrace/parquet/event_file.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace event_file_test {

using namespace tailrace;  // NOLINT: what is tested

namespace {

class Memory final : public parquet::ByteSink {
public:
    explicit Memory(std::uint64_t room = UINT64_MAX) : room_(room) {}
    [[nodiscard]] Result<void> write(std::span<const std::byte> bytes) override {
        if (bytes_.size() + bytes.size() > room_)
            return make_error(ErrorCode::no_space, "it is full", "more room");
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return {};
    }
    [[nodiscard]] const std::vector<std::byte>& bytes() const noexcept { return bytes_; }

private:
    std::uint64_t room_;
    std::vector<std::byte> bytes_;
};

parquet::EventFileOptions of_payloads() {
    parquet::EventFileOptions options;
    options.compresses = false;
    options.columns = {{"sequence", parquet::ColumnSource::sequence, {}, false},
                       {"payload", parquet::ColumnSource::payload, {}, false}};
    return options;
}

class Payload {
public:
    explicit Payload(std::size_t size_bytes) : bytes_(sizeof(EventHeader) + size_bytes) {
        header_.payload_size_bytes = static_cast<std::uint32_t>(size_bytes);
        std::memcpy(bytes_.data(), &header_, sizeof(header_));
    }
    [[nodiscard]] Event event(Sequence sequence) const {
        return {sequence, header_, bytes_.data()};
    }

private:
    EventHeader header_{};
    std::vector<std::byte> bytes_;
};

}  // namespace

TEST_CASE("event file: what waits in memory is bounded by rows and by bytes", "[parquet]") {
    Memory memory;
    parquet::EventFileOptions options = of_payloads();
    options.row_group_bytes = 100'000;
    parquet::EventFile file(options, memory);
    const Payload payload(999);
    std::uint64_t most = 0;
    for (Sequence sequence = 0; sequence < 1000; ++sequence) {
        REQUIRE(file.add(payload.event(sequence), 0));
        most = std::max(most, file.held_bytes());
    }
    CHECK(most < 102'000);
    CHECK(most > 90'000);
    REQUIRE(file.finish());
    CHECK(file.rows() == 1000);
    CHECK(memory.bytes().size() > 999'000);
}

TEST_CASE("event file: a sink that is full is told at once, and again at the end", "[parquet]") {
    Memory memory(5000);
    parquet::EventFileOptions options = of_payloads();
    options.row_group_rows = 10;
    parquet::EventFile file(options, memory);
    const Payload payload(999);
    Result<void> added;
    Sequence sequence = 0;
    while (added && sequence < 100)
        added = file.add(payload.event(sequence++), 0);
    REQUIRE(!added);
    CHECK(added.error().code == ErrorCode::no_space);
    CHECK(sequence == 10);
}

TEST_CASE("event file: texts that aren't UTF-8 are mended and counted", "[parquet]") {
    using parquet::utf8_end;
    CHECK(utf8_end("") == 0);
    CHECK(utf8_end("plain text, long enough") == 23);
    CHECK(utf8_end("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80") == 9);
    CHECK(utf8_end("eight by\xFFtes") == 8);
    CHECK(utf8_end("ab\xC0\x80") == 2);        // overlong
    CHECK(utf8_end("\xE0\x9F\xBF") == 0);      // overlong
    CHECK(utf8_end("\xED\xA0\x80") == 0);      // half of a surrogate
    CHECK(utf8_end("\xF4\x90\x80\x80") == 0);  // beyond the last one
    CHECK(utf8_end("x\xE2\x82") == 1);         // cut off
    std::string mended;
    parquet::append_mended("a\xFF\xE2\x82 z", mended);
    CHECK(mended == "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD z");
}

}  // namespace event_file_test
