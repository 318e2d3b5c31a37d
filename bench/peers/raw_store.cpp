// What any log pays: the same batches appended to one file by write, and fdatasync. The file was
// written once before, so that a flush has no metadata to write.
#include "carrier.hpp"
#include "store_run.hpp"

#include <tailrace/base/unique_fd.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <vector>

namespace tailrace::bench {

namespace {

class RawStore {
public:
    static Result<std::unique_ptr<RawStore>> open(const StoreRun& run) {
        constexpr std::uint64_t kSpareBatches = 16;
        const std::string path = run.directory + "/raw";
        UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!file.is_open()) return bench_broken("can't make " + path);
        std::unique_ptr<RawStore> store(new RawStore(std::move(file), run.size_bytes));
        const std::uint64_t events = run.one_by_one + (run.batches + kSpareBatches) * kStoreBatch;
        for (std::uint64_t event = 0; event < events; event += kStoreBatch) {
            if (auto written = store->write_zeroes(event * run.size_bytes); !written)
                return written.error();
        }
        if (::fsync(store->file_.get()) != 0) return bench_broken("fsync of " + path);
        return store;
    }

    Result<void> append(std::uint64_t first, std::uint64_t count) {
        const std::span<std::byte> bytes(bytes_.data(), count * size_bytes_);
        for (std::uint64_t k = 0; k < count; ++k)
            fill_words(bytes.subspan(k * size_bytes_, size_bytes_), first + k);
        if (auto written = write(bytes, first * size_bytes_); !written) return written;
        if (::fdatasync(file_.get()) != 0) return bench_broken("fdatasync");
        events_ = first + count;
        return {};
    }

    Result<std::uint64_t> read_back() {
        for (std::uint64_t event = 0; event < events_; ++event) {
            const auto offset = static_cast<off_t>(event * size_bytes_);
            const std::span<std::byte> bytes(bytes_.data(), size_bytes_);
            const ssize_t got = ::pread(file_.get(), bytes.data(), bytes.size(), offset);
            if (got != static_cast<ssize_t>(bytes.size()) || !words_match(bytes, event))
                return bench_broken("the file holds other bytes");
        }
        return events_;
    }

private:
    RawStore(UniqueFd file, std::uint32_t size_bytes)
        : file_(std::move(file)),
          size_bytes_(size_bytes),
          bytes_(kStoreBatch * size_bytes) {}

    Result<void> write(std::span<const std::byte> bytes, std::uint64_t offset) {
        const ssize_t written =
            ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written != static_cast<ssize_t>(bytes.size()))
            return bench_broken("a write fell short");
        return {};
    }
    Result<void> write_zeroes(std::uint64_t offset) { return write(bytes_, offset); }

    UniqueFd file_;
    std::uint32_t size_bytes_;
    std::vector<std::byte> bytes_;
    std::uint64_t events_ = 0;
};

}  // namespace

StorePeer raw_store() {
    return {"raw write and fdatasync",
            kernel_release(),
            "one file that was written before, a write and a flush a batch",
            measure_store<RawStore>};
}

}  // namespace tailrace::bench
