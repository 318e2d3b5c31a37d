#include "identity_tracker.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/base/event.hpp>
#include <tailrace/base/step.hpp>
#include <tailrace/journal/reader.hpp>

#include <algorithm>
#include <utility>

namespace tailrace::stream {

namespace {

constexpr std::uint64_t kRetryNs = 100'000'000;

}  // namespace

journal::LedgerIdentities merged(const IdentitySnapshot& snapshot, const bus::Region& region) {
    journal::LedgerIdentities identities;
    identities.as_of_sequence = snapshot.as_of_sequence;
    identities.is_complete = snapshot.is_complete;
    for (const bus::IdentityStatus& in_ring : bus::read_identities(region)) {
        const auto tracked = std::find_if(
            snapshot.identities.begin(), snapshot.identities.end(), [&](const auto& identity) {
                return identity.id == in_ring.id && identity.set_at == in_ring.set_at &&
                       identity.set_to == in_ring.set_to;
            });
        const bool is_tracked = tracked != snapshot.identities.end();
        const OwnSequence last_own = is_tracked ? tracked->last_own : in_ring.set_to;
        if (is_tracked && !tracked->is_known) continue;
        if (last_own != 0) identities.known.push_back({in_ring.name, in_ring.id, last_own});
    }
    return identities;
}

IdentityTracker::IdentityTracker(std::shared_ptr<bus::Region> region,
                                 std::string directory,
                                 const std::array<std::uint64_t, 2>& journal_id,
                                 Sequence end)
    : region_(std::move(region)),
      directory_(std::move(directory)),
      journal_id_(journal_id),
      as_of_(end) {}

TrackedIdentity* IdentityTracker::find(std::uint64_t id) noexcept {
    if (last_found_ < identities_.size() && identities_[last_found_].id == id)
        return &identities_[last_found_];
    const auto found = std::find_if(
        identities_.begin(), identities_.end(), [id](const auto& one) { return one.id == id; });
    if (found == identities_.end()) return nullptr;
    last_found_ = static_cast<std::size_t>(found - identities_.begin());
    return &*found;
}

void IdentityTracker::take_event(std::uint64_t id, OwnSequence own, Sequence sequence) {
    TrackedIdentity* known = find(id);
    if (known == nullptr) {
        identities_.push_back({id, 0, 0, 0});
        known = &identities_.back();
    }
    if (sequence < known->set_at) return;
    known->last_own = own;
    known->is_known = true;
}

// Who was made, set or removed since. An event of whoever it is comes behind that, so it counts
// from here on.
void IdentityTracker::look_at_ring() {
    const std::uint64_t changes = bus::identity_changes(*region_);
    if (changes == seen_changes_) return;
    seen_changes_ = changes;
    std::vector<TrackedIdentity> known;
    for (const bus::IdentityStatus& in_ring : bus::read_identities(*region_)) {
        const TrackedIdentity* const before = find(in_ring.id);
        const bool is_same = before != nullptr && before->set_at == in_ring.set_at &&
                             before->set_to == in_ring.set_to;
        known.push_back({in_ring.id,
                         is_same ? before->last_own : in_ring.set_to,
                         in_ring.set_at,
                         in_ring.set_to,
                         !is_same || before->is_known});
    }
    identities_ = std::move(known);
    last_found_ = 0;
}

void IdentityTracker::read_log(Sequence from) {
    auto log = journal::Reader::open(directory_);
    Result<void> sought = log ? log->seek_sequence(from) : Result<void>(log.error());
    while (sought && log->next_sequence() < as_of_) {
        const auto step = log->next_batch();
        if (!step) sought = step.error();
        if (!sought || step->kind == journal::ReadKind::end) break;
        if (step->kind != journal::ReadKind::event) continue;
        for (const Event& event : step->batch) {
            if ((event.flags() & kHasPublisherId) != 0 && event.sequence() >= from)
                take_event(event.publisher_id(), event.publisher_sequence(), event.sequence());
        }
    }
    if (sought) return;
    is_complete_ = false;
    trouble_ = sought.error();
}

// What a damaged ledger may have said of those in the ring isn't guessed: whoever the log doesn't
// tell of either is left out, and a name that is left out is refused after the ring.
void IdentityTracker::read_all(const journal::LedgerIdentities* kept, Sequence log_first) {
    Sequence from = log_first;
    // Retention lets nothing go that isn't in the ledger; only of an older one, or of none.
    is_complete_ = from == 0;
    if (kept != nullptr) {
        is_complete_ = kept->is_complete && kept->as_of_sequence >= from;
        from = std::clamp(kept->as_of_sequence, from, std::max(from, as_of_));
    }
    if (!is_complete_) {
        for (TrackedIdentity& identity : identities_)
            identity.is_known = false;
    }
    if (kept != nullptr) {
        for (const journal::LedgerIdentity& identity : kept->known)
            take_event(identity.id, identity.last_own, kNoSequence);
    }
    read_log(from);
}

Result<void> IdentityTracker::read_journal() {
    auto ledger = journal::read_ledger(directory_, journal_id_);
    const bool is_damaged = !ledger && ledger.error().code == ErrorCode::corrupt;
    if (!ledger && !is_damaged) return ledger.error();
    const journal::LedgerIdentities* const kept =
        ledger && ledger->identities ? &*ledger->identities : nullptr;
    // Of a ledger that was damaged nobody knows whether it said anything.
    is_active_ = kept != nullptr || is_damaged || ledger->lost_names;
    // What is in the ring already says from where on its events count.
    look_at_ring();
    if (is_active_) {
        auto log = journal::Reader::open(directory_);
        if (!log) return log.error();
        read_all(kept, log->first_sequence());
    }
    std::vector<bus::KnownIdentity> known;
    for (const TrackedIdentity& tracked : identities_) {
        std::string name;
        if (kept != nullptr) {
            for (const journal::LedgerIdentity& identity : kept->known)
                if (identity.id == tracked.id) name = identity.name;
        }
        known.push_back({std::move(name), tracked.id, tracked.last_own});
    }
    auto seeded = bus::seed_identities(*region_, known, is_complete_);
    look_at_ring();
    return seeded;
}

Result<void> IdentityTracker::begin_ledger() {
    auto lock = journal::LedgerLock::lock(directory_);
    if (!lock) return lock.error();
    auto ledger = lock->read(journal_id_);
    if (!ledger && ledger.error().code == ErrorCode::corrupt)
        ledger = journal::LedgerLock::made_anew(journal_id_);
    if (!ledger) return ledger.error();
    if (ledger->identities) return {};
    ledger->journal_id = journal_id_;
    ledger->identities.emplace();
    ledger->identities->as_of_sequence = as_of_;
    ledger->identities->is_complete = is_complete_;
    TAILRACE_STEP("identity_tracker.ledger_read");
    if (auto written = lock->write(*ledger); !written) return written;
    held_ = journal::held_back(*ledger);
    return {};
}

bool IdentityTracker::may_append() {
    if (is_active_) return true;
    if (!bus::has_identities(*region_)) return true;
    const std::uint64_t now_ns = monotonic_ns();
    if (now_ns < next_try_ns_) return false;
    next_try_ns_ = now_ns + kRetryNs;
    if (auto begun = begin_ledger(); !begun) {
        trouble_ = begun.error();
        return false;
    }
    TAILRACE_STEP("identity_tracker.begun");
    is_active_ = true;
    return true;
}

void IdentityTracker::take(const bus::Run& run,
                           std::uint64_t event_count,
                           std::uint64_t size_bytes) {
    as_of_ = run.first_sequence + event_count;
    if (!is_active_ || run.bytes.empty()) return;
    look_at_ring();
    // The ring's bytes, where others may scribble: sizes are bounded here again.
    const std::uint64_t alignment = region_->header().alignment_bytes;
    std::span<const std::byte> left = run.bytes.first(size_bytes);
    for (Sequence sequence = run.first_sequence; sequence != as_of_; ++sequence) {
        if (left.size() < sizeof(EventHeader)) return;
        EventHeader header{};
        std::memcpy(&header, left.data(), sizeof(header));
        const std::uint64_t event_bytes =
            event_size_bytes(header.payload_size_bytes, header.extension_words, alignment);
        if (event_bytes > left.size()) return;
        if ((header.flags & kHasPublisherId) != 0) {
            const Event event(sequence, header, left.data());
            take_event(event.publisher_id(), event.publisher_sequence(), sequence);
        }
        left = left.subspan(event_bytes);
    }
}

std::optional<IdentitySnapshot> IdentityTracker::progress(Sequence durable_sequence,
                                                          bool is_wanted) {
    if (!is_active_) return std::nullopt;
    if (!pending_ && is_wanted) {
        look_at_ring();
        pending_ = IdentitySnapshot{as_of_, is_complete_, identities_};
    }
    if (!pending_ || pending_->as_of_sequence > durable_sequence) return std::nullopt;
    std::optional<IdentitySnapshot> ready = std::exchange(pending_, std::nullopt);
    const bool is_new = ready->as_of_sequence != told_as_of_ || seen_changes_ != told_changes_;
    told_as_of_ = ready->as_of_sequence;
    told_changes_ = seen_changes_;
    return is_new ? std::move(ready) : std::nullopt;
}

}  // namespace tailrace::stream
