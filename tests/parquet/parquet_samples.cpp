// Writes Parquet files of events that have everything that events may have, and beside each file
// the rows that readers are to find there (sample_values.py says how they are written).
//
//     parquet_samples DIRECTORY

#include <tailrace/parquet/event_file.hpp>
#include <tailrace/schema/layout_of.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace tailrace;  // NOLINT: a program of one file
using parquet::ColumnSource;
using Row = nlohmann::ordered_json;

struct Price {
    std::int64_t mantissa;
    std::int8_t exponent;
};

// The first version ends behind `real`.
struct Everything {
    double real;
    float small_real;
    std::int8_t i8;
    std::int16_t i16;
    std::int32_t i32;
    std::int64_t i64;
    std::uint8_t u8;
    std::uint16_t u16;
    std::uint32_t u32;
    std::uint64_t u64;
    bool flag;
    char side;
    char symbol[8];        // NOLINT: as structs have it
    std::int32_t list[3];  // NOLINT: likewise
    double reals[2];       // NOLINT: likewise
    std::uint8_t hash[4];  // NOLINT: likewise
    Price price;
    std::uint32_t few;
};
constexpr std::uint32_t kOldBytes = 8;

class FileSink final : public parquet::ByteSink {
public:
    explicit FileSink(const std::string& path) : file_(path, std::ios::binary) {}
    [[nodiscard]] Result<void> write(std::span<const std::byte> bytes) override {
        const void* const begin = bytes.data();
        file_.write(static_cast<const char*>(begin), static_cast<std::streamsize>(bytes.size()));
        return {};
    }

private:
    std::ofstream file_;
};

void must(const Result<void>& done) {
    if (done) return;
    std::fprintf(stderr, "%s\n", done.error().message.c_str());
    std::exit(1);
}

std::string whole(std::uint64_t value) {
    return fmt::format("i{}", value);
}
std::string whole(std::int64_t value) {
    return fmt::format("i{}", value);
}
std::string real(double value) {
    return fmt::format("f{:016x}", std::bit_cast<std::uint64_t>(value));
}

// An event's record, as it lies in a ring.
class Record {
public:
    Record(Sequence sequence, EventType type, std::span<const std::byte> payload)
        : sequence_(sequence) {
        header_.type = type;
        header_.payload_size_bytes = static_cast<std::uint32_t>(payload.size());
        payload_.assign(payload.begin(), payload.end());
    }
    // In the order of the flags.
    void add(std::uint8_t flag, std::vector<std::uint64_t> words) {
        header_.flags = static_cast<std::uint8_t>(header_.flags | flag);
        for (const std::uint64_t word : words)
            words_.push_back(word);
    }
    [[nodiscard]] Event event() {
        header_.extension_words = static_cast<std::uint8_t>(words_.size());
        bytes_.resize(sizeof(header_) + words_.size() * sizeof(std::uint64_t) + payload_.size());
        std::memcpy(bytes_.data(), &header_, sizeof(header_));
        if (!words_.empty())
            std::memcpy(bytes_.data() + sizeof(header_), words_.data(), words_.size() * 8);
        if (!payload_.empty()) {
            std::memcpy(
                bytes_.data() + bytes_.size() - payload_.size(), payload_.data(), payload_.size());
        }
        return {sequence_, header_, bytes_.data()};
    }

private:
    Sequence sequence_;
    EventHeader header_{};
    std::vector<std::uint64_t> words_;
    std::vector<std::byte> payload_;
    std::vector<std::byte> bytes_;
};

class Samples {
public:
    explicit Samples(std::string directory) : directory_(std::move(directory)) {}

    void write_fields(const std::string& name, std::uint64_t rows, parquet::EventFileOptions);
    void write_payloads(const std::string& name,
                        parquet::PayloadKind kind,
                        std::uint64_t rows,
                        std::size_t most_bytes);

private:
    [[nodiscard]] Row header_row(Record& record, Sequence sequence, EventType type);
    [[nodiscard]] Everything made_up(std::uint64_t number);
    [[nodiscard]] std::uint64_t random() { return random_(); }

    std::string directory_;
    std::mt19937_64 random_{20};  // NOLINT: the same files each time
};

std::vector<parquet::EventColumn> header_columns() {
    return {{"sequence", ColumnSource::sequence, {}, false},
            {"publish_time_ns", ColumnSource::publish_time, {}, false},
            {"event_time_ns", ColumnSource::event_time, {}, false},
            {"key", ColumnSource::key, {}, false},
            {"type", ColumnSource::type, {}, false},
            {"publisher", ColumnSource::publisher, {}, false},
            {"publisher_sequence", ColumnSource::publisher_sequence, {}, false}};
}

// Some have all of it, some nothing but a sequence.
Row Samples::header_row(Record& record, Sequence sequence, EventType type) {
    constexpr std::uint64_t kBegin = 1'795'384'806'000'000'001;
    Row row;
    row["sequence"] = whole(sequence);
    const std::uint64_t time_ns = kBegin + sequence * 1000 + random() % 977;
    const bool has_all = sequence % 3 != 0;
    row["publish_time_ns"] = has_all ? Row(whole(time_ns)) : Row();
    if (has_all) record.add(kHasPublishTime, {time_ns});
    const bool has_event_time = sequence % 5 == 1;
    row["event_time_ns"] = has_event_time ? Row(whole(time_ns - 12345)) : Row();
    if (has_event_time) record.add(kHasEventTime, {time_ns - 12345});
    const bool has_publisher = sequence >= 300 && sequence % 2 == 0;
    const std::uint64_t publisher = 0xFFFF'0000'0000'0000 + sequence % 4;
    if (has_publisher) record.add(kHasPublisherId, {publisher, sequence});
    const bool has_key = sequence % 7 != 2;
    const std::uint64_t key = sequence % 11 == 0 ? random() : sequence % 13;
    row["key"] = has_key ? Row(whole(key)) : Row();
    if (has_key) record.add(kHasKey, {key});
    row["type"] = whole(std::uint64_t{type});
    row["publisher"] = has_publisher ? Row(whole(publisher)) : Row();
    row["publisher_sequence"] = has_publisher ? Row(whole(sequence)) : Row();
    return row;
}

Everything Samples::made_up(std::uint64_t number) {
    constexpr std::array<double, 6> kReals = {0.0,
                                              -0.0,
                                              std::numeric_limits<double>::infinity(),
                                              std::numeric_limits<double>::denorm_min(),
                                              std::numeric_limits<double>::max(),
                                              1.0 / 3};
    Everything all{};
    const bool is_extreme = number % 17 == 0;
    all.real = is_extreme ? kReals.at(number / 17 % kReals.size())
                          : static_cast<double>(random() % 100'000) / 100;
    if (number % 101 == 50) all.real = std::nan("");
    all.small_real = static_cast<float>(number) / 7;
    all.i8 = static_cast<std::int8_t>(random());
    all.i16 = static_cast<std::int16_t>(number * 7);
    all.i32 =
        is_extreme ? std::numeric_limits<std::int32_t>::min() : static_cast<std::int32_t>(random());
    all.i64 = is_extreme ? std::numeric_limits<std::int64_t>::min()
                         : static_cast<std::int64_t>(number) - 100;
    if (number % 19 == 0) all.i64 = std::numeric_limits<std::int64_t>::max();
    all.u8 = static_cast<std::uint8_t>(number);
    all.u16 = static_cast<std::uint16_t>(number * 60'000);
    all.u32 = number % 2 == 0 ? 4'000'000'000U + static_cast<std::uint32_t>(number) : 1U;
    all.u64 = random();
    all.flag = number % 3 == 0;
    all.side = number % 2 == 0 ? 'B' : 'S';
    std::snprintf(all.symbol, sizeof(all.symbol), "S%u", static_cast<unsigned>(number % 40));
    if (number % 29 == 3) std::memcpy(all.symbol, "\xC3\xA4\xE2\x82\xAC!12", 8);  // all 8 bytes
    if (number % 31 == 4 && number % 29 != 3) all.symbol[0] = '\xFF';
    if (number % 37 == 5) std::memset(all.symbol, 0, sizeof(all.symbol));
    for (std::int32_t at = 0; at < 3; ++at)
        all.list[at] = static_cast<std::int32_t>(number) * (at - 1);
    all.reals[0] = static_cast<double>(random());
    all.reals[1] = 0.5;
    for (std::uint8_t& byte : all.hash)
        byte = static_cast<std::uint8_t>(random());
    all.price = {static_cast<std::int64_t>(number) * 3, -2};
    all.few = static_cast<std::uint32_t>(random() % 5) * 1000;
    return all;
}

std::string text_of(const char* symbol, std::size_t most) {
    std::string text(symbol, ::strnlen(symbol, most));
    if (!text.empty() && text[0] == '\xFF') text = "\xEF\xBF\xBD" + text.substr(1);
    return "s" + text;
}

Row field_row(const Everything& all, bool is_new) {
    Row row;
    row["real"] = real(all.real);
    const auto put = [&](const char* name, const Row& value) {
        row[name] = is_new ? value : Row();
    };
    put("small_real", real(static_cast<double>(all.small_real)));
    put("i8", whole(std::int64_t{all.i8}));
    put("i16", whole(std::int64_t{all.i16}));
    put("i32", whole(std::int64_t{all.i32}));
    put("i64", whole(all.i64));
    put("u8", whole(std::uint64_t{all.u8}));
    put("u16", whole(std::uint64_t{all.u16}));
    put("u32", whole(std::uint64_t{all.u32}));
    put("u64", whole(all.u64));
    put("flag", all.flag ? "btrue" : "bfalse");
    put("side", std::string("s") + all.side);
    put("symbol", text_of(all.symbol, sizeof(all.symbol)));
    Row list = Row::array();
    for (const std::int32_t one : all.list)
        list.push_back(whole(std::int64_t{one}));
    put("list", list);
    put("reals", Row::array({real(all.reals[0]), real(all.reals[1])}));
    put("hash",
        fmt::format(
            "x{:02x}{:02x}{:02x}{:02x}", all.hash[0], all.hash[1], all.hash[2], all.hash[3]));
    put("price.mantissa", whole(all.price.mantissa));
    put("price.exponent", whole(std::int64_t{all.price.exponent}));
    put("few", whole(std::uint64_t{all.few}));
    return row;
}

void Samples::write_fields(const std::string& name,
                           std::uint64_t rows,
                           parquet::EventFileOptions options) {
    constexpr EventType kType = 7;
    options.columns = header_columns();
    for (const schema::Field& field : schema::layout_of<Everything>().fields)
        options.columns.push_back(
            {field.name, ColumnSource::field, field, field.offset_bytes >= kOldBytes});
    options.notes = {{"tailrace.stream", "sample"}};
    FileSink sink(directory_ + "/" + name + ".parquet");
    std::ofstream expected(directory_ + "/" + name + ".jsonl");
    parquet::EventFile file(options, sink);
    for (std::uint64_t number = 0; number < rows; ++number) {
        const Everything all = made_up(number);
        const bool is_new = number % 9 != 4 && number / 256 != 2;
        const std::uint32_t size = is_new ? sizeof(all) : kOldBytes;
        Record record(number, kType, std::as_bytes(std::span(&all, 1)).first(size));
        Row row = header_row(record, number, kType);
        row.update(field_row(all, is_new));
        must(file.add(record.event(), size));
        expected << row.dump() << '\n';
    }
    must(file.finish());
}

void Samples::write_payloads(const std::string& name,
                             parquet::PayloadKind kind,
                             std::uint64_t rows,
                             std::size_t most_bytes) {
    parquet::EventFileOptions options;
    options.columns = header_columns();
    options.columns.push_back({"payload", ColumnSource::payload, {}, false});
    options.payload = kind;
    options.notes = {{"tailrace.stream", "sample"}};
    options.compresses = name.find("zstd") != std::string::npos;
    options.row_group_bytes = 1'500'000;
    FileSink sink(directory_ + "/" + name + ".parquet");
    std::ofstream expected(directory_ + "/" + name + ".jsonl");
    parquet::EventFile file(options, sink);
    for (std::uint64_t number = 0; number < rows; ++number) {
        std::string payload = number % 10 == 0 ? "" : fmt::format("{{\"n\":{}}}", number);
        if (kind == parquet::PayloadKind::bytes)
            payload.resize(random() % (most_bytes + 1), '\xFE');
        Record record(number, 3, std::as_bytes(std::span(payload)));
        Row row = header_row(record, number, 3);
        std::string shown = "s" + payload;
        if (kind == parquet::PayloadKind::bytes) {
            shown = "x";
            for (const char c : payload)
                shown += fmt::format("{:02x}", static_cast<unsigned char>(c));
        }
        row["payload"] = shown;
        must(file.add(record.event(), 0));
        expected << row.dump() << '\n';
    }
    must(file.finish());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    Samples samples(argv[1]);
    parquet::EventFileOptions zstd;
    zstd.row_group_rows = 4000;
    parquet::EventFileOptions stored;
    stored.compresses = false;
    parquet::EventFileOptions groups = stored;
    groups.row_group_rows = 100;
    parquet::EventFileOptions plain_times = stored;
    plain_times.has_plain_times = true;
    samples.write_fields("stored", 3000, stored);
    samples.write_fields("groups", 450, groups);
    samples.write_fields("plain_times", 20, plain_times);
    samples.write_fields("one", 1, stored);
    samples.write_fields("none", 0, stored);
    samples.write_payloads("text", parquet::PayloadKind::text, 200, 0);
    samples.write_payloads("bytes", parquet::PayloadKind::bytes, 300, 100);
    // More than one page of bytes, and more than one group by its bytes.
    samples.write_payloads("wide", parquet::PayloadKind::bytes, 40, 400'000);
    if (parquet::has_compression()) {
        samples.write_fields("zstd", 9000, zstd);
        samples.write_payloads("text_zstd", parquet::PayloadKind::text, 2000, 0);
    }
    return 0;
}
