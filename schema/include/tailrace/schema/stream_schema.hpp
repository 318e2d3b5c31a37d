// StreamSchema: which types of events a stream has, by their numbers, and what each is made of.
//
//     StreamSchema schema;
//     schema.add<Trade>(kTrade).add<Quote>(kQuote).add_opaque(kNote, "Note", "text");
//
// A program gives it when it makes a stream or attaches; it is kept beside the ring and in the
// journal, as text, and tools print events by it. A type may have several layouts, each an
// extension of the one before: new fields behind its end. An event's size says which it is. Law:
// docs/typed_events.md. One thread; cold paths only.
#pragma once

#include <tailrace/base/event.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/schema/event_layout.hpp>
#include <tailrace/schema/layout_of.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::schema {

// The encoding of types that have layouts.
inline constexpr std::string_view kStructEncoding = "struct";

struct EventSchema {
    EventType type = 0;
    std::string name;
    std::string encoding;               // "struct"; else opaque: text, json, protobuf, ...
    std::vector<EventLayout> versions;  // of a struct, the smallest first; else none

    [[nodiscard]] bool is_struct() const noexcept { return encoding == kStructEncoding; }
    // The largest version that an event of this size holds; null when none is that small.
    [[nodiscard]] const EventLayout* layout_for(std::uint64_t size_bytes) const noexcept;
    friend bool operator==(const EventSchema&, const EventSchema&) = default;
};

class StreamSchema {
public:
    // One more type, or one more version of a type that is there. What contradicts what is there
    // already is told by problem(), and by whoever takes this schema.
    StreamSchema& add(EventType type, std::string_view name, EventLayout layout);
    template <DescribableEvent T>
    StreamSchema& add(EventType type = kEventTypeOf<T>, std::string_view name = type_name_of<T>()) {
        return add(type, name, layout_of<T>());
    }
    // Bytes that another library understands. Usual names of encodings: text, json, protobuf,
    // flatbuffers, capnproto, msgpack, cbor, avro, sbe.
    StreamSchema& add_opaque(EventType type, std::string_view name, std::string_view encoding);

    [[nodiscard]] const std::optional<Error>& problem() const noexcept { return problem_; }
    [[nodiscard]] bool is_empty() const noexcept { return types_.empty() && !problem_; }
    [[nodiscard]] const std::vector<EventSchema>& types() const noexcept { return types_; }
    [[nodiscard]] const EventSchema* find(EventType type) const noexcept;
    [[nodiscard]] const EventSchema* find(std::string_view name) const noexcept;

    // Takes over the types and versions that aren't here yet. True: there were some. Error
    // `incompatible` says what differs, and nothing has changed then; the problem of `other` if it
    // has one.
    [[nodiscard]] Result<bool> merge(const StreamSchema& other);

    // As it is kept; parse_schema() reads it again.
    [[nodiscard]] std::string text() const;

    friend bool operator==(const StreamSchema& one, const StreamSchema& other) {
        return one.types_ == other.types_;
    }

private:
    [[nodiscard]] Result<bool> put(const EventSchema& fresh);

    std::vector<EventSchema> types_;  // by number
    std::optional<Error> problem_;
};

// As much as such a text may have.
inline constexpr std::uint64_t kMostSchemaBytes = std::uint64_t{1} << 20U;

// `path` is for messages. Errors: `incompatible` for another version of the text, not_tailrace when
// it is something else, `corrupt` names the line.
[[nodiscard]] Result<StreamSchema> parse_schema(std::string_view text, const std::string& path);

}  // namespace tailrace::schema
