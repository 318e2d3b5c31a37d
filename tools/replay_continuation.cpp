#include "replay_continuation.hpp"

#include "command.hpp"
#include "output.hpp"

#include <tailrace/base/directory_identity.hpp>
#include <tailrace/bus/journal_board.hpp>
#include <tailrace/bus/region.hpp>

#include <algorithm>
#include <fmt/format.h>

namespace tailrace::tool {

Sequence durable_end(const journal::Reader& reader,
                     const std::string& journal_directory,
                     Sequence end) {
    const auto region =
        bus::Region::open(reader.stream_name(), bus::RegionAccess::observe, settings().directory);
    if (!region || !bus::has_journal_writer(**region)) return end;
    const auto it = directory_identity(journal_directory);
    if (!it || it != directory_identity(bus::remembered_journal(**region).directory)) return end;
    return std::min(end, bus::durable_sequence(**region));
}

Result<void> go_on_behind_published(const ReplayFlags& flags,
                                    const bus::Publisher& publisher,
                                    journal::Reader& reader) {
    // Numbers are sequences + 1.
    const Sequence next = publisher.last_published();
    if (next == 0) return {};
    const Sequence first = reader.first_sequence();
    const std::string name = stream::replay_identity(flags.identity, reader);
    // A journal that has lost its newest segment has no end that is known.
    const auto end = reader.end_sequence();
    if (end && next > *end) {
        return make_error(
            ErrorCode::sequence_ahead,
            fmt::format("'{}' has published into '{}' up to sequence {} of this journal, which "
                        "ends before {}: it has lost events, or is an older copy",
                        name,
                        flags.into,
                        next - 1,
                        *end),
            fmt::format("tailrace publisher set {} {} --to {}: what comes next is published",
                        flags.into,
                        name,
                        *end));
    }
    const bool is_at_a_sequence = flags.from && flags.from->kind == Position::Kind::sequence;
    if (next < first && reader.next_sequence() == first && !is_at_a_sequence) {
        return make_error(
            ErrorCode::sequence_gone,
            fmt::format("'{}' has published into '{}' below sequence {}, and the journal begins "
                        "at {}: what is between them is gone",
                        name,
                        flags.into,
                        next,
                        first),
            fmt::format("tailrace replay {} --into {} --identity {} --from {}",
                        flags.journal,
                        flags.into,
                        flags.identity,
                        first));
    }
    if (next <= reader.next_sequence()) return {};
    say(fmt::format("'{}' has published below sequence {}; it goes on there", name, next));
    return reader.seek_sequence(next);
}

}  // namespace tailrace::tool
