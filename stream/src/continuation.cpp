// What a ring that is made anew goes on from.

#include <tailrace/journal/inspect.hpp>
#include <tailrace/journal/reader.hpp>
#include <tailrace/stream/recorder.hpp>

namespace tailrace::stream {

Result<void> check_journal_is_free(const std::string& directory, const std::string& stream) {
    // First of all: while somebody writes it, its end is not where it will be.
    auto writer = journal::look_for_writer(directory);
    if (!writer) return writer.error();
    if (writer->runs) {
        return make_error(
            ErrorCode::busy,
            "the journal '" + directory + "' is being written" +
                (writer->pid != 0 ? " by process " + std::to_string(writer->pid) : std::string()) +
                ": stream '" + stream + "' can't go on from it yet",
            "a recorder whose stream is gone ends by itself; else stop it, or choose "
            "another --journal");
    }
    auto reader = journal::Reader::open(directory);
    if (!reader && reader.error().code == ErrorCode::not_found) return {};
    if (!reader) return reader.error();
    const std::string& owner = reader->stream_name();
    if (owner != stream) {
        return make_error(ErrorCode::invalid_argument,
                          "the journal '" + directory + "' belongs to the stream '" + owner +
                              "', not to '" + stream + "'",
                          "give each stream a directory of its own, or tailrace create " + owner +
                              " --journal " + directory);
    }
    return {};
}

}  // namespace tailrace::stream
