// A journal writer's end of the board without a journal, for tests that need only what it says.
// Header only, so that it works with either variant of the libraries. One thread.
#pragma once

#include "support/test_stream.hpp"

#include <tailrace/bus/journal_board.hpp>

namespace tailrace::test {

// Takes the role and says that its journal is durable below `durable`.
[[nodiscard]] inline Result<bus::JournalBoardWriter> try_journal_writer(const TestStream& stream,
                                                                        Sequence durable) {
    auto writer = bus::JournalBoardWriter::take(stream.open());
    if (writer) writer->opened(durable);
    return writer;
}

[[nodiscard]] inline bus::JournalBoardWriter journal_writer(const TestStream& stream,
                                                            Sequence durable) {
    return expect(try_journal_writer(stream, durable), "take");
}

}  // namespace tailrace::test
