// The part of WriterCore that watches what may fail around it, and says what has.

#include "trim_request.hpp"
#include "writer_core.hpp"

#include <tailrace/base/shortage.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

namespace tailrace::journal {

namespace {

constexpr std::uint64_t kNapNs = 1'000'000;
constexpr std::uint64_t kSpareLookNs = 100'000'000;
// How often it is looked whether the active segment still has its name, while nothing is promised.
constexpr std::uint64_t kNameLookNs = 10'000'000;
// How often it is looked whether somebody asks for segments to go, and how long the writes of a
// busy writer come first.
constexpr std::uint64_t kTrimLookNs = 500'000'000;
constexpr std::uint64_t kTrimPatienceNs = 2'000'000'000;

}  // namespace

Error WriterCore::failure() const {
    const std::string recover_hint =
        "look at 'dmesg' for errors of the disk, then start the writer anew: it recovers what is "
        "durable; "
        "'tailrace verify " +
        options_.directory + "' checks it";
    if (refusal_) return *refusal_;
    switch (pipeline_->failure()) {
        case PipelineFailure::none:
            break;
        case PipelineFailure::write:
            return os_error(pipeline_->failure_errno(),
                            "a write to '" + segment_.path + "' at " +
                                std::to_string(pipeline_->failure_offset()) +
                                " failed; nothing after sequence " +
                                std::to_string(pipeline_->durable()) + " is durable",
                            pipeline_->failure_errno() == EFBIG
                                ? shortage_of(EFBIG, options_.directory).hint
                                : recover_hint);
        case PipelineFailure::moved:
            return is_gone();
        case PipelineFailure::flush:
            return os_error(pipeline_->failure_errno(),
                            "a flush of '" + segment_.path + "' failed; nothing after sequence " +
                                std::to_string(pipeline_->durable()) + " is durable",
                            recover_hint);
        case PipelineFailure::queue:
            return os_error(pipeline_->failure_errno(),
                            "the queue of writes to '" + segment_.path + "' broke",
                            recover_hint);
    }
    if (lacks_room() || low_space_errno_ != 0) return no_room();
    return make_error(ErrorCode::closed, "the writer of '" + options_.directory + "' is closed");
}

Error WriterCore::no_room() const {
    const Shortage shortage = shortage_of(failure_errno(), options_.directory);
    const std::string hint = shortage.hint + "; the writer goes on by itself";
    if (const int refusal = pipeline_->shortage_errno(); refusal != 0) {
        return os_error(
            refusal, "'" + segment_.path + "' can't be written on, since " + shortage.what, hint);
    }
    const std::uint64_t left = segment_.header.segment_size_bytes - segment_.next.offset;
    return os_error(failure_errno(),
                    "the next segment of '" + options_.directory + "' can't be made, since " +
                        shortage.what +
                        (no_space_errno_ != 0
                             ? std::string(", and this one is full")
                             : ", and " + std::to_string(left) + " bytes are left in this one"),
                    hint);
}

bool WriterCore::wait_for_room(std::uint64_t timeout_ns) {
    if (!around_.background) return false;
    if (!lacks_room()) {
        spare_->wait(timeout_ns);
    } else {
        // Somebody has to make room; looking a thousand times a second is often enough.
        std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(timeout_ns, kNapNs)));
    }
    return false;
}

// Removed, moved, or hidden: its file system unmounted, or another one mounted over it. What is
// written from then on nobody would find.
bool WriterCore::is_in_place() const noexcept {
    return !segment_.file.is_open() ||
           !around_.files->has_lost_name(segment_.file.id(), segment_.path);
}

Error WriterCore::is_gone() const {
    return os_error(ENOENT,
                    "the journal is gone from '" + options_.directory +
                        "' while it was written: removed, moved, or its file system unmounted; "
                        "nothing from sequence " +
                        std::to_string(pipeline_->durable()) + " on is durable",
                    "findmnt -T " + options_.directory + "; ls -ld " + options_.directory);
}

// Before each promise the pipeline asks; this is for the time in between, when what is written only
// waits for a flush. And a limit may be set on a process that runs.
void WriterCore::watch_names(std::uint64_t now_ns) noexcept {
    if (now_ns < next_name_look_ns_) return;
    next_name_look_ns_ = now_ns + kNameLookNs;
    if (!is_in_place()) {
        pipeline_->fail(PipelineFailure::moved, ENOENT, 0);
    } else if (!around_.files->allows_size(segment_.header.segment_size_bytes)) {
        pipeline_->fail(PipelineFailure::write, EFBIG, segment_.next.offset);
    }
}

// The file of the next segment should be there long before it is needed. While it can't be had the
// writer says so, and tries again; a whole segment is left to say it in.
void WriterCore::watch_spare(std::uint64_t now_ns) noexcept {
    if (phase_ != Phase::writing || now_ns < next_spare_look_ns_) return;
    next_spare_look_ns_ = now_ns + kSpareLookNs;
    switch (spare_->state()) {
        case SpareSegment::State::error:
            low_space_errno_ = spare_->os_errno();
            spare_->prepare();
            break;
        case SpareSegment::State::allocated:
        case SpareSegment::State::filled:
            low_space_errno_ = 0;
            break;
        case SpareSegment::State::none:
        case SpareSegment::State::making:
            break;  // not known yet
    }
}

void WriterCore::watch_trim(std::uint64_t now_ns) noexcept {
    if (trim_ || now_ns < next_trim_look_ns_) return;
    next_trim_look_ns_ = now_ns + kTrimLookNs;
    const auto kept = read_trim_request(*around_.files, options_.directory, super_.journal_id);
    if (kept) trim_ = Trim{*kept, now_ns + kTrimPatienceNs};
}

void WriterCore::watch() noexcept {
    const std::uint64_t now_ns = around_.time->elapsed_ns();
    watch_spare(now_ns);
    watch_names(now_ns);
    watch_trim(now_ns);
}

}  // namespace tailrace::journal
