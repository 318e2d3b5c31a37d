// Where journals lie: from what a person types (a stream's name, a directory, a segment) to a
// directory.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/layout.hpp>

#include <string>

namespace tailrace::tool {

// The journal of `stream` when nobody names a directory: --journal-dir or TAILRACE_JOURNAL_DIR,
// else the default.
[[nodiscard]] std::string usual_journal_directory(const std::string& stream);

// The parent of those.
[[nodiscard]] std::string usual_journal_parent();

// The directory that a stream's header names; empty when it is not journaled.
[[nodiscard]] std::string journal_directory_of(const bus::StreamHeader& header);

// Where the ring of `stream` lies, whether it is there or not.
[[nodiscard]] std::string ring_directory_of(const std::string& stream);

// An absolute path, without following links.
[[nodiscard]] std::string absolute_path(const std::string& path);

// Whether a person means a directory by it, and not a stream's name.
[[nodiscard]] bool is_path(const std::string& target);

// `target` as a journal's directory: a path if it has a slash or is a directory, else a stream's
// name, whose ring may say where its journal is. Error `not_found` says where it was looked for.
[[nodiscard]] Result<std::string> find_journal(const std::string& target);

}  // namespace tailrace::tool
