// The file SCHEMA of a journal, over any storage. One thread; kept_types.hpp has the contract.
#pragma once

#include "storage.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/schema/stream_schema.hpp>

#include <string>

namespace tailrace::journal {

[[nodiscard]] std::string schema_path(const std::string& directory);

[[nodiscard]] Result<schema::StreamSchema> read_schema_file(FileStore& files,
                                                            const std::string& directory);

// A crash leaves the old file or the new one.
[[nodiscard]] Result<void> write_schema_file(FileStore& files,
                                             const std::string& directory,
                                             const schema::StreamSchema& types);

}  // namespace tailrace::journal
