#include <tailrace/base/error.hpp>

#include <catch2/catch.hpp>

#include <cerrno>
#include <set>
#include <string>

namespace error_test {

using namespace tailrace;

TEST_CASE("error: every code has a name of its own", "[base][error]") {
    std::set<std::string> names;
    int codes = 0;
    for (int code = 0; code <= static_cast<int>(ErrorCode::unsupported); ++code, ++codes) {
        names.emplace(error_code_name(static_cast<ErrorCode>(code)));
    }

    CHECK(names.size() == static_cast<std::size_t>(codes));
    CHECK(names.count("unknown") == 0);
    CHECK(error_code_name(ErrorCode::no_space) == "no_space");
}

TEST_CASE("error: an errno gives code, text and name", "[base][error]") {
    const Error error = os_error(ENOSPC, "cannot create 'x'", "make room");

    CHECK(error.code == ErrorCode::no_space);
    CHECK(error.os_errno == ENOSPC);
    CHECK(error.message == "cannot create 'x': No space left on device (ENOSPC)");
    CHECK(error.hint == "make room");
    CHECK(os_error(ENOSPC, "").message == "No space left on device (ENOSPC)");
}

TEST_CASE("error: errnos are told apart by what can be done about them", "[base][error]") {
    CHECK(os_error(ENOENT, "").code == ErrorCode::not_found);
    CHECK(os_error(ENOTDIR, "").code == ErrorCode::not_found);
    CHECK(os_error(EEXIST, "").code == ErrorCode::already_exists);
    CHECK(os_error(EACCES, "").code == ErrorCode::no_permission);
    CHECK(os_error(EPERM, "").code == ErrorCode::no_permission);
    CHECK(os_error(EROFS, "").code == ErrorCode::no_permission);
    CHECK(os_error(EDQUOT, "").code == ErrorCode::no_space);
    CHECK(os_error(ENOMEM, "").code == ErrorCode::no_space);
    CHECK(os_error(EINVAL, "").code == ErrorCode::invalid_argument);
    CHECK(os_error(EBUSY, "").code == ErrorCode::busy);
    CHECK(os_error(ENOSYS, "").code == ErrorCode::unsupported);
    CHECK(os_error(EIO, "").code == ErrorCode::io_failure);
}

TEST_CASE("error: an errno that nobody knows still makes a message", "[base][error]") {
    const Error error = os_error(99999, "cannot do it");

    CHECK(error.code == ErrorCode::io_failure);
    CHECK(error.message == "cannot do it: error");
}

}  // namespace error_test
