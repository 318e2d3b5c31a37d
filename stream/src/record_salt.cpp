#include "record_salt.hpp"

#include <tailrace/journal/reader.hpp>

namespace tailrace::stream {

Result<std::optional<std::uint64_t>> salt_before(const std::string& directory, Sequence sequence) {
    std::optional<std::uint64_t> salt;
    auto log = journal::Reader::open(directory);
    if (!log) return log.error();
    if (sequence <= log->first_sequence()) return salt;
    auto sought = log->seek_sequence(sequence - 1);
    if (!sought && sought.error().code == ErrorCode::sequence_gone) return salt;
    if (!sought) return sought.error();
    const auto step = log->next_batch();
    if (!step) return step.error();
    const bool has_it =
        step->kind == journal::ReadKind::event && step->batch.first_sequence < sequence;
    if (has_it) salt = step->batch.record_salt;
    return salt;
}

}  // namespace tailrace::stream
