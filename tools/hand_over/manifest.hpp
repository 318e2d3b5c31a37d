// Manifest: what a directory of exported files holds, so that a loader can prove that no event is
// missing and none is there twice.
//
// A stream's sequences from first() to end(), in parts back to back; of each part the files, and
// how many of its sequences are rows, were left out as asked, are missing in the log (with the
// gaps), or carry no event. Kept as one JSON document, `manifest.json`, a part a line, with a
// checksum of its own. Law: docs/hand_over.md. Plain values; any thread.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::tool {

// From the earliest to the latest publish time; both 0 where no event carries one.
struct PublishTimes {
    std::uint64_t first_ns = 0;
    std::uint64_t last_ns = 0;

    void add(std::uint64_t time_ns) noexcept {
        if (time_ns == 0) return;
        if (first_ns == 0 || time_ns < first_ns) first_ns = time_ns;
        if (time_ns > last_ns) last_ns = time_ns;
    }
    friend bool operator==(const PublishTimes&, const PublishTimes&) = default;
};

struct ExportedFile {
    std::string name;
    std::string table;  // which kind of events: the name of their type
    EventType type = 0;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::string xxh3;  // XXH3-64 of the whole file, 16 hexadecimal digits
    Sequence first = 0;
    Sequence end = 0;  // behind the last one
    PublishTimes times;
    std::uint64_t mended_texts = 0;  // that weren't UTF-8
    friend bool operator==(const ExportedFile&, const ExportedFile&) = default;
};

// Events that the log doesn't have.
struct ExportedGap {
    Sequence first = 0;
    Sequence end = 0;
    std::string kind;  // "retired", "damaged", "missing"
    friend bool operator==(const ExportedGap&, const ExportedGap&) = default;
};

// An event by which the next run knows that it reads on in the same log.
struct Witness {
    Sequence sequence = 0;
    std::string xxh3;
    friend bool operator==(const Witness&, const Witness&) = default;
};

struct ExportedPart {
    Sequence first = 0;
    Sequence end = 0;
    std::uint64_t left_out = 0;  // not wanted: --type, --key
    std::vector<ExportedGap> gaps;
    std::vector<ExportedFile> files;
    std::optional<Witness> witness;

    [[nodiscard]] std::uint64_t rows() const noexcept;
    [[nodiscard]] std::uint64_t missing() const noexcept;
    // Sequences without an event: claims that were never published.
    [[nodiscard]] std::uint64_t empty() const noexcept {
        return end - first - rows() - left_out - missing();
    }
    [[nodiscard]] PublishTimes times() const noexcept;
    friend bool operator==(const ExportedPart&, const ExportedPart&) = default;
};

struct Manifest {
    std::string stream;
    std::string source;   // which log: "journal …", "ring …"
    std::string format;   // "parquet", "csv", "jsonl"
    std::string options;  // what was chosen, and how files are made
    Sequence begin = 0;   // of the first part
    std::vector<ExportedPart> parts;

    [[nodiscard]] Sequence end() const noexcept { return parts.empty() ? begin : parts.back().end; }
    [[nodiscard]] const Witness* witness() const noexcept;
    [[nodiscard]] std::string text() const;
    friend bool operator==(const Manifest&, const Manifest&) = default;
};

// `path` is for messages. Errors: not_tailrace when it is something else, incompatible for another
// version, corrupt when its checksum or what it says of itself is wrong.
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view text, const std::string& path);

}  // namespace tailrace::tool
