// NNG: push and pull over ipc://.
#include "carrier_run.hpp"

#include <unistd.h>

#include <fmt/format.h>
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

namespace tailrace::bench {

namespace {

constexpr int kNngBufferMessages = 8192;  // the most that NNG allows

Error nng_error(const std::string& what, int status) {
    return bench_broken(fmt::format("{}: {}", what, ::nng_strerror(status)));
}

class NngSender {
public:
    explicit NngSender(nng_socket socket) : socket_(socket) {}

    template <typename Fill>
    bool send(std::uint32_t size_bytes, Fill&& fill) {
        nng_msg* message = nullptr;
        if (::nng_msg_alloc(&message, size_bytes) != 0) return false;
        fill(std::span<std::byte>(static_cast<std::byte*>(::nng_msg_body(message)), size_bytes));
        if (::nng_sendmsg(socket_, message, 0) == 0) return true;
        ::nng_msg_free(message);
        return false;
    }

private:
    nng_socket socket_;
};

class NngReceiver {
public:
    explicit NngReceiver(nng_socket socket) : socket_(socket) {}

    template <typename Handler>
    std::ptrdiff_t receive(Handler&& handler) {
        nng_msg* message = nullptr;
        const int status = ::nng_recvmsg(socket_, &message, NNG_FLAG_NONBLOCK);
        if (status == NNG_EAGAIN) return 0;
        if (status != 0) return -1;
        handler(std::span<const std::byte>(static_cast<std::byte*>(::nng_msg_body(message)),
                                           ::nng_msg_len(message)));
        ::nng_msg_free(message);
        return 1;
    }

private:
    nng_socket socket_;
};

class NngCarrier {
public:
    static Result<NngCarrier> make(const CarrierRun& run, std::uint32_t /*channels*/) {
        return NngCarrier(fmt::format("ipc://{}/nng-{}", run.directory, ::getpid()));
    }

    Result<NngSender> open_sender(std::uint32_t channel) {
        nng_socket socket;
        if (const int status = ::nng_push0_open(&socket); status != 0)
            return nng_error("no socket", status);
        ::nng_socket_set_int(socket, NNG_OPT_SENDBUF, kNngBufferMessages);
        const std::string where = address(channel);
        if (const int status = ::nng_dial(socket, where.c_str(), nullptr, 0); status != 0)
            return nng_error(where, status);
        return NngSender(socket);
    }
    Result<NngReceiver> open_receiver(std::uint32_t channel) {
        nng_socket socket;
        if (const int status = ::nng_pull0_open(&socket); status != 0)
            return nng_error("no socket", status);
        ::nng_socket_set_int(socket, NNG_OPT_RECVBUF, kNngBufferMessages);
        const std::string where = address(channel);
        if (const int status = ::nng_listen(socket, where.c_str(), nullptr, 0); status != 0)
            return nng_error(where, status);
        return NngReceiver(socket);
    }

private:
    explicit NngCarrier(std::string address) : address_(std::move(address)) {}

    [[nodiscard]] std::string address(std::uint32_t channel) const {
        return fmt::format("{}-{}", address_, channel);
    }

    std::string address_;
};

}  // namespace

CarrierPeer nng_carrier() {
    return {"NNG",
            ::nng_version(),
            "push and pull over ipc://, buffers of 8192 messages, NNG_FLAG_NONBLOCK",
            ~std::uint32_t{0},
            measure_one_way<NngCarrier>,
            measure_round_trip<NngCarrier>};
}

}  // namespace tailrace::bench
