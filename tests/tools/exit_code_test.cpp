#include "exit_code.hpp"

#include <catch2/catch.hpp>

#include <set>

namespace exit_code_test {

using tailrace::ErrorCode;
using tailrace::tool::exit_code_of;
using tailrace::tool::ExitCode;

TEST_CASE("exit_code: every exit code that an error can have is in the table.") {
    std::set<int> listed;
    int before = -1;
    for (const auto& row : tailrace::tool::exit_code_table()) {
        CHECK(static_cast<int>(row.code) > before);
        CHECK_FALSE(row.meaning.empty());
        before = static_cast<int>(row.code);
        listed.insert(before);
    }
    for (int code = 0; code <= static_cast<int>(ErrorCode::unsupported); ++code) {
        const auto error = static_cast<ErrorCode>(code);
        INFO(tailrace::error_code_name(error));
        CHECK(listed.contains(static_cast<int>(exit_code_of(error))));
        CHECK(exit_code_of(error) != ExitCode::done);
    }
}

TEST_CASE("exit_code: each bad input has a code of its own.") {
    const std::set<ExitCode> codes = {exit_code_of(ErrorCode::not_found),
                                      exit_code_of(ErrorCode::not_tailrace),
                                      exit_code_of(ErrorCode::truncated),
                                      exit_code_of(ErrorCode::incompatible),
                                      exit_code_of(ErrorCode::no_space),
                                      exit_code_of(ErrorCode::no_permission),
                                      exit_code_of(ErrorCode::too_large),
                                      exit_code_of(ErrorCode::already_exists),
                                      exit_code_of(ErrorCode::sequence_gone),
                                      exit_code_of(ErrorCode::sequence_ahead),
                                      exit_code_of(ErrorCode::stale),
                                      exit_code_of(ErrorCode::busy),
                                      exit_code_of(ErrorCode::no_writer),
                                      exit_code_of(ErrorCode::timed_out),
                                      exit_code_of(ErrorCode::corrupt),
                                      exit_code_of(ErrorCode::invalid_argument),
                                      exit_code_of(ErrorCode::io_failure)};
    CHECK(codes.size() == 17);
}

}  // namespace exit_code_test
