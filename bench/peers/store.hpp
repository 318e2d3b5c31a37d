// Store: keeps events so that a power cut can't take them back, as one peer does it.
//
// A store is a type with these members; measure_store (store_run.hpp) does the rest:
//
//     static Result<std::unique_ptr<Store>> open(const StoreRun&)
//     Result<void> append(first, count)     events first … first + count - 1; returns when durable
//     Result<std::uint64_t> read_back()     how many it holds, every byte compared; may close it
#pragma once

#include <tailrace/base/result.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tailrace::bench {

struct StoreRun {
    std::string directory;      // empty, on the device to measure
    std::string bus_directory;  // for rings
    std::uint32_t size_bytes = 256;
    std::uint64_t one_by_one = 500;  // events
    std::uint64_t batches = 200;     // of kStoreBatch events
};

inline constexpr std::uint64_t kStoreBatch = 1024;

struct StoreTimes {
    double p50_ns;  // one event at a time
    double p99_ns;
    double events_per_s;  // a batch at a time
};

struct StorePeer {
    std::string name;
    std::string version;
    std::string setting;
    std::function<Result<StoreTimes>(const StoreRun&)> measure;
};

// Each in its own file. Those whose library isn't there at configure time are absent.
[[nodiscard]] StorePeer journal_store();
[[nodiscard]] StorePeer raw_store();
[[nodiscard]] StorePeer sqlite_store();
[[nodiscard]] StorePeer rocksdb_store();
[[nodiscard]] StorePeer redis_store();
[[nodiscard]] StorePeer jetstream_store();

}  // namespace tailrace::bench
