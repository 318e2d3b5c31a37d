// SQLite: one transaction a batch, write-ahead log, synchronous=FULL.
#include "store_run.hpp"

#include <fmt/format.h>
#include <memory>
#include <sqlite3.h>
#include <vector>

namespace tailrace::bench {

namespace {

class SqliteStore {
public:
    static Result<std::unique_ptr<SqliteStore>> open(const StoreRun& run) {
        std::unique_ptr<SqliteStore> store(new SqliteStore(run.size_bytes));
        const std::string path = run.directory + "/sqlite.db";
        if (::sqlite3_open(path.c_str(), &store->database_) != SQLITE_OK) return store->error(path);
        for (const char* statement : {"PRAGMA journal_mode=WAL",
                                      "PRAGMA synchronous=FULL",
                                      "CREATE TABLE events (number INTEGER PRIMARY KEY, bytes)"}) {
            if (auto done = store->execute(statement); !done) return done.error();
        }
        if (::sqlite3_prepare_v2(store->database_,
                                 "INSERT INTO events VALUES (?, ?)",
                                 -1,
                                 &store->insert_,
                                 nullptr) != SQLITE_OK) {
            return store->error("prepare");
        }
        return store;
    }
    SqliteStore(const SqliteStore&) = delete;
    SqliteStore& operator=(const SqliteStore&) = delete;
    ~SqliteStore() {
        ::sqlite3_finalize(insert_);
        ::sqlite3_close(database_);
    }

    Result<void> append(std::uint64_t first, std::uint64_t count) {
        if (auto begun = execute("BEGIN"); !begun) return begun;
        for (std::uint64_t number = first; number < first + count; ++number) {
            fill_words(bytes_, number);
            ::sqlite3_bind_int64(insert_, 1, static_cast<sqlite3_int64>(number));
            ::sqlite3_bind_blob(
                insert_, 2, bytes_.data(), static_cast<int>(bytes_.size()), SQLITE_STATIC);
            if (::sqlite3_step(insert_) != SQLITE_DONE) return error("insert");
            ::sqlite3_reset(insert_);
        }
        return execute("COMMIT");
    }

    Result<std::uint64_t> read_back() {
        sqlite3_stmt* select = nullptr;
        if (::sqlite3_prepare_v2(database_,
                                 "SELECT number, bytes FROM events ORDER BY number",
                                 -1,
                                 &select,
                                 nullptr) != SQLITE_OK) {
            return error("select");
        }
        std::uint64_t events = 0;
        bool same = true;
        for (; ::sqlite3_step(select) == SQLITE_ROW; ++events) {
            const auto size = static_cast<std::size_t>(::sqlite3_column_bytes(select, 1));
            const auto* const bytes =
                static_cast<const std::byte*>(::sqlite3_column_blob(select, 1));
            same = same && size == bytes_.size() && words_match({bytes, size}, events);
        }
        ::sqlite3_finalize(select);
        if (!same) return bench_broken("the table holds other bytes");
        return events;
    }

private:
    explicit SqliteStore(std::uint32_t size_bytes) : bytes_(size_bytes) {}

    [[nodiscard]] Error error(const std::string& what) const {
        return bench_broken(fmt::format("sqlite: {}: {}", what, ::sqlite3_errmsg(database_)));
    }
    Result<void> execute(const char* statement) {
        if (::sqlite3_exec(database_, statement, nullptr, nullptr, nullptr) != SQLITE_OK)
            return error(statement);
        return {};
    }

    sqlite3* database_ = nullptr;
    sqlite3_stmt* insert_ = nullptr;
    std::vector<std::byte> bytes_;
};

}  // namespace

StorePeer sqlite_store() {
    return {"SQLite",
            ::sqlite3_libversion(),
            "journal_mode=WAL, synchronous=FULL, a transaction a batch",
            measure_store<SqliteStore>};
}

}  // namespace tailrace::bench
