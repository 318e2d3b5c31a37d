// A pipe: a stream of bytes, so messages of one size follow each other. The sender writes each by a
// call of its own; the receiver takes what is there, up to 64 KiB.
#include "carrier_run.hpp"
#include "descriptor_carrier.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace tailrace::bench {

namespace {

class PipeSender {
public:
    PipeSender(int descriptor, std::uint32_t size_bytes)
        : descriptor_(descriptor),
          message_(size_bytes) {}

    template <typename Fill>
    bool send(std::uint32_t size_bytes, Fill&& fill) {
        fill(std::span<std::byte>(message_.data(), size_bytes));
        for (std::size_t written = 0; written < size_bytes;) {
            const ssize_t now =
                ::write(descriptor_, message_.data() + written, size_bytes - written);
            if (now > 0) written += static_cast<std::size_t>(now);
            if (now <= 0 && errno != EAGAIN && errno != EINTR) return false;
        }
        return true;
    }

private:
    int descriptor_;
    std::vector<std::byte> message_;
};

class PipeReceiver {
public:
    PipeReceiver(int descriptor, std::uint32_t size_bytes)
        : descriptor_(descriptor),
          size_bytes_(size_bytes),
          bytes_(std::max<std::size_t>(kReadBytes, 2 * std::size_t{size_bytes})) {}

    template <typename Handler>
    std::ptrdiff_t receive(Handler&& handler) {
        const ssize_t now = ::read(descriptor_, bytes_.data() + held_, bytes_.size() - held_);
        if (now < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        if (now == 0) return -1;
        held_ += static_cast<std::size_t>(now);
        std::size_t taken = 0;
        std::ptrdiff_t messages = 0;
        for (; held_ - taken >= size_bytes_; taken += size_bytes_, ++messages)
            handler(std::span<const std::byte>(bytes_.data() + taken, size_bytes_));
        std::memmove(bytes_.data(), bytes_.data() + taken, held_ - taken);
        held_ -= taken;
        return messages;
    }

private:
    static constexpr std::size_t kReadBytes = std::size_t{64} << 10U;

    int descriptor_;
    std::size_t size_bytes_;
    std::vector<std::byte> bytes_;
    std::size_t held_ = 0;
};

struct Pipe {
    using Sender = PipeSender;
    using Receiver = PipeReceiver;

    static Result<DescriptorPair> make_pair() {
        constexpr int kPipeBytes = 1 << 20;
        int ends[2];
        if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
            return bench_broken("no pipe could be made");
        static_cast<void>(::fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes));
        return DescriptorPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
    }
};

}  // namespace

CarrierPeer pipe_carrier() {
    return {"pipe",
            kernel_release(),
            "1 MiB, a write for each message, reads of up to 64 KiB, O_NONBLOCK",
            ~std::uint32_t{0},
            measure_one_way<DescriptorCarrier<Pipe>>,
            measure_round_trip<DescriptorCarrier<Pipe>>};
}

}  // namespace tailrace::bench
