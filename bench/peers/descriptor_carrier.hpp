// A pair of descriptors that a parent makes and its children share: what pipes and socket pairs
// have in common. One channel is [0] to read from and [1] to write to.
#pragma once

#include <tailrace/base/result.hpp>
#include <tailrace/base/unique_fd.hpp>

#include <cstdint>
#include <vector>

namespace tailrace::bench {

struct DescriptorPair {
    UniqueFd reads;
    UniqueFd writes;
};

template <typename Kind>
class DescriptorCarrier {
public:
    template <typename Run>
    static Result<DescriptorCarrier> make(const Run& run, std::uint32_t channels) {
        DescriptorCarrier carrier(run.size_bytes);
        for (std::uint32_t channel = 0; channel < channels; ++channel) {
            auto pair = Kind::make_pair();
            if (!pair) return pair.error();
            carrier.pairs_.push_back(std::move(*pair));
        }
        return carrier;
    }

    Result<typename Kind::Sender> open_sender(std::uint32_t channel) {
        return typename Kind::Sender(pairs_[channel].writes.get(), size_bytes_);
    }
    Result<typename Kind::Receiver> open_receiver(std::uint32_t channel) {
        return typename Kind::Receiver(pairs_[channel].reads.get(), size_bytes_);
    }

private:
    explicit DescriptorCarrier(std::uint32_t size_bytes) : size_bytes_(size_bytes) {}

    std::vector<DescriptorPair> pairs_;
    std::uint32_t size_bytes_;
};

}  // namespace tailrace::bench
