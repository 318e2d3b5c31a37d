#include "page_compression.hpp"

#include <tailrace/parquet/event_file.hpp>

#ifdef TAILRACE_HAS_ZSTD
#include <zstd.h>
#endif

namespace tailrace::parquet {

#ifdef TAILRACE_HAS_ZSTD

class PageCompression::Context {
public:
    Context() noexcept : context_(ZSTD_createCCtx()) {}
    Context(const Context&) = delete;
    Context& operator=(const Context&) = delete;
    ~Context() { ZSTD_freeCCtx(context_); }

    [[nodiscard]] ZSTD_CCtx* get() const noexcept { return context_; }

private:
    ZSTD_CCtx* context_;
};

bool has_compression() noexcept {
    return true;
}

bool PageCompression::append(std::span<const std::byte> bytes, ByteBuffer& into) {
    if (context_->get() == nullptr) return false;
    const std::size_t before = into.size();
    const std::size_t bound = ZSTD_compressBound(bytes.size());
    std::byte* const place = into.extend(bound);
    const std::size_t size =
        ZSTD_compressCCtx(context_->get(), place, bound, bytes.data(), bytes.size(), level_);
    into.shrink_to(ZSTD_isError(size) != 0 ? before : before + size);
    return ZSTD_isError(size) == 0;
}

#else

class PageCompression::Context {};

bool has_compression() noexcept {
    return false;
}

bool PageCompression::append(std::span<const std::byte> /*bytes*/, ByteBuffer& /*into*/) {
    return false;
}

#endif

PageCompression::PageCompression(int level)
    : context_(std::make_unique<Context>()),
      level_(level) {}
PageCompression::PageCompression(PageCompression&&) noexcept = default;
PageCompression& PageCompression::operator=(PageCompression&&) noexcept = default;
PageCompression::~PageCompression() = default;

Result<void> append_compressed(std::span<const std::byte> bytes,
                               int level,
                               std::vector<std::byte>& into) {
    ByteBuffer frame;
    if (!PageCompression(level).append(bytes, frame)) {
        return make_error(ErrorCode::unsupported,
                          "nothing is compressed: this build has no zstd, or it found no memory",
                          "--compress none; or build it with libzstd-dev installed");
    }
    into.insert(into.end(), frame.bytes().begin(), frame.bytes().end());
    return {};
}

}  // namespace tailrace::parquet
