// RocksDB: one WriteBatch a batch, WriteOptions::sync.
#include "store_run.hpp"

#include <fmt/format.h>
#include <memory>
#include <rocksdb/db.h>
#include <rocksdb/version.h>
#include <vector>

namespace tailrace::bench {

namespace {

// Big-endian, so that keys are sorted as their numbers are.
std::string key_of(std::uint64_t number) {
    std::string key(sizeof(number), '\0');
    for (std::size_t at = key.size(); at-- > 0; number >>= 8U)
        key[at] = static_cast<char>(number & 0xFFU);
    return key;
}

class RocksStore {
public:
    static Result<std::unique_ptr<RocksStore>> open(const StoreRun& run) {
        rocksdb::Options options;
        options.create_if_missing = true;
        options.recycle_log_file_num = 4;
        options.wal_bytes_per_sync = 0;
        rocksdb::DB* database = nullptr;
        const rocksdb::Status status =
            rocksdb::DB::Open(options, run.directory + "/rocksdb", &database);
        if (!status.ok()) return bench_broken("rocksdb: " + status.ToString());
        return std::unique_ptr<RocksStore>(new RocksStore(database, run.size_bytes));
    }

    Result<void> append(std::uint64_t first, std::uint64_t count) {
        rocksdb::WriteBatch batch;
        for (std::uint64_t number = first; number < first + count; ++number) {
            fill_words(bytes_, number);
            batch.Put(key_of(number), value());
        }
        rocksdb::WriteOptions options;
        options.sync = true;
        const rocksdb::Status status = database_->Write(options, &batch);
        if (!status.ok()) return bench_broken("rocksdb: " + status.ToString());
        return {};
    }

    Result<std::uint64_t> read_back() {
        const std::unique_ptr<rocksdb::Iterator> found(
            database_->NewIterator(rocksdb::ReadOptions()));
        std::uint64_t events = 0;
        for (found->SeekToFirst(); found->Valid(); found->Next(), ++events) {
            fill_words(bytes_, events);
            if (found->key() != rocksdb::Slice(key_of(events)) || found->value() != value())
                return bench_broken("the store holds other bytes");
        }
        return events;
    }

private:
    RocksStore(rocksdb::DB* database, std::uint32_t size_bytes)
        : database_(database),
          bytes_(size_bytes) {}

    [[nodiscard]] rocksdb::Slice value() const {
        return {static_cast<const char*>(static_cast<const void*>(bytes_.data())), bytes_.size()};
    }

    std::unique_ptr<rocksdb::DB> database_;
    std::vector<std::byte> bytes_;
};

}  // namespace

StorePeer rocksdb_store() {
    return {"RocksDB",
            fmt::format("{}.{}.{}", ROCKSDB_MAJOR, ROCKSDB_MINOR, ROCKSDB_PATCH),
            "WriteOptions::sync, a WriteBatch a batch, log files used again",
            measure_store<RocksStore>};
}

}  // namespace tailrace::bench
