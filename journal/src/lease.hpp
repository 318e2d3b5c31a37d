// Lease: a segment's file, opened for reading, that nobody writes over as long as it is open.
//
// A shared hold on the file. Retention makes a segment into a spare only when it holds the file
// alone; one that is leased loses its name and keeps its bytes. So what was opened here stays what
// it is, and whoever comes late finds that the name has gone. Read permission is enough; the kernel
// ends a lease when its holder dies. A child that is forked shares it until it closes the file or
// executes something.
#pragma once

#include "segment_directory.hpp"
#include "storage.hpp"

#include <tailrace/base/result.hpp>

#include <string>

namespace tailrace::journal {

// Error `not_found` also when the segment is being given up at this moment: look at the names anew.
[[nodiscard]] Result<StoredFile> open_leased(FileStore& files, const std::string& path);

}  // namespace tailrace::journal
