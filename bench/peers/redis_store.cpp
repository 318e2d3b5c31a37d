// Redis Streams: XADD, appendonly with appendfsync always, over a Unix socket, a batch pipelined.
#include "server_process.hpp"
#include "store_run.hpp"

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <memory>

namespace tailrace::bench {

namespace {

struct FreeReply {
    void operator()(redisReply* reply) const noexcept { ::freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

struct FreeContext {
    void operator()(redisContext* context) const noexcept { ::redisFree(context); }
};

class RedisStore {
public:
    static Result<std::unique_ptr<RedisStore>> open(const StoreRun& run) {
        const std::string socket = run.directory + "/redis.sock";
        std::unique_ptr<RedisStore> store(new RedisStore(run.size_bytes));
        store->server_ = start_server({"redis-server",
                                       "--port",
                                       "0",
                                       "--unixsocket",
                                       socket,
                                       "--dir",
                                       run.directory,
                                       "--save",
                                       "",
                                       "--appendonly",
                                       "yes",
                                       "--appendfsync",
                                       "always"});
        auto answered = await_server(store->server_, [&] {
            store->context_.reset(::redisConnectUnix(socket.c_str()));
            return store->context_ && store->context_->err == 0 && store->ping();
        });
        if (!answered) return answered.error();
        return store;
    }

    Result<void> append(std::uint64_t first, std::uint64_t count) {
        for (std::uint64_t number = first; number < first + count; ++number) {
            fill_words(bytes_, number);
            // An identifier of ours: the number, so that reading back is in order.
            const std::string id = fmt::format("{}-1", number);
            ::redisAppendCommand(
                context_.get(), "XADD events %s e %b", id.c_str(), bytes_.data(), bytes_.size());
        }
        for (std::uint64_t k = 0; k < count; ++k) {
            const Reply reply = take_reply();
            if (!reply || reply->type == REDIS_REPLY_ERROR) return bench_broken("redis: XADD");
        }
        return {};
    }

    Result<std::uint64_t> read_back() {
        std::uint64_t events = 0;
        for (;;) {
            ::redisAppendCommand(context_.get(),
                                 "XRANGE events %s + COUNT %d",
                                 fmt::format("{}-1", events).c_str(),
                                 static_cast<int>(kStoreBatch));
            const Reply reply = take_reply();
            if (!reply || reply->type != REDIS_REPLY_ARRAY) return bench_broken("redis: XRANGE");
            if (reply->elements == 0) return events;
            for (std::size_t k = 0; k < reply->elements; ++k, ++events) {
                const redisReply& value = *reply->element[k]->element[1]->element[1];
                const auto* const bytes =
                    static_cast<const std::byte*>(static_cast<const void*>(value.str));
                if (value.len != bytes_.size() || !words_match({bytes, value.len}, events))
                    return bench_broken("the stream holds other bytes");
            }
        }
    }

private:
    explicit RedisStore(std::uint32_t size_bytes) : bytes_(size_bytes) {}

    [[nodiscard]] Reply take_reply() {
        void* reply = nullptr;
        if (::redisGetReply(context_.get(), &reply) != REDIS_OK) return nullptr;
        return Reply(static_cast<redisReply*>(reply));
    }
    [[nodiscard]] bool ping() {
        ::redisAppendCommand(context_.get(), "PING");
        const Reply reply = take_reply();
        return reply && reply->type == REDIS_REPLY_STATUS;
    }

    BenchChild server_;
    std::unique_ptr<redisContext, FreeContext> context_;
    std::vector<std::byte> bytes_;
};

// "Redis server v=7.0.15 sha=…": asked of the server, since the library's version is another.
std::string redis_version() {
    std::FILE* const pipe = ::popen("redis-server --version", "r");
    if (pipe == nullptr) return "?";
    char line[256] = {};
    const bool read = std::fgets(line, sizeof(line), pipe) != nullptr;
    ::pclose(pipe);
    const std::string text = read ? line : "";
    const std::size_t at = text.find("v=");
    return at == std::string::npos ? "?" : text.substr(at + 2, text.find(' ', at) - at - 2);
}

}  // namespace

StorePeer redis_store() {
    return {"Redis Streams",
            redis_version(),
            "appendfsync always, Unix socket, XADD, a batch pipelined",
            measure_store<RedisStore>};
}

}  // namespace tailrace::bench
