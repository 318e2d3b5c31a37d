#include "posix_files.hpp"
#include "reader_core.hpp"

#include <tailrace/journal/reader.hpp>

#include <bit>
#include <utility>

namespace tailrace::journal {

namespace {

Error dead_reader() {
    return make_error(
        ErrorCode::invalid_argument,
        "this journal reader is dead: it was moved from, or this is a forked child and "
        "it belongs to the parent",
        "open the journal in the child, after fork()");
}

}  // namespace

Result<Reader> Reader::open(const std::string& directory) noexcept {
    auto core = ReaderCore::open(posix_files(), directory);
    if (!core) return core.error();
    return Reader(std::move(*core));
}

Reader::Reader(std::unique_ptr<ReaderCore> core) noexcept : core_(std::move(core)) {}
Reader::Reader(Reader&& other) noexcept = default;
Reader& Reader::operator=(Reader&& other) noexcept {
    if (this != &other) {
        let_go();
        core_ = std::move(other.core_);
        home_ = other.home_;
    }
    return *this;
}
Reader::~Reader() {
    let_go();
}

// In a child its rings aren't even mapped.
void Reader::let_go() noexcept {
    if (!home_.is_here()) (void)core_.release();
    core_.reset();
}

Result<void> Reader::seek_sequence(Sequence sequence) noexcept {
    if (is_dead()) return dead_reader();
    return core_->seek_sequence(sequence);
}
Result<void> Reader::seek_time(std::uint64_t time_ns) noexcept {
    if (is_dead()) return dead_reader();
    return core_->seek_time(time_ns);
}
Result<void> Reader::seek_end() noexcept {
    if (is_dead()) return dead_reader();
    return core_->seek_end();
}
Result<BatchStep> Reader::next_batch() noexcept {
    if (is_dead()) return dead_reader();
    return core_->next_batch();
}
Result<EventStep> Reader::next() noexcept {
    if (is_dead()) return dead_reader();
    return core_->next();
}
Result<void> Reader::pass_damage() noexcept {
    if (is_dead()) return dead_reader();
    return core_->pass_damage();
}
Sequence Reader::next_sequence() const noexcept {
    return core_->next_sequence();
}
Sequence Reader::first_sequence() const noexcept {
    return core_->first_sequence();
}
Result<Sequence> Reader::end_sequence() noexcept {
    if (is_dead()) return dead_reader();
    return core_->end_sequence();
}
const std::string& Reader::stream_name() const noexcept {
    return core_->stream_name();
}
std::array<std::uint64_t, 2> Reader::journal_id() const noexcept {
    return std::bit_cast<std::array<std::uint64_t, 2>>(core_->journal_id());
}
std::uint32_t Reader::event_alignment_bytes() const noexcept {
    return core_->event_alignment_bytes();
}

}  // namespace tailrace::journal
