// NATS JetStream: a stream in files, published asynchronously a batch at a time. The server that
// Debian ships flushes in the background, so what it acknowledges a power cut can take back.
#include "server_process.hpp"
#include "store_run.hpp"

#include <fmt/format.h>
#include <memory>
#include <nats/nats.h>

namespace tailrace::bench {

namespace {

struct DestroyConnection {
    void operator()(natsConnection* connection) const noexcept {
        ::natsConnection_Destroy(connection);
    }
};
struct DestroyContext {
    void operator()(jsCtx* context) const noexcept { ::jsCtx_Destroy(context); }
};

Error nats_error(const std::string& what, natsStatus status) {
    return bench_broken(fmt::format("nats: {}: {}", what, ::natsStatus_GetText(status)));
}

class JetstreamStore {
public:
    static Result<std::unique_ptr<JetstreamStore>> open(const StoreRun& run) {
        const int port = free_port();
        std::unique_ptr<JetstreamStore> store(new JetstreamStore(run.size_bytes));
        store->server_ = start_server({"nats-server",
                                       "-a",
                                       "127.0.0.1",
                                       "-p",
                                       std::to_string(port),
                                       "-js",
                                       "-sd",
                                       run.directory});
        const std::string url = fmt::format("nats://127.0.0.1:{}", port);
        auto answered = await_server(store->server_, [&] {
            natsConnection* connection = nullptr;
            if (::natsConnection_ConnectTo(&connection, url.c_str()) != NATS_OK) return false;
            store->connection_.reset(connection);
            return true;
        });
        if (!answered) return answered.error();
        jsCtx* context = nullptr;
        natsStatus status = ::natsConnection_JetStream(&context, store->connection_.get(), nullptr);
        if (status != NATS_OK) return nats_error("JetStream", status);
        store->context_.reset(context);
        jsStreamConfig config;
        ::jsStreamConfig_Init(&config);
        const char* subjects[] = {kSubject};
        config.Name = kStream;
        config.Subjects = subjects;
        config.SubjectsLen = 1;
        config.Storage = js_FileStorage;
        status = ::js_AddStream(nullptr, context, &config, nullptr, nullptr);
        if (status != NATS_OK) return nats_error("a stream", status);
        return store;
    }

    Result<void> append(std::uint64_t first, std::uint64_t count) {
        for (std::uint64_t number = first; number < first + count; ++number) {
            fill_words(bytes_, number);
            const natsStatus status = ::js_PublishAsync(
                context_.get(), kSubject, bytes_.data(), static_cast<int>(bytes_.size()), nullptr);
            if (status != NATS_OK) return nats_error("publish", status);
        }
        const natsStatus status = ::js_PublishAsyncComplete(context_.get(), nullptr);
        if (status != NATS_OK) return nats_error("acknowledge", status);
        return {};
    }

    Result<std::uint64_t> read_back() {
        constexpr int kFetchMs = 5000;
        jsStreamInfo* info = nullptr;
        natsStatus status = ::js_GetStreamInfo(&info, context_.get(), kStream, nullptr, nullptr);
        if (status != NATS_OK) return nats_error("count", status);
        const std::uint64_t there = info->State.Msgs;
        ::jsStreamInfo_Destroy(info);
        natsSubscription* subscription = nullptr;
        jsSubOptions options;
        ::jsSubOptions_Init(&options);
        options.Ordered = true;
        status =
            ::js_SubscribeSync(&subscription, context_.get(), kSubject, nullptr, &options, nullptr);
        if (status != NATS_OK) return nats_error("subscribe", status);
        bool same = true;
        std::uint64_t events = 0;
        for (; events < there && same; ++events) {
            natsMsg* message = nullptr;
            status = ::natsSubscription_NextMsg(&message, subscription, kFetchMs);
            if (status != NATS_OK) break;
            const auto size = static_cast<std::size_t>(::natsMsg_GetDataLength(message));
            const auto* const bytes =
                static_cast<const std::byte*>(static_cast<const void*>(::natsMsg_GetData(message)));
            same = size == bytes_.size() && words_match({bytes, size}, events);
            ::natsMsg_Destroy(message);
        }
        ::natsSubscription_Destroy(subscription);
        if (status != NATS_OK) return nats_error("read", status);
        if (!same) return bench_broken("the stream holds other bytes");
        return events;
    }

private:
    static constexpr const char* kStream = "EVENTS";
    static constexpr const char* kSubject = "events";

    explicit JetstreamStore(std::uint32_t size_bytes) : bytes_(size_bytes) {}

    BenchChild server_;
    std::unique_ptr<natsConnection, DestroyConnection> connection_;
    std::unique_ptr<jsCtx, DestroyContext> context_;
    std::vector<std::byte> bytes_;
};

}  // namespace

StorePeer jetstream_store() {
    return {"NATS JetStream",
            fmt::format("client {}", ::nats_GetVersion()),
            "file storage, published asynchronously; flushed in the background: not durable",
            measure_store<JetstreamStore>};
}

}  // namespace tailrace::bench
