// Claimant: a publisher in a process of its own, attached, that makes one claim when it is told to,
// and dies or pauses at a step of it. One thread in the parent.
#pragma once

#include "support/child_process.hpp"
#include "support/received_events.hpp"
#include "support/shared_object.hpp"
#include "support/step_script.hpp"
#include "support/test_stream.hpp"

#include <tailrace/bus/publisher.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tailrace::test {

// A publisher in a process of its own, attached, that makes one claim when it is told to and dies
// or pauses there.
class Claimant {
public:
    Claimant(const TestStream& stream,
             std::vector<std::uint32_t> sizes_bytes,
             const char* step,
             unsigned nth,
             bool dies)
        : child_([&stream, sizes_bytes, step, nth, dies, this] {
              bus::Publisher publisher = stream.publisher("claimant");
              begin_->pause_here();
              StepScript script;
              if (dies) script.die_at(step, nth);
              if (!dies) script.pause_at(step, *at_step_, nth);
              return publish(publisher, sizes_bytes);
          }) {
        begin_->wait_until_reached();
    }

    // Requires: it was made to die.
    void run_to_its_death() {
        begin_->let_go();
        killed_ = child_.wait().was_killed();
    }
    // Requires: it was made to pause.
    void run_to_its_pause() {
        begin_->let_go();
        at_step_->wait_until_reached();
    }
    void kill() { killed_ = child_.kill().was_killed(); }
    void go_on() { at_step_->let_go(); }
    [[nodiscard]] int wait() { return child_.wait().exit_code; }
    void stop() { child_.stop(); }
    void resume() { child_.resume(); }
    [[nodiscard]] bool was_killed() const noexcept { return killed_; }

private:
    static int publish(bus::Publisher& publisher, const std::vector<std::uint32_t>& sizes_bytes) {
        if (sizes_bytes.size() == 1) {
            const std::string payload(sizes_bytes[0], 'c');
            return publisher.publish(bytes_of(payload), 0, bus::Deadline::in_ms(20'000)) ==
                           bus::PublishStatus::ok
                       ? 0
                       : 1;
        }
        bus::BatchClaim batch;
        if (publisher.try_claim_batch(batch, sizes_bytes) != bus::PublishStatus::ok) return 1;
        for (const std::uint32_t size_bytes : sizes_bytes) {
            const std::span<std::byte> place = batch.next();
            std::fill_n(place.begin(), size_bytes, std::byte{'b'});
        }
        publisher.commit(batch);
        return 0;
    }

    SharedObject<StepPause> begin_;
    SharedObject<StepPause> at_step_;
    bool killed_ = false;
    ChildProcess child_;
};

// Publishes events of 100 bytes until the ring is full or `most` events are out.
[[nodiscard]] inline std::uint64_t publish_laps(bus::Publisher& publisher, std::uint64_t most) {
    const std::string payload(100, 'l');
    std::uint64_t published = 0;
    while (published < most && publisher.try_publish(bytes_of(payload)) == bus::PublishStatus::ok)
        ++published;
    return published;
}

}  // namespace tailrace::test
