// IdleRest: how a reader of streams waits while none of them has anything.
//
// Those that can be told of events have a poll descriptor each, and all are waited on at once.
// Nobody can tell an observer, nor one that reads in the journal, nor one that waits for events to
// become durable: these are looked at again, the later the longer nothing has come. One thread.
#pragma once

#include "tail_flags.hpp"

#include <tailrace/base/clock.hpp>
#include <tailrace/bus/wait.hpp>
#include <tailrace/stream/stream_reader.hpp>

#include <cstdint>
#include <span>

namespace tailrace::tool {

class IdleRest {
public:
    explicit IdleRest(const TailFlags& flags) noexcept
        : wait_(flags.wait),
          reads_durable_(flags.durable) {}

    // Whether it is better than what the only reader does by itself: an observer, whom nobody can
    // tell, looks ten thousand times a second.
    [[nodiscard]] static bool suits(const TailFlags& flags) noexcept {
        return flags.policy == "observe" && flags.cursor.empty() &&
               flags.wait != bus::WaitStrategy::busy_spin && flags.wait != bus::WaitStrategy::yield;
    }
    // Something has come.
    void end() noexcept { idle_since_ns_ = 0; }
    // Returns when there may be something, and after a tenth of a second in any case.
    void rest(std::span<stream::StreamReader* const> readers);

private:
    // False: at least one of them can't be told.
    [[nodiscard]] bool wait_to_be_told(std::span<stream::StreamReader* const> readers) const;
    void nap() noexcept;

    bus::WaitStrategy wait_;
    bool reads_durable_;
    std::uint64_t idle_since_ns_ = 0;  // 0: something has come since the last rest
};

}  // namespace tailrace::tool
