#include "known_types.hpp"

#include "command.hpp"
#include "journal_place.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/journal/kept_types.hpp>

#include <filesystem>
#include <utility>

namespace tailrace::tool {

void KnownTypes::take(Result<schema::StreamSchema> read) {
    problem_.reset();
    if (read) {
        schema_ = std::move(*read);
    } else {
        schema_ = {};
        problem_ = read.error();
    }
}

KnownTypes KnownTypes::of_stream(std::shared_ptr<bus::Region> region) {
    KnownTypes types;
    types.region_ = std::move(region);
    (void)types.read_again();
    return types;
}

KnownTypes KnownTypes::of_journal(std::string directory) {
    KnownTypes types;
    types.directory_ = std::move(directory);
    (void)types.read_again();
    return types;
}

bool KnownTypes::explains(const Event& event) const noexcept {
    const schema::EventSchema* const type = schema_.find(event.type());
    if (type == nullptr) return false;
    // A larger one may be of a version that came since.
    return !type->is_struct() || event.size_bytes() <= type->versions.back().size_bytes;
}

// Whoever publishes a type declares it before. So an event that was there at the last look can't be
// of a type that came later, and a stream without types costs one look for each of its batches.
bool KnownTypes::may_have_grown(const Event& event) {
    if (region_ != nullptr) return event.sequence() >= looked_up_to_;
    if (directory_.empty()) return false;
    return monotonic_ns() >= next_look_ns_;
}

bool KnownTypes::read_again() {
    constexpr std::uint64_t kRestNs = 100 * kNsPerMs;  // of a journal that is followed
    const schema::StreamSchema known = schema_;
    if (region_ != nullptr) {
        // The end first: what is published behind it is looked at again.
        looked_up_to_ = region_->tail().sequence;
        const bus::TypesMark mark = bus::types_mark(*region_);
        if (mark == mark_) return false;
        mark_ = mark;
        take(bus::declared_types(*region_));
    } else {
        next_look_ns_ = monotonic_ns() + kRestNs;
        take(journal::load_types(directory_));
    }
    return !(schema_ == known);
}

Result<schema::StreamSchema> types_of(const std::string& target) {
    namespace fs = std::filesystem;
    const auto of_ring = [](const std::string& name,
                            const std::string& directory) -> Result<schema::StreamSchema> {
        auto region = bus::Region::open(name, bus::RegionAccess::observe, directory);
        if (!region) return region.error();
        return bus::declared_types(**region);
    };
    std::error_code failed;
    // A stream's name goes before a directory of that name, as for inspect.
    if (target.find('/') == std::string::npos) {
        auto types = of_ring(target, settings().directory);
        if (types || types.error().code != ErrorCode::not_found) return types;
    }
    const fs::path path = absolute_path(target);
    if (is_path(target) && fs::exists(path / "control", failed))
        return of_ring(path.filename().string(), path.parent_path().string());
    auto directory = find_journal(target);
    if (!directory) return directory.error();
    return journal::load_types(*directory);
}

}  // namespace tailrace::tool
