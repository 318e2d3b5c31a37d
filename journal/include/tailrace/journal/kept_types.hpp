// The types of events that a journal knows: the file `SCHEMA` in its directory, the same text as
// beside a ring, so that its events can be told by their fields when the ring is gone.
//
// Kept by whoever writes the journal, who holds its lock; read by anybody. Replaced as a whole, and
// flushed. Law: docs/journal_format.md, "The schema".
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <string>

namespace tailrace::journal {

// Empty without the file. Errors: those of schema::parse_schema, and of reading it.
[[nodiscard]] Result<schema::StreamSchema> load_types(const std::string& directory);

// For somebody who only reads: error `incompatible` when they contradict what the journal has.
[[nodiscard]] Result<void> check_types(const std::string& directory,
                                       const schema::StreamSchema& types);

// Adds what the journal doesn't know yet. Requires: the journal's lock, by this process. Error
// `incompatible` says what differs from what the journal has, and nothing has changed then.
[[nodiscard]] Result<void> keep_types(const std::string& directory,
                                      const schema::StreamSchema& types);

}  // namespace tailrace::journal
