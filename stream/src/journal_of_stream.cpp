#include "journal_of_stream.hpp"

#include <tailrace/journal/inspect.hpp>

#include <unistd.h>

#include <cerrno>

namespace tailrace::stream {

Result<bool> has_journal_in(const std::string& directory,
                            const std::array<std::uint64_t, 2>& journal_id,
                            const std::string& stream) {
    if (directory.empty()) return false;
    if (journal::is_journal(directory)) return true;
    if (::access(directory.c_str(), R_OK | X_OK) != 0 && errno == EACCES) return true;
    if (journal_id == std::array<std::uint64_t, 2>{}) return false;
    return make_error(ErrorCode::not_found,
                      "the journal of stream '" + stream + "' isn't in '" + directory +
                          "', so what names it has can't be told",
                      "findmnt -T " + directory + "; ls -ld " + directory);
}

}  // namespace tailrace::stream
