// A pair of Unix sockets that keep messages apart (SOCK_SEQPACKET).
#include "carrier_run.hpp"
#include "descriptor_carrier.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace tailrace::bench {

namespace {

class PacketSender {
public:
    PacketSender(int descriptor, std::uint32_t size_bytes)
        : descriptor_(descriptor),
          message_(size_bytes) {}

    template <typename Fill>
    bool send(std::uint32_t size_bytes, Fill&& fill) {
        fill(std::span<std::byte>(message_.data(), size_bytes));
        for (;;) {
            const ssize_t sent = ::send(descriptor_, message_.data(), size_bytes, MSG_NOSIGNAL);
            if (sent == static_cast<ssize_t>(size_bytes)) return true;
            if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS) return false;
        }
    }

private:
    int descriptor_;
    std::vector<std::byte> message_;
};

class PacketReceiver {
public:
    PacketReceiver(int descriptor, std::uint32_t size_bytes)
        : descriptor_(descriptor),
          message_(size_bytes) {}

    template <typename Handler>
    std::ptrdiff_t receive(Handler&& handler) {
        const ssize_t got = ::recv(descriptor_, message_.data(), message_.size(), 0);
        if (got < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        if (got == 0) return -1;
        handler(std::span<const std::byte>(message_.data(), static_cast<std::size_t>(got)));
        return 1;
    }

private:
    int descriptor_;
    std::vector<std::byte> message_;
};

struct PacketPair {
    using Sender = PacketSender;
    using Receiver = PacketReceiver;

    static Result<DescriptorPair> make_pair() {
        constexpr int kBufferBytes = 4 << 20;
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
            return bench_broken("no pair of sockets could be made");
        // What the kernel refuses leaves its own size.
        for (const int option : {SO_SNDBUF, SO_SNDBUFFORCE})
            static_cast<void>(
                ::setsockopt(ends[1], SOL_SOCKET, option, &kBufferBytes, sizeof(kBufferBytes)));
        return DescriptorPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
    }
};

}  // namespace

CarrierPeer seqpacket_carrier() {
    return {"Unix socket, SEQPACKET",
            kernel_release(),
            "send buffer of 4 MiB, a call for each message, O_NONBLOCK",
            ~std::uint32_t{0},
            measure_one_way<DescriptorCarrier<PacketPair>>,
            measure_round_trip<DescriptorCarrier<PacketPair>>};
}

}  // namespace tailrace::bench
