// A reader that joins and waits for a publisher's answer, as actors: it lets the publisher run. One
// thread.
#pragma once

#include "model/interleaver.hpp"

#include <tailrace/bus/region.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

namespace tailrace::test {

inline void let_askers_answer(Interleaver& run, const bus::Region& region) {
    const auto asked = [&region] {
        std::vector<std::uint64_t> words;
        for (std::uint32_t slot = 0; slot < region.header().publisher_slots; ++slot)
            words.push_back(region.publisher_slot(slot).room_asked.load());
        return words;
    };
    run.at_step([&run, asked](std::string_view step) {
        if (step != "subscriber.answer_awaited") return;
        const std::vector<std::uint64_t> seen = asked();
        run.block_until([&] { return asked() != seen; });
    });
}

}  // namespace tailrace::test
