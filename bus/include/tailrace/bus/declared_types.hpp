// The types of events that a stream has declared: kept beside its ring, in the file `schema`.
//
// Whoever makes a stream may declare some, and so may each publisher as it attaches. What is known
// only grows: a declaration that contradicts it is refused. Events don't carry it, and no hot path
// looks at it. Any thread; cold. Laws: docs/typed_events.md, docs/ring_layout.md.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <cstdint>

namespace tailrace::bus {

// Empty where nobody has declared any. Errors: those of schema::parse_schema, and of reading it.
[[nodiscard]] Result<schema::StreamSchema> declared_types(const Region& region);

// Which file they were read from: another one when more have been declared since. One system call.
struct TypesMark {
    std::uint64_t inode = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const TypesMark&, const TypesMark&) = default;
};
[[nodiscard]] TypesMark types_mark(const Region& region) noexcept;

// Declares more, for all who come: returns when the file has them. Requires: access() != observe,
// and write permission for the stream's directory where there is something new. Error incompatible
// says what differs.
[[nodiscard]] Result<void> declare_types(const Region& region, const schema::StreamSchema& types);

// The same question for somebody who only reads: error incompatible when they contradict what the
// stream has. Types that it doesn't have are fine: their events may come later.
[[nodiscard]] Result<void> check_types(const Region& region, const schema::StreamSchema& types);

}  // namespace tailrace::bus
