#include "diff_place.hpp"

#include "command.hpp"
#include "journal_place.hpp"

#include <tailrace/base/directory_identity.hpp>

#include <algorithm>
#include <cstring>
#include <deque>
#include <fmt/format.h>

namespace tailrace::tool {

namespace {

constexpr std::uint64_t kPatienceMs = 1000;

bool have_same_key(const Event& one, const Event& other) {
    return one.has_key() == other.has_key() && one.key() == other.key();
}

}  // namespace

KeptEvent::KeptEvent(const Event& event)
    : sequence_(event.sequence()),
      record_(event.record(), event.payload().data() + event.size_bytes()) {}

Event KeptEvent::event() const noexcept {
    EventHeader header{};
    std::memcpy(&header, record_.data(), sizeof(header));
    return {sequence_, header, record_.data()};
}

Result<DiffPlace> DiffPlace::find(const std::string& target) {
    DiffPlace place;
    place.name_ = target;
    if (!is_path(target)) {
        auto region = bus::Region::open(target, bus::RegionAccess::observe, settings().directory);
        if (region) {
            place.region_ = std::move(*region);
            return place;
        }
        if (region.error().code != ErrorCode::not_found) return region.error();
    }
    auto directory = find_journal(target);
    if (directory) {
        place.directory_ = std::move(*directory);
        return place;
    }
    if (is_path(target)) return directory.error();
    return make_error(ErrorCode::not_found,
                      fmt::format("there is no stream '{}' and no journal of that name (no {}, no "
                                  "{})",
                                  target,
                                  ring_directory_of(target),
                                  usual_journal_directory(target)),
                      "tailrace ls, or name the journal's directory");
}

bool DiffPlace::is(const DiffPlace& other) const {
    if (region_ && other.region_) return region_->name() == other.region_->name();
    if (region_ || other.region_) return false;
    const auto identity = directory_identity(directory_);
    return identity && identity == directory_identity(other.directory_);
}

Result<stream::StreamReader> DiffPlace::read_from(const Position& from) const {
    stream::StreamReaderOptions options;
    options.policy = bus::SlowPolicy::observe;
    options.from = from;
    if (region_) return stream::StreamReader::attach(region_, options);
    return stream::StreamReader::open_journal(directory_, options);
}

Result<Sequence> DiffPlace::end_of(const std::optional<Position>& to) const {
    auto at_end = read_from(Position::end());
    if (!at_end) return at_end.error();
    const Sequence end = at_end->next_sequence();
    if (!to) return end;
    if (to->kind == Position::Kind::sequence) return std::min(to->value, end);
    auto reader = read_from(*to);
    if (!reader) return reader.error();
    return std::min(reader->next_sequence(), end);
}

std::optional<KeptEvent> EventLookup::find(Sequence sequence) {
    // Reading on is cheaper than a new seek.
    constexpr std::uint64_t kNear = 1024;
    std::optional<KeptEvent> found;
    if (sequence < first_ || sequence >= end_) return found;
    if (!reader_ || reader_->next_sequence() > sequence ||
        sequence - reader_->next_sequence() > kNear) {
        auto opened = place_.read_from(Position::at(sequence));
        if (!opened) return found;
        reader_.emplace(std::move(*opened));
    }
    while (reader_->next_sequence() <= sequence) {
        const bus::PollResult result = reader_->poll_until(
            [&](const Event& event) {
                if (event.sequence() == sequence) found.emplace(event);
            },
            1,
            bus::Deadline::in_ms(kPatienceMs));
        if (result.state > bus::PollState::gap || result.state == bus::PollState::idle) break;
    }
    return found;
}

std::vector<KeptEvent> EventLookup::around(Sequence sequence,
                                           std::size_t count,
                                           const std::optional<Event>& of_its_key) const {
    // Tombstones and events of other keys stand between.
    constexpr std::uint64_t kNear = 16;
    constexpr std::uint64_t kFar = 4096;
    const std::uint64_t reach = of_its_key ? kFar : kNear;
    const Sequence middle = std::min(sequence, end_);
    const Sequence from = std::max(first_, middle - std::min(middle, reach));
    const Sequence to = std::min(end_, middle + std::min(reach, end_ - middle));
    std::deque<KeptEvent> before;
    std::vector<KeptEvent> found;
    auto reader = place_.read_from(Position::at(from));
    if (!reader && reader.error().code == ErrorCode::sequence_gone)
        reader = place_.read_from(Position::start());
    if (!reader) return found;
    std::size_t behind = 0;
    while (reader->next_sequence() < to && behind < count) {
        const bus::PollResult result = reader->poll_until(
            [&](const Event& event) {
                if (event.sequence() >= to) return;
                if (of_its_key && !have_same_key(event, *of_its_key)) return;
                before.emplace_back(event);
                if (event.sequence() >= middle) ++behind;
                if (behind == 0 && before.size() > count) before.pop_front();
            },
            1,
            bus::Deadline::in_ms(kPatienceMs));
        if (result.state > bus::PollState::gap || result.state == bus::PollState::idle) break;
    }
    found.assign(before.begin(), before.end());
    return found;
}

}  // namespace tailrace::tool
