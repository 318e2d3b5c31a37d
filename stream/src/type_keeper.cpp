#include "type_keeper.hpp"

#include <tailrace/journal/kept_types.hpp>

namespace tailrace::stream {

namespace {

constexpr std::uint64_t kTypesLookNs = 500'000'000;

}  // namespace

TypeKeeper::TypeKeeper(std::shared_ptr<bus::Region> region, std::string directory)
    : region_(std::move(region)),
      directory_(std::move(directory)) {}

Result<void> TypeKeeper::begin() {
    take_over();
    if (trouble_ && trouble_->code == ErrorCode::incompatible)
        return *std::exchange(trouble_, std::nullopt);
    // So that nobody declares to the ring what the journal can't take.
    const auto known = journal::load_types(directory_);
    auto told = known ? bus::declare_types(*region_, *known) : Result<void>(known.error());
    if (!told) tell(told.error());
    return {};
}

void TypeKeeper::look(std::uint64_t now_ns) {
    if (now_ns < next_look_ns_) return;
    next_look_ns_ = now_ns + kTypesLookNs;
    take_over();
}

void TypeKeeper::take_over() {
    // Before it is read: what comes meanwhile is another one.
    const bus::TypesMark found = bus::types_mark(*region_);
    if (found == taken_) return;
    taken_.reset();
    const auto declared = bus::declared_types(*region_);
    auto kept =
        declared ? journal::keep_types(directory_, *declared) : Result<void>(declared.error());
    if (!kept) return tell(kept.error());
    taken_ = found;
    told_.clear();
}

void TypeKeeper::tell(const Error& error) {
    if (error.message == told_) return;
    told_ = error.message;
    trouble_ = error;
}

}  // namespace tailrace::stream
