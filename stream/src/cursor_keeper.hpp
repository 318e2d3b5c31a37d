// CursorKeeper: writes the cursors of a recorded stream, and how far its publishers with a name
// have come, beside its journal, so that they survive power loss.
//
// A thread of its own in the recorder's process, which begins when the stream has the first of
// them:
// ten times a second if one has moved, five times after a pause, and at once for whoever waits. No
// cursor is written further than the journal is durable, so none is ever ahead of its log. When it
// can't write, cursors are as safe as the processes are, whoever waits is told, and the journal
// goes on. Law: docs/durability.md, "Cursors". The recorder's thread makes the calls.
#pragma once

#include "identity_tracker.hpp"

#include <tailrace/base/result.hpp>
#include <tailrace/bus/cursor.hpp>
#include <tailrace/bus/region.hpp>
#include <tailrace/journal/ledger.hpp>
#include <tailrace/journal/writer.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace tailrace::stream {

class CursorKeeper {
public:
    CursorKeeper(std::shared_ptr<bus::Region> region,
                 std::string directory,
                 const std::array<std::uint64_t, 2>& journal_id);
    CursorKeeper(const CursorKeeper&) = delete;
    CursorKeeper& operator=(const CursorKeeper&) = delete;
    ~CursorKeeper();

    struct News {
        std::optional<std::vector<journal::HeldBack>> held;  // what retention spares, if it changed
        std::optional<Error> trouble;  // why cursors can't be written, once each time it comes up
    };
    // To be written beside the cursors, soon. It is durable by now.
    void offer(IdentitySnapshot identities);
    // Whether the last one was taken.
    [[nodiscard]] bool wants_identities() const noexcept {
        // Relaxed: what it tells of is handed over under the mutex.
        return !has_offer_.load(std::memory_order_relaxed);
    }
    // Empty news cost one look at an atomic.
    [[nodiscard]] News take_news();
    // Ends its thread and writes what is left: everything is durable by now, and the journal is
    // still the recorder's.
    void finish();

private:
    void run() noexcept;
    void stop() noexcept;
    void take_offer();
    [[nodiscard]] bool is_as_written(const std::vector<bus::CursorToKeep>& cursors) const;
    // Whether there was something to write.
    bool keep(bool is_wanted);
    [[nodiscard]] Result<void> write(const journal::LedgerLock& lock,
                                     const std::vector<bus::CursorToKeep>& cursors);
    void tell_held(std::vector<journal::HeldBack> held);
    void tell_trouble(const Error& error);

    const std::shared_ptr<bus::Region> region_;
    const std::string directory_;
    const std::array<std::uint64_t, 2> journal_id_;
    bus::CursorKeeping keeping_;
    std::vector<bus::CursorToKeep> written_;                   // as it was written last
    std::optional<IdentitySnapshot> identities_;               // not written yet
    std::optional<std::vector<journal::HeldBack>> last_held_;  // as it was told; none: not yet
    std::string last_trouble_;                                 // told, and not over
    std::atomic<bool> stop_{false};
    std::atomic<bool> has_news_{false};
    std::atomic<bool> has_offer_{false};

    std::mutex mutex_;  // guards what follows
    News news_;
    std::optional<IdentitySnapshot> offered_;

    std::thread thread_;  // last: it uses all of the above
};

}  // namespace tailrace::stream
