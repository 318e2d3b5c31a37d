// ZeroMQ: PUSH and PULL over ipc://, one I/O thread a side.
#include "carrier_run.hpp"

#include <unistd.h>

#include <cerrno>
#include <fmt/format.h>
#include <zmq.h>

namespace tailrace::bench {

namespace {

Error zeromq_error(const std::string& what) {
    return bench_broken(fmt::format("{}: {}", what, ::zmq_strerror(::zmq_errno())));
}

// The context stays for the process's life: a socket that is closed may still have to send.
Result<void*> open_socket(int kind, const std::string& address) {
    constexpr int kHighWaterMark = 100'000;
    static void* const context = ::zmq_ctx_new();
    void* const socket = ::zmq_socket(context, kind);
    if (socket == nullptr) return zeromq_error("no socket");
    const int option = kind == ZMQ_PUSH ? ZMQ_SNDHWM : ZMQ_RCVHWM;
    ::zmq_setsockopt(socket, option, &kHighWaterMark, sizeof(kHighWaterMark));
    const int status = kind == ZMQ_PULL ? ::zmq_bind(socket, address.c_str())
                                        : ::zmq_connect(socket, address.c_str());
    if (status != 0) return zeromq_error(address);
    return socket;
}

class ZeromqSender {
public:
    explicit ZeromqSender(void* socket) : socket_(socket) {}

    template <typename Fill>
    bool send(std::uint32_t size_bytes, Fill&& fill) {
        zmq_msg_t message;
        if (::zmq_msg_init_size(&message, size_bytes) != 0) return false;
        fill(std::span<std::byte>(static_cast<std::byte*>(::zmq_msg_data(&message)), size_bytes));
        return ::zmq_msg_send(&message, socket_, 0) == static_cast<int>(size_bytes);
    }

private:
    void* socket_;
};

class ZeromqReceiver {
public:
    explicit ZeromqReceiver(void* socket) : socket_(socket) {}

    template <typename Handler>
    std::ptrdiff_t receive(Handler&& handler) {
        zmq_msg_t message;
        ::zmq_msg_init(&message);
        const int got = ::zmq_msg_recv(&message, socket_, ZMQ_DONTWAIT);
        if (got >= 0) {
            handler(std::span<const std::byte>(static_cast<std::byte*>(::zmq_msg_data(&message)),
                                               static_cast<std::size_t>(got)));
        }
        const bool broke = got < 0 && ::zmq_errno() != EAGAIN && ::zmq_errno() != EINTR;
        ::zmq_msg_close(&message);
        if (broke) return -1;
        return got >= 0 ? 1 : 0;
    }

private:
    void* socket_;
};

class ZeromqCarrier {
public:
    static Result<ZeromqCarrier> make(const CarrierRun& run, std::uint32_t /*channels*/) {
        return ZeromqCarrier(fmt::format("ipc://{}/zeromq-{}", run.directory, ::getpid()));
    }

    Result<ZeromqSender> open_sender(std::uint32_t channel) {
        auto socket = open_socket(ZMQ_PUSH, address(channel));
        if (!socket) return socket.error();
        return ZeromqSender(*socket);
    }
    Result<ZeromqReceiver> open_receiver(std::uint32_t channel) {
        auto socket = open_socket(ZMQ_PULL, address(channel));
        if (!socket) return socket.error();
        return ZeromqReceiver(*socket);
    }

private:
    explicit ZeromqCarrier(std::string address) : address_(std::move(address)) {}

    [[nodiscard]] std::string address(std::uint32_t channel) const {
        return fmt::format("{}-{}", address_, channel);
    }

    std::string address_;
};

}  // namespace

CarrierPeer zeromq_carrier() {
    int major = 0;
    int minor = 0;
    int patch = 0;
    ::zmq_version(&major, &minor, &patch);
    return {"ZeroMQ",
            fmt::format("{}.{}.{}", major, minor, patch),
            "PUSH and PULL over ipc://, high-water mark 100,000, ZMQ_DONTWAIT",
            ~std::uint32_t{0},
            measure_one_way<ZeromqCarrier>,
            measure_round_trip<ZeromqCarrier>};
}

}  // namespace tailrace::bench
