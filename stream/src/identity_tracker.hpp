// IdentityTracker: how far publishers with a name have come, as the journal has it. The recorder's
// thread.
//
// It sees each event of the ring as it is appended, once the stream has anybody with a name, and
// hands what it knows as of a durable sequence to the keeper, which writes it beside the journal.
// What it begins with is in the ledger, and in the log behind where that ends. Before the first
// such event is appended the ledger says that there may be some, so a log whose ledger says nothing
// has none. Law: docs/durability.md, "Publishers with a name".
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/bus/identity.hpp>
#include <tailrace/bus/subscriber.hpp>
#include <tailrace/journal/ledger.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tailrace::stream {

// One of them, as of some sequence.
struct TrackedIdentity {
    std::uint64_t id = 0;
    OwnSequence last_own = 0;
    Sequence set_at = 0;  // as its slot in the ring says
    OwnSequence set_to = 0;
    bool is_known = true;  // false: a damaged ledger had it, and no event of it was seen since
};

struct IdentitySnapshot {
    Sequence as_of_sequence = 0;
    bool is_complete = true;
    std::vector<TrackedIdentity> identities;
};

// What the ledger is to say: the snapshot, but for who was removed or set in the ring meanwhile.
// Requires: the ledger's lock, under which that is done.
[[nodiscard]] journal::LedgerIdentities merged(const IdentitySnapshot& snapshot,
                                               const bus::Region& region);

class IdentityTracker {
public:
    // Requires: this process has the journal's role, and the journal ends at `end`.
    IdentityTracker(std::shared_ptr<bus::Region> region,
                    std::string directory,
                    const std::array<std::uint64_t, 2>& journal_id,
                    Sequence end);

    // What the journal knows; and tells the ring, if that doesn't know it. Error no_space: it has
    // too many names.
    [[nodiscard]] Result<void> read_journal();

    // Whether the stream has anybody with a name.
    [[nodiscard]] bool is_active() const noexcept { return is_active_; }
    // Whether what follows may be appended. False: the ledger can't be written yet; it is tried
    // again in a moment.
    [[nodiscard]] bool may_append();
    // Once, when the ledger has just come to say that there may be some: what retention spares.
    [[nodiscard]] std::optional<std::vector<journal::HeldBack>> take_held() noexcept {
        return std::exchange(held_, std::nullopt);
    }
    // Events that were appended, from the front of the run.
    void take(const bus::Run& run, std::uint64_t event_count, std::uint64_t size_bytes);
    // The journal goes on there, behind a gap.
    void skip_to(Sequence sequence) noexcept { as_of_ = sequence; }

    // What is to be written now; empty when there is nothing new, or it isn't durable yet.
    // `is_wanted`: the last one was written.
    [[nodiscard]] std::optional<IdentitySnapshot> progress(Sequence durable_sequence,
                                                           bool is_wanted);

    [[nodiscard]] std::optional<Error> take_trouble() noexcept {
        return std::exchange(trouble_, std::nullopt);
    }

private:
    void read_all(const journal::LedgerIdentities* kept, Sequence log_first);
    void read_log(Sequence from);
    void take_event(std::uint64_t id, OwnSequence own, Sequence sequence);
    void look_at_ring();
    [[nodiscard]] TrackedIdentity* find(std::uint64_t id) noexcept;
    [[nodiscard]] Result<void> begin_ledger();

    std::shared_ptr<bus::Region> region_;
    std::string directory_;
    std::array<std::uint64_t, 2> journal_id_;
    Sequence as_of_;
    Sequence told_as_of_ = 0;
    bool is_active_ = false;
    bool is_complete_ = true;
    std::uint64_t seen_changes_ = 0;
    std::uint64_t told_changes_ = 0;
    std::uint64_t next_try_ns_ = 0;
    std::size_t last_found_ = 0;
    std::vector<TrackedIdentity> identities_;
    std::optional<IdentitySnapshot> pending_;  // not durable yet
    std::optional<std::vector<journal::HeldBack>> held_;
    std::optional<Error> trouble_;
};

}  // namespace tailrace::stream
