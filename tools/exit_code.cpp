#include "exit_code.hpp"

#include <array>

namespace tailrace::tool {

ExitCode exit_code_of(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::io_failure:
            return ExitCode::failure;
        case ErrorCode::invalid_argument:
            return ExitCode::usage;
        case ErrorCode::not_found:
            return ExitCode::not_found;
        case ErrorCode::already_exists:
            return ExitCode::already_exists;
        case ErrorCode::no_permission:
            return ExitCode::no_permission;
        case ErrorCode::no_space:
            return ExitCode::no_space;
        case ErrorCode::not_tailrace:
            return ExitCode::not_tailrace;
        case ErrorCode::truncated:
            return ExitCode::truncated;
        case ErrorCode::corrupt:
            return ExitCode::damage;
        case ErrorCode::incompatible:
            return ExitCode::incompatible;
        case ErrorCode::stale:
            return ExitCode::stale;
        case ErrorCode::too_large:
            return ExitCode::too_large;
        case ErrorCode::sequence_gone:
            return ExitCode::sequence_gone;
        case ErrorCode::sequence_ahead:
            return ExitCode::sequence_ahead;
        case ErrorCode::busy:
            return ExitCode::busy;
        case ErrorCode::timed_out:
            return ExitCode::timed_out;
        case ErrorCode::closed:
            return ExitCode::not_found;
        case ErrorCode::no_writer:
            return ExitCode::no_writer;
        case ErrorCode::unsupported:
            return ExitCode::failure;
    }
    return ExitCode::failure;
}

std::span<const ExitCodeRow> exit_code_table() noexcept {
    static constexpr std::array<ExitCodeRow, 20> kTable = {{
        {ExitCode::done,
         "done; also a follower ended by Ctrl-C or by a reader that closed the pipe"},
        {ExitCode::failure, "the kernel or a device failed (I/O), or cannot do what is needed"},
        {ExitCode::usage, "wrong usage: a bad option, value or name"},
        {ExitCode::damage, "finished, but damage or loss was found, or a difference (diff)"},
        {ExitCode::not_found, "no such stream, journal or position"},
        {ExitCode::timed_out, "timed out"},
        {ExitCode::limit_exceeded, "a limit given by the caller was exceeded (lag --fail-above)"},
        {ExitCode::incompatible, "made by an older or newer, incompatible version"},
        {ExitCode::already_exists, "it exists already"},
        {ExitCode::no_space, "no space left: shared memory or disk"},
        {ExitCode::no_permission, "no permission"},
        {ExitCode::sequence_gone, "the sequence asked for is gone"},
        {ExitCode::sequence_ahead, "the sequence asked for is not there yet"},
        {ExitCode::busy, "busy: slots taken, a journal writer runs, or the stream is in use"},
        {ExitCode::too_large,
         "an event larger than the stream allows, or more than fits into memory (diff --by key)"},
        {ExitCode::not_tailrace, "not a Tailrace file: foreign bytes"},
        {ExitCode::truncated, "a Tailrace file that is cut off"},
        {ExitCode::stale, "a ring of an earlier boot, or a cursor of another history"},
        {ExitCode::no_writer, "no journal writer runs"},
        {ExitCode::interrupted, "interrupted before a finite job was finished"},
    }};
    return kTable;
}

}  // namespace tailrace::tool
