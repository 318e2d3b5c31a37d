// Identity: the name of a publisher that numbers its events itself, and how far its numbers have
// come.
//
//     auto publisher = Publisher::attach("orders", {.identity = "gateway-1"});
//     feed_from(publisher->last_published() + 1, [&](const Order& order) {
//         publisher->publish(bytes_of(order), {.type = kOrder, .own_sequence = order.number});
//     });
//
// Numbers ascend, with holes as one likes: a file's offsets, a database's keys. What was published
// already is dropped and counted. One process at a time publishes under a name, proven by a lock
// that dies with it, so nobody has to be fenced off. How far the last one had come is settled from
// the ring before the next one is told, whatever instruction that died at; the recorder keeps it
// beside the journal, so it outlives the ring, retention and the machine's reboot. Law:
// docs/durability.md, "Publishers with a name". One thread per Identity.
#pragma once

#include <tailrace/base/file_lock.hpp>
#include <tailrace/base/home_process.hpp>
#include <tailrace/base/result.hpp>
#include <tailrace/bus/region.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tailrace::bus {

// A publisher's name follows the rules of a stream's.
[[nodiscard]] Result<void> check_identity_name(std::string_view name);

// What its events carry instead of the name. Never 0.
[[nodiscard]] std::uint64_t identity_id(std::string_view name) noexcept;

struct IdentityStatus {
    std::string name;  // empty: only its events are known, until somebody publishes under it
    std::uint64_t id = 0;
    OwnSequence last_own = 0;      // 0: nothing yet
    std::uint64_t duplicates = 0;  // that were dropped in this ring
    bool is_owned = false;         // somebody alive publishes under it
    std::uint32_t pid = 0;         // of the owner, or of the last one
    Sequence set_at = 0;           // the stream's end when it was made or set
    OwnSequence set_to = 0;        // and to what
};

// All of a stream's, in no order. For tools: they may change meanwhile. A system call for each.
[[nodiscard]] std::vector<IdentityStatus> read_identities(const Region& region);

// Whose names a stream knows.
[[nodiscard]] IdentityScope identity_scope(const Region& region) noexcept;
// Whether it has, or had, any. One load.
[[nodiscard]] bool has_identities(const Region& region) noexcept;
// Counts whenever one is made, set or removed. Whoever has seen an event of one sees it counted.
[[nodiscard]] std::uint64_t identity_changes(const Region& region) noexcept;

// What is known from elsewhere of one name.
struct KnownIdentity {
    std::string name;
    std::uint64_t id = 0;
    OwnSequence last_own = 0;

    friend bool operator==(const KnownIdentity&, const KnownIdentity&) = default;
};

// By whoever has read the journal that the ring goes on from: takes those in that the ring doesn't
// have. `is_complete`: nobody else ever published under a name. Nothing when somebody has been
// faster. Error no_space. Requires: the region isn't open to observe.
[[nodiscard]] Result<void> seed_identities(const Region& region,
                                           std::span<const KnownIdentity> known,
                                           bool is_complete);

// By whoever isn't its owner; both settle first what a dead one has left. Errors: `busy` while
// somebody publishes under it; no_space when all are in use; set: where it stands from here on, and
// makes it when there is none; remove: not_found. Requires: the region is open to publish.
[[nodiscard]] Result<void> set_identity(const Region& region,
                                        const std::string& name,
                                        OwnSequence last_own);
[[nodiscard]] Result<void> remove_identity(const Region& region, const std::string& name);

class Identity {
public:
    // Nobody's.
    Identity() noexcept = default;
    // Takes the name, and makes it when nobody has published under it. Errors: `busy` with the pid
    // of its owner, no_space when all of the stream's are in use, already_exists when another name
    // has the same id, no_writer when the ring goes on from a journal that nobody has read yet,
    // `corrupt` when its ledger was damaged and may have had this name. Waits for up to ten seconds
    // while it can't be told what the last owner has published. Requires: the region is open to
    // publish.
    [[nodiscard]] static Result<Identity> take(std::shared_ptr<Region> region,
                                               const std::string& name);

    Identity(Identity&& other) noexcept;
    Identity& operator=(Identity&& other) noexcept;
    Identity(const Identity&) = delete;
    Identity& operator=(const Identity&) = delete;
    // Gives it back. It stays where it is.
    ~Identity();

    [[nodiscard]] bool is_taken() const noexcept { return slot_ != nullptr; }
    // Requires, as for what follows: it is taken.
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
    [[nodiscard]] IdentitySlot& slot() const noexcept { return *slot_; }

private:
    Identity(std::shared_ptr<Region> region,
             FileLock lock,
             std::uint32_t index,
             std::uint64_t id) noexcept;
    [[nodiscard]] static Result<Identity> try_take(const std::shared_ptr<Region>& region,
                                                   const std::string& name,
                                                   bool& is_unsettled);
    void give_back() noexcept;

    std::shared_ptr<Region> region_;
    FileLock lock_;
    HomeProcess home_;
    IdentitySlot* slot_ = nullptr;
    std::uint32_t index_ = 0;
    std::uint64_t id_ = 0;
};

}  // namespace tailrace::bus
